"""One budget of reads for each key of a process, so that polling does not use up the rate limit.

Dune counts reads by the minute, and no documented answer says how many the plan allows. So the limit is learned: from
``X-RateLimit-Limit`` if it is sent, and from each 429, which means that too many reads were sent. Reads of other
processes with the same key have the same effect: they lower the limit of this process.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from threading import Lock

from dagster_dune.api.deadline import pause, seconds_left
from dagster_dune.api.forks import call_after_fork

WINDOW_SECONDS = 60.0
FREE_LIMIT = 40
"""The least limit of any plan. After a first 429, the limit is taken to be the reads sent before it, but not less."""

LEAST_LIMIT = 8
"""The least limit that is learned, if other processes go on sending with the same key."""

DETAILS_PAUSE = 30.0
WINDOWS_TO_FORGET = 3
"""After so many minutes a limit that was learned from a 429 is forgotten: other processes may have caused it."""


class Purpose(Enum):
    """The purpose of a read, and the share of the limit that all reads for this purpose may use."""

    POLLING = 0.25
    DETAILS = 0.5


_PURPOSE: ContextVar[Purpose | None] = ContextVar("dagster_dune_purpose", default=None)


@contextmanager
def reads_for(purpose: Purpose) -> Iterator[None]:
    """Set the purpose of all reads of this block in this thread: each read and each retry waits for its share.

    Args:
        purpose: The purpose.
    """
    token = _PURPOSE.set(purpose)
    try:
        yield
    finally:
        _PURPOSE.reset(token)


@dataclass(frozen=True)
class RateLimit:
    """The headers ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset`` of an answer; None for those it lacks."""

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None


class RateBudget:
    """Grants reads within the limit of each minute. Threads share it.

    Args:
        limit: The plan's reads per minute; learned if None.
        window_seconds: The length of a minute, for tests.
        clock: Returns the time in seconds.

    Examples:
        >>> budget = RateBudget(limit=40, clock=lambda: 0.0)
        >>> [budget.seconds_to_wait(Purpose.DETAILS) for _ in range(21)][-2:]
        [0.0, 60.0]
    """

    def __init__(
        self,
        limit: int | None = None,
        window_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate_limit = RateLimit()
        self._window = WINDOW_SECONDS if window_seconds is None else window_seconds
        self._clock = clock
        self._set = limit
        self._reported: int | None = None
        self._learned: int | None = None
        self._learned_at = -float("inf")
        self._blocked_until = dict.fromkeys(Purpose, -float("inf"))
        self._reads = deque[float]()
        self._granted: dict[Purpose, deque[float]] = {purpose: deque() for purpose in Purpose}
        self._reset_lock()
        call_after_fork(self._reset_lock)

    def _reset_lock(self) -> None:
        self._lock = Lock()

    @property
    def limit(self) -> int | None:
        """The number of reads allowed per minute; None if no limit is known."""
        if self._clock() - self._learned_at > WINDOWS_TO_FORGET * self._window:
            self._learned = None
        known = [limit for limit in (self._set, self._reported, self._learned) if limit is not None]
        return min(known, default=None)

    def set_limit(self, limit: int | None) -> None:
        """Set the number of reads per minute that the plan allows."""
        self._set = limit

    def seconds_to_wait(self, purpose: Purpose) -> float:
        """Grant a read and return 0, or return the seconds to wait so that the share of its purpose is not exceeded.

        For polling, the first half of the share is granted at once, and the other half is spread over the minute.
        """
        with self._lock:
            now, granted, limit = self._clock(), self._granted[purpose], self.limit
            self._forget(now)
            wait = self._blocked_until[purpose] - now
            if limit is not None:
                allowed = max(1, int(limit * purpose.value))
                at_once = allowed if purpose is Purpose.DETAILS else (allowed + 1) // 2
                if len(granted) >= allowed:
                    wait = max(wait, granted[-allowed] + self._window - now)
                elif len(granted) >= at_once:
                    wait = max(wait, granted[-1] + self._window / (allowed - at_once + 1) - now)
            if wait > 0:
                return wait
            granted.append(now)
            return 0.0

    def wait_for_budget(self) -> bool:
        """Wait until a read for this block's purpose is granted. Reads without a purpose do not wait.

        Returns:
            Whether the read is granted; False if the deadline passes first.
        """
        purpose = _PURPOSE.get()
        while purpose is not None and (wait := self.seconds_to_wait(purpose)) > 0:
            left = seconds_left()
            if left <= 0:
                return False
            pause(min(wait, left))
        return True

    def sent(self) -> None:
        """Count a read."""
        with self._lock:
            self._reads.append(self._clock())

    def answered(self, status: int, headers: Mapping[str, str], retry_after: float | None) -> None:
        """Learn the limit from an answer."""
        reported = RateLimit(*(_number(headers.get(f"X-RateLimit-{name}")) for name in ("Limit", "Remaining", "Reset")))
        with self._lock:
            now = self._clock()
            self._forget(now)
            if reported.limit is not None:
                self.rate_limit = reported
                self._reported = max(1, reported.limit)
            if status == 429:
                self._refused(now, retry_after)

    def _refused(self, now: float, retry_after: float | None) -> None:
        """Lower the limit after a 429. If a known limit was kept, other processes send too, and it is halved."""
        known = self.limit
        if known is None:
            self._learn(max(FREE_LIMIT, len(self._reads) - 1), now)
        elif len(self._reads) <= known:
            self._learn(max(LEAST_LIMIT, known // 2), now)
        for purpose, blocked in (
            (Purpose.POLLING, retry_after or 0.0),
            (Purpose.DETAILS, retry_after or DETAILS_PAUSE),
        ):
            self._blocked_until[purpose] = max(self._blocked_until[purpose], now + blocked)

    def _learn(self, limit: int, now: float) -> None:
        self._learned, self._learned_at = limit, now

    def _forget(self, now: float) -> None:
        for times in (self._reads, *self._granted.values()):
            while times and times[0] <= now - self._window:
                times.popleft()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else None


_BUDGETS: dict[bytes, RateBudget] = {}


def budget_of(base_url: str, api_key: str) -> RateBudget:
    """Return the budget that this process has for a key, and create it if there is none."""
    name = hashlib.sha256(f"{base_url} {api_key}".encode()).digest()
    return _BUDGETS.setdefault(name, RateBudget())  # setdefault is atomic, so threads need no lock


def forget_budgets() -> None:
    """Forget all budgets, as a new process does; for tests that share one process."""
    _BUDGETS.clear()
