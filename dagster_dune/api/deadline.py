"""Deadlines of requests: all parts of their answers and all retries together must end before them.

A deadline is a time, or an event that is set when the answers are no longer wanted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

_ENDS_AT: ContextVar[float] = ContextVar("dagster_dune_deadline", default=math.inf)
_END_EVENTS: ContextVar[tuple[Event, ...]] = ContextVar("dagster_dune_end", default=())

CHECK_SECONDS = 0.5
"""How often a wait checks whether its answer is still wanted."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Set a deadline for all requests of this block in this thread. Of nested deadlines the earliest counts.

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
    """End all requests of this block in this thread once an event is set. Of nested blocks, each event counts.

    A wait for an answer or before a retry then ends with the error of a deadline, and nothing more is sent.

    Args:
        end: Set it when the answers are no longer wanted.
    """
    token = _END_EVENTS.set((*_END_EVENTS.get(), end))
    try:
        yield
    finally:
        _END_EVENTS.reset(token)


@contextmanager
def until_answered() -> Iterator[None]:
    """Ignore end events that are set during this block, so that its request is answered; not those already set.

    It is for requests that start paid work: it costs anyway, and only the answer contains the id of what was started.
    """
    token = _END_EVENTS.set(_END_EVENTS.get() if _is_over() else ())
    try:
        yield
    finally:
        _END_EVENTS.reset(token)


def seconds_left() -> float:
    """Return the seconds until the earliest deadline; infinite if there is none, and negative after it."""
    return -math.inf if _is_over() else _ENDS_AT.get() - time.monotonic()


def may_end_early() -> bool:
    """Whether an event may end this block before its deadline."""
    return bool(_END_EVENTS.get())


def pause(seconds: float) -> None:
    """Wait for some seconds, or until an event ends this block."""
    ends, ends_at = _END_EVENTS.get(), time.monotonic() + seconds
    if not ends:
        time.sleep(seconds)
        return
    while not _is_over() and (left := ends_at - time.monotonic()) > 0:
        ends[-1].wait(min(left, CHECK_SECONDS))


def _is_over() -> bool:
    return any(end.is_set() for end in _END_EVENTS.get())
