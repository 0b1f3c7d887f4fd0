"""A thread pool for requests to Dune that are abandoned when the block that uses the pool ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import TypeVar

from dagster_dune.api.deadline import until_set
from dagster_dune.api.waiting import result_of

T = TypeVar("T")


class RequestPool(ThreadPoolExecutor):
    """A thread pool whose requests keep the deadline of the caller, and are abandoned at the end of its ``with`` block.

    Before a process ends, Python waits for the threads of every pool. A thread that waits for Dune's answer or for the
    rate limit would delay the end of the process. So every background request belongs in this pool, except requests
    whose answer is always needed: those that start an execution, and those that cancel one.

    Args:
        workers: How many threads there are at the most.
        name: The prefix of their names.
    """

    def __init__(self, workers: int, name: str) -> None:
        super().__init__(workers, thread_name_prefix=name)
        self._workers = workers
        self._is_closed = Event()

    def start(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Call a function in one of the threads, with the context of the caller."""
        return self.submit(copy_context().run, self._until_closed, function, *arguments)

    def in_order(self, functions: Iterable[Callable[[], T]]) -> Generator[T]:
        """Call functions in the threads of the pool, and yield their results in order.

        No more functions are started ahead of the caller than there are threads.

        Yields:
            The result of each function, in their order.
        """
        pending = deque[Future[T]]()
        for function in functions:
            pending.append(self.start(function))
            if len(pending) >= self._workers:
                yield result_of(pending.popleft())
        while pending:
            yield result_of(pending.popleft())

    def _until_closed(self, function: Callable[..., T], *arguments: object) -> T:
        with until_set(self._is_closed):
            return function(*arguments)

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        self.shutdown(wait=True, cancel_futures=True)
