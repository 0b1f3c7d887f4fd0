"""The memory pool of the columns of a frame."""

from __future__ import annotations

import pyarrow as pa

FRAME_MEMORY = pa.jemalloc_memory_pool() if "jemalloc" in pa.supported_memory_backends() else pa.default_memory_pool()
"""A separate allocator, if Arrow was built with one: memory that is freed between arrays that stay is not reused.
Jemalloc touches no more memory than an array has, and returns a part of a frame's memory to the system."""
