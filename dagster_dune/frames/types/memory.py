"""Where the memory of frames comes from."""

from __future__ import annotations

import pyarrow as pa


def pool_of_frames() -> pa.MemoryPool:
    """Find jemalloc, or else what Arrow takes itself."""
    try:
        return pa.jemalloc_memory_pool()
    except NotImplementedError:  # such as on Windows
        return pa.default_memory_pool()


POOL = pool_of_frames()
"""Arrow's default is mimalloc, which takes huge pages: they hold more than is used, and clearing them takes long."""
