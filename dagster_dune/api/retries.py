"""Which requests are sent again, and after which failures.

Reads may be repeated at will. A request that starts paid work may be repeated only where Dune surely did not start it:
the connection never opened, or Dune answered 429.
"""

from __future__ import annotations

import httpx
from httpx_retries import Retry

BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0


def retry_reads(attempts: int) -> Retry:
    """Return the policy of requests that change nothing, or that may safely be carried out twice.

    Args:
        attempts: How often a request is sent again at the most.

    Returns:
        A policy with exponential backoff and full jitter, which honours Retry-After.
    """
    return Retry(
        total=attempts,
        allowed_methods=["GET", "POST", "PATCH", "DELETE"],
        status_forcelist=[429, 500, 502, 503, 504],
        backoff_factor=BACKOFF_SECONDS,
        max_backoff_wait=MAX_BACKOFF_SECONDS,
    )


def retry_submissions(attempts: int) -> Retry:
    """Return the policy of requests that start something, and that must not be carried out twice.

    Args:
        attempts: How often a request is sent again at the most.

    Returns:
        A policy that repeats a request only if no connection was opened for it, or after a 429.
    """
    return Retry(
        total=attempts,
        allowed_methods=["POST"],
        status_forcelist=[429],
        retry_on_exceptions=(httpx.ConnectError, httpx.ConnectTimeout),
        backoff_factor=BACKOFF_SECONDS,
        max_backoff_wait=MAX_BACKOFF_SECONDS,
    )
