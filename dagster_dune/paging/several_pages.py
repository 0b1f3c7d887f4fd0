"""Reads the pages of several executions, several at once, and yields them in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from itertools import groupby
from typing import TypeVar

from dagster_dune.api.pool import RequestPool
from dagster_dune.paging.execution_pages import THREADS, ExecutionPages
from dagster_dune.paging.requests import Page

T = TypeVar("T")


def pages_in_order(
    readers: Iterable[ExecutionPages[T]], concurrency: int
) -> Generator[tuple[ExecutionPages[T], Page[T]]]:
    """Read the pages of several executions, one after another, concurrently where the number of pages is known.

    No more pages are read ahead of the caller than `concurrency`.

    Args:
        readers: The executions, which are asked for as they are needed.
        concurrency: How many pages are read at once.

    Yields:
        Each page with its execution.
    """
    with RequestPool(concurrency, THREADS) as pool:
        for is_known, several in groupby(readers, lambda reader: reader.reads() is not None):
            if is_known:
                reads = (partial(_with, reader, read) for reader in several for read in reader.reads() or ())
                for reader, pages in pool.in_order(reads):
                    yield from ((reader, page) for page in pages)
            else:
                yield from ((reader, page) for reader in several for page in reader.sequential_pages())


def _with(reader: ExecutionPages[T], read: Callable[[], list[Page[T]]]) -> tuple[ExecutionPages[T], list[Page[T]]]:
    return reader, read()
