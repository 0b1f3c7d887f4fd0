"""Waits that an interrupt ends.

Where another library handles SIGINT, as polars does once it is imported, the system resumes a wait without a timeout
after the signal, and Python raises the interrupt only when the wait has ended. So each wait here has a timeout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, wait
from math import inf
from queue import Empty, SimpleQueue
from threading import Condition
from typing import TypeVar

T = TypeVar("T")

INTERRUPT_SECONDS = 0.5
"""The timeout of one wait; after it the next one begins."""


def result_of(future: Future[T], timeout: float | None = None) -> T:
    """Wait for a future to end, and return its result.

    Args:
        future: The future.
        timeout: The seconds to wait at the most; for ever if None.

    Raises:
        TimeoutError: It has not ended by then.
        Exception: The exception of the future.
    """
    ends_at = inf if timeout is None else time.monotonic() + timeout
    while not future.done() and (left := ends_at - time.monotonic()) > 0:
        wait([future], min(left, INTERRUPT_SECONDS))
    return future.result(timeout=0)


def in_order_of_ends(futures: Collection[Future[T]]) -> Iterator[T]:
    """Yield the results of futures, each as soon as it has ended.

    Raises:
        Exception: The exception of a future.
    """
    ended = SimpleQueue[Future[T]]()
    for future in futures:
        future.add_done_callback(ended.put)
    for _ in futures:
        yield _next(ended).result()


def wait_for(changed: Condition, predicate: Callable[[], bool], timeout: float) -> bool:
    """Wait until a condition holds, as `threading.Condition.wait_for` does.

    Args:
        changed: Notified whenever the predicate may have changed; the caller holds its lock.
        predicate: The condition.
        timeout: The seconds to wait at the most.

    Returns:
        Whether it holds.
    """
    ends_at = time.monotonic() + timeout
    while not (holds := predicate()) and (left := ends_at - time.monotonic()) > 0:
        changed.wait(min(left, INTERRUPT_SECONDS))
    return holds


def _next(ended: SimpleQueue[Future[T]]) -> Future[T]:
    while True:
        try:
            return ended.get(timeout=INTERRUPT_SECONDS)
        except Empty:
            continue
