"""Which requests are sent again, after which failures, and how long is waited in between.

Reads may be repeated at will. A request that starts paid work may be repeated only where Dune surely did not start it:
the connection never opened, or Dune itself answered 429.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from dagster_dune.api.deadline import pause, seconds_left
from dagster_dune.api.errors import DuneApiError, DuneConnectionError, DuneRateLimitError, DuneServerError

BACKOFF_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
MAX_RETRY_AFTER = 300.0
"""Dune counts requests by the minute: whoever says more is not waited for, and told no more than this."""

PASSING_FAULTS = (500, 502, 503, 504)

T = TypeVar("T")
logger = logging.getLogger(__name__)


def repeated(attempt: Callable[[], T], times: int, may_repeat: Callable[[DuneApiError], bool]) -> T:
    """Carry something out, and again after failures that pass, with growing, drawn waits or those that Dune asks for.

    Args:
        attempt: What to do.
        times: How often it is repeated at the most.
        may_repeat: Tells of a failure whether to try again after it.

    Returns:
        What the first attempt that succeeds returns.

    Raises:
        DuneApiError: The last failure, where there are no more attempts, or no time to wait for another.
    """
    done = 0
    while True:
        try:
            return attempt()
        except DuneApiError as error:
            wait = _wait_after(error, done)
            if done == times or not may_repeat(error) or wait > min(MAX_WAIT_SECONDS, seconds_left()):
                raise
            if isinstance(error, DuneRateLimitError):
                tell_rate_limit(wait)
        pause(wait)
        done += 1


def tell_rate_limit(seconds: float) -> None:
    """Say at INFO that the rate limit is waited for, and until when."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    logger.info("Dune's rate limit is reached: waiting %.0f s, until %s UTC.", seconds, f"{until:%H:%M:%S}")


def may_read_again(error: DuneApiError) -> bool:
    """Whether a request that changes nothing, or that may be carried out twice, is worth another attempt."""
    if isinstance(error, DuneServerError):
        return error.status in PASSING_FAULTS
    return isinstance(error, (DuneConnectionError, DuneRateLimitError))


def may_change_again(error: DuneApiError) -> bool:
    """Whether a change is worth another attempt. Not where Dune may still be working on it: it may come after the next.

    A table that was cleared twice is as good as one that was cleared once, but not if rows were inserted in between.
    """
    is_late = isinstance(error, DuneConnectionError) and error.timed_out
    return may_read_again(error) and not is_late and error.status != 504


# Assumptions: no-idempotency, refused-not-started.
def may_submit_again(error: DuneApiError) -> bool:
    """Whether a request that must not be carried out twice was surely not carried out, and is worth another attempt."""
    return isinstance(error, DuneRateLimitError) or (isinstance(error, DuneConnectionError) and not error.was_opened)


def _wait_after(error: DuneApiError, done: int) -> float:
    # Assumption: retry-after.
    if isinstance(error, DuneRateLimitError) and error.retry_after:
        return error.retry_after
    return random.uniform(0, min(BACKOFF_SECONDS * 2 ** (done + 1), MAX_WAIT_SECONDS))  # noqa: S311


def seconds_of(retry_after: str | None) -> float | None:
    """Read a ``Retry-After``: a number of seconds, or a date.

    Returns:
        The seconds from now on, five minutes at the most; None where it is neither.

    Examples:
        >>> [seconds_of(text) for text in ("7", "0", "9" * 400, "-1", "²", "soon", None)]
        [7.0, 0.0, 300.0, None, None, None, None]
        >>> seconds_of("Wed, 25 Nov 2020 10:00:00 GMT"), seconds_of("Fri, 31 Dec 9999 23:59:59 GMT")
        (0.0, 300.0)
    """
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def longest_submission(timeout: float, attempts: int) -> float:
    """Return how many seconds a request that starts something can take, its repeats and the waits before them included.

    Args:
        timeout: The seconds that one attempt may take.
        attempts: How often it is sent again at the most.
    """
    return (attempts + 1) * timeout + attempts * MAX_WAIT_SECONDS
