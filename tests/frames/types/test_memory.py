"""The memory that frames stand in."""

import pyarrow as pa

from dagster_dune.frames.types import memory


def test_without_jemalloc_it_is_that_of_arrow(monkeypatch):
    def lacks():
        raise NotImplementedError("this Arrow was built without it")

    monkeypatch.setattr(pa, "jemalloc_memory_pool", lacks)
    assert memory.pool_of_frames().backend_name == pa.default_memory_pool().backend_name


def test_it_is_one_of_arrows_own():
    assert memory.POOL.backend_name in ("jemalloc", pa.default_memory_pool().backend_name)
