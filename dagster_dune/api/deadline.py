"""How long requests may take: every part of their answers, and every repetition, taken together."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ENDS_AT: ContextVar[float] = ContextVar("dagster_dune_deadline", default=math.inf)


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


def seconds_left() -> float:
    """How long until the earliest deadline; infinite without one, and negative after it."""
    return _ENDS_AT.get() - time.monotonic()
