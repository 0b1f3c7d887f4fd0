"""The memory that the columns of a frame stay in."""

from __future__ import annotations

import pyarrow as pa

FRAME_MEMORY = pa.jemalloc_memory_pool() if "jemalloc" in pa.supported_memory_backends() else pa.default_memory_pool()
"""An allocator of its own, where Arrow was built with one: between arrays that stay, what is freed is lost. Jemalloc
touches no more than an array has, and gives back a part of what a frame had."""
