"""Which requests are retried, after which failures, and after which waits.

Reads may always be retried. A request that starts paid work is retried only if Dune surely did not start it: if the
connection never opened, or Dune itself answered 429.
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
"""The longest time that is read from a ``Retry-After``: Dune counts requests by the minute."""

PASSING_FAULTS = (500, 502, 503, 504)

T = TypeVar("T")
logger = logging.getLogger(__name__)


def repeated(attempt: Callable[[], T], times: int, may_repeat: Callable[[DuneApiError], bool]) -> T:
    """Call a function, and again after passing failures, after growing random waits or those that Dune asks for.

    Args:
        attempt: The function.
        times: How often it is called again at the most.
        may_repeat: Returns whether to try again after a failure.

    Returns:
        The result of the first attempt that succeeds.

    Raises:
        DuneApiError: The last failure, if there are no more attempts, or no time to wait for another.
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
                log_rate_limit(wait)
        pause(wait)
        done += 1


def log_rate_limit(seconds: float) -> None:
    """Log at INFO that the rate limit is reached, and how long is waited for it."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    logger.info("Dune's rate limit is reached: waiting %.0f s, until %s UTC.", seconds, f"{until:%H:%M:%S}")


def may_read_again(error: DuneApiError) -> bool:
    """Whether to retry a request that changes nothing, or that may be carried out twice."""
    if isinstance(error, DuneServerError):
        return error.status in PASSING_FAULTS
    return isinstance(error, (DuneConnectionError, DuneRateLimitError))


def may_change_again(error: DuneApiError) -> bool:
    """Whether to retry a change. Not if Dune may still be working on it: it could finish after later requests.

    Clearing a table twice has the effect of clearing it once, but not if rows are inserted in between.
    """
    is_late = isinstance(error, DuneConnectionError) and error.timed_out
    return may_read_again(error) and not is_late and error.status != 504


# Assumptions: no-idempotency, refused-not-started.
def may_submit_again(error: DuneApiError) -> bool:
    """Whether to retry a request that must not be carried out twice: only if it was surely not carried out."""
    return isinstance(error, DuneRateLimitError) or (isinstance(error, DuneConnectionError) and not error.was_opened)


def _wait_after(error: DuneApiError, done: int) -> float:
    # Assumption: retry-after.
    if isinstance(error, DuneRateLimitError) and error.retry_after:
        return error.retry_after
    return random.uniform(0, min(BACKOFF_SECONDS * 2 ** (done + 1), MAX_WAIT_SECONDS))  # noqa: S311


def seconds_of(retry_after: str | None) -> float | None:
    """Read a ``Retry-After``: a number of seconds, or a date.

    Returns:
        The seconds from now on, five minutes at the most; None if it is neither.

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
    """Return how many seconds a request that starts something can take, including its retries and their waits.

    Args:
        timeout: The seconds that one attempt may take.
        attempts: How often it is sent again at the most.
    """
    return (attempts + 1) * timeout + attempts * MAX_WAIT_SECONDS
