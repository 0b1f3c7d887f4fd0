"""A thread pool for requests to Dune, which are given up when the block that uses the pool ends."""

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
    """A thread pool whose requests keep the deadline of the caller, and are given up at the end of its ``with`` block.

    Before a process ends, Python waits for the threads of every pool: a thread that waits for an answer of Dune, or for
    the rate limit, would delay the end of the process by as long. So every request in the background belongs into this
    pool, but for those whose answer must be awaited: a request that starts an execution, and one that cancels it.

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
        """Run functions in the threads of the pool, and return their results in order.

        No more of them are started ahead of the caller than there are threads.

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
