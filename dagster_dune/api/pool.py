"""Threads that send requests, until their user leaves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import TypeVar

from dagster_dune.api.deadline import until_set

T = TypeVar("T")


class RequestPool(ThreadPoolExecutor):
    """A pool that keeps its user's deadline, and ends what is under way when its user leaves.

    Python waits for the threads of every pool before a process ends: one that waits for an answer, or for the rate
    limit, would hold the process up as long.

    Args:
        workers: How many threads there are at the most.
        name: What their names begin with.
    """

    def __init__(self, workers: int, name: str) -> None:
        super().__init__(workers, thread_name_prefix=name)
        self._workers = workers
        self._is_left = Event()

    def start(self, act: Callable[..., T], *arguments: object) -> Future[T]:
        """Do something in one of its threads."""
        return self.submit(copy_context().run, self._until_left, act, *arguments)

    def in_order(self, acts: Iterable[Callable[[], T]]) -> Generator[T]:
        """Do as much at once as there are threads, and no more ahead of who takes it.

        Yields:
            What each returns, in their order.
        """
        coming = deque[Future[T]]()
        for act in acts:
            coming.append(self.start(act))
            if len(coming) >= self._workers:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()

    def _until_left(self, act: Callable[..., T], *arguments: object) -> T:
        with until_set(self._is_left):
            return act(*arguments)

    def __exit__(self, *_: object) -> None:
        self._is_left.set()
        self.shutdown(wait=True, cancel_futures=True)
