"""What an interrupt must not cut short: finding out what was started, and cancelling it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Lock, Thread
from typing import TypeVar

T = TypeVar("T")


def uninterrupted(act: Callable[[], T]) -> T:
    """Carry out what an interrupt asks for, to its end, whatever interrupts come meanwhile.

    A step hears of one Ctrl-C twice: from its terminal, and from the run worker, which hears of it too.

    Args:
        act: What to do; it runs in a thread of its own, once.

    Returns:
        What it returns.
    """
    done: Future[T] = Future()
    turn = Lock()

    def carry_out() -> None:
        if turn.acquire(blocking=False):
            try:
                done.set_result(act())
            except BaseException as error:
                done.set_exception(error)

    while not done.done():
        try:
            # Also where an interrupt came while it was started. Of several threads one acts.
            Thread(target=carry_out, name="dune-interrupt").start()
            wait([done])
        except Exception:
            raise
        except BaseException:  # noqa: S112  (another interrupt; the first is what passes on)
            continue
    return done.result()
