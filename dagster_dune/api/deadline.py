"""How long requests may take: every part of their answers, and every repetition, taken together.

A deadline is a time, or an event: that nobody wants the answers any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

_ENDS_AT: ContextVar[float] = ContextVar("dagster_dune_deadline", default=math.inf)
_ENDS_WITH: ContextVar[tuple[Event, ...]] = ContextVar("dagster_dune_end", default=())

LOOK_SECONDS = 0.5
"""How often what waits looks whether anybody still wants the answer."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound all that the client does within this block, in this thread. Of nested bounds the earliest holds.

    Args:
        seconds: From now on.

    Examples:
        >>> with deadline(5), deadline(60):
        ...     0 < seconds_left() <= 5
        True
        >>> seconds_left()
        inf
    """
    token = _ENDS_AT.set(min(_ENDS_AT.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS_AT.reset(token)


@contextmanager
def until_set(end: Event) -> Iterator[None]:
    """End all that the client does within this block, in this thread, once an event is set. Of nested ones any counts.

    What waits for an answer, or to ask again, ends at once with the error of a deadline; nothing more is sent.

    Args:
        end: Set by whoever does not want the answers any more.
    """
    token = _ENDS_WITH.set((*_ENDS_WITH.get(), end))
    try:
        yield
    finally:
        _ENDS_WITH.reset(token)


@contextmanager
def to_its_end() -> Iterator[None]:
    """Let what begins in this block go on to its answer though the event is set meanwhile; not where it is set already.

    What starts something costs, whether or not anybody still wants the answer, and that alone says what it was.
    """
    token = _ENDS_WITH.set(_ENDS_WITH.get() if _is_over() else ())
    try:
        yield
    finally:
        _ENDS_WITH.reset(token)


def seconds_left() -> float:
    """How long until the earliest deadline; infinite without one, and negative after it."""
    return -math.inf if _is_over() else _ENDS_AT.get() - time.monotonic()


def may_end_early() -> bool:
    """Whether the deadline may come before its time."""
    return bool(_ENDS_WITH.get())


def pause(seconds: float) -> None:
    """Wait, but no longer than until one of the events that end this block."""
    ends, ends_at = _ENDS_WITH.get(), time.monotonic() + seconds
    if not ends:
        time.sleep(seconds)
        return
    while not _is_over() and (left := ends_at - time.monotonic()) > 0:
        ends[-1].wait(min(left, LOOK_SECONDS))


def _is_over() -> bool:
    return any(end.is_set() for end in _ENDS_WITH.get())
