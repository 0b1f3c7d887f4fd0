"""Runs a function to its end despite interrupts, such as one that cancels what was started."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Lock, Thread
from typing import TypeVar

T = TypeVar("T")


def uninterrupted(act: Callable[[], T]) -> T:
    """Call a function, and wait until it has ended, whatever interrupts arrive meanwhile.

    A step gets two interrupts for one Ctrl-C: one from its terminal, and one from the run worker, which gets one too.

    Args:
        act: The function; it is called once, in a thread of its own.

    Returns:
        What the function returns.
    """
    done: Future[T] = Future()
    lock = Lock()

    def call_once() -> None:
        if lock.acquire(blocking=False):
            try:
                done.set_result(act())
            except BaseException as error:
                done.set_exception(error)

    while not done.done():
        try:
            # An interrupt during the start may have started a thread already: the lock lets only one call the function.
            Thread(target=call_once, name="dune-interrupt").start()
            wait([done])
        except Exception:
            raise
        except BaseException:  # noqa: S112  (another interrupt; the caller raises the first)
            continue
    return done.result()
