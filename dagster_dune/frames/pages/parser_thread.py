"""The one thread that parses pages. It is one since an allocator keeps, for each thread, the memory that it freed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from math import inf
from queue import PriorityQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class ParserThread:
    """Runs functions for other threads, which wait for the results; those of the earliest page run first.

    If the pages took turns, block by block, all would be complete at the same moment, and the next pages would be
    requested only when nothing is left to parse.
    """

    def __init__(self) -> None:
        self._tasks = PriorityQueue[tuple[float, int, Callable[[], Any], Future[Any]]]()
        self._numbers = count()
        self._starting = Lock()
        self._thread: Thread | None = None

    @property
    def waiting(self) -> int:
        """The number of functions in the queue, without the one that runs."""
        return self._tasks.qsize()

    def run(self, priority: float, work: Callable[[], T]) -> T:
        """Run a function in the thread, and wait for it.

        Args:
            priority: Functions with lower numbers run first.
            work: The function.

        Returns:
            The result of the function.
        """
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="dune-parser", daemon=True)
                self._thread.start()
        future = Future[T]()
        self._tasks.put((priority, next(self._numbers), work, future))
        return future.result()

    def close(self) -> None:
        """Stop the thread after it has run all functions in the queue."""
        if self._thread is not None:
            self._tasks.put((inf, next(self._numbers), _no_op, Future()))
            self._thread.join()

    def _work(self) -> None:
        priority = -inf
        while priority < inf:
            priority, _, work, future = self._tasks.get()
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            del work, future


def _no_op() -> None:
    pass
