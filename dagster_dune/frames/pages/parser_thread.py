"""The one thread that parses pages: allocators keep for each thread what it has freed."""

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
    """Does the work that other threads wait for, that of the earliest page first.

    Were pages parsed by turns, block by block, they would all end at the same moment, and the next ones would be asked
    for when there is nothing left to parse.
    """

    def __init__(self) -> None:
        self._tasks = PriorityQueue[tuple[float, int, Callable[[], Any], Future[Any]]]()
        self._numbers = count()
        self._starting = Lock()
        self._thread: Thread | None = None

    @property
    def waiting(self) -> int:
        """How many wait, beside the one whose work is being done."""
        return self._tasks.qsize()

    def run(self, place: float, work: Callable[[], T]) -> T:
        """Have some work done, and wait for it.

        Args:
            place: What lies lower is done first.
            work: What is to be done.

        Returns:
            What it returns.
        """
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="dune-parser", daemon=True)
                self._thread.start()
        done = Future[T]()
        self._tasks.put((place, next(self._numbers), work, done))
        return done.result()

    def close(self) -> None:
        """End the thread, once nobody waits for it."""
        if self._thread is not None:
            self._tasks.put((inf, next(self._numbers), _nothing, Future()))
            self._thread.join()

    def _work(self) -> None:
        place = -inf
        while place < inf:
            place, _, work, done = self._tasks.get()
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)
            del work, done


def _nothing() -> None:
    pass
