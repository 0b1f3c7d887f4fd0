"""One budget of reads for all that a process does with one key, so that watching gives way to working.

Dune counts reads by the minute, and what the plan allows is not written in any answer that is documented. So the limit
is learned: from ``X-RateLimit-Limit`` where it is sent, and from each 429, which says that what was sent was too much.
What other processes send with the same key shows in the same way, as a lower limit for this one.
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
from dagster_dune.api.forks import call_in_forks

WINDOW_SECONDS = 60.0
FREE_LIMIT = 40
"""The least that a plan allows. A first 429 says no more than that it is no higher than what was sent."""

LEAST_LIMIT = 8
"""What is left of it where others go on sending with the same key."""

DETAILS_PAUSE = 30.0
WINDOWS_TO_FORGET = 3
"""A limit that was learned from a 429 may have been others' doing, and is forgotten after so many minutes."""


class Purpose(Enum):
    """What a read is for, and the share of the limit that all reads for it may have together."""

    POLLING = 0.25
    DETAILS = 0.5


_PURPOSE: ContextVar[Purpose | None] = ContextVar("dagster_dune_purpose", default=None)


@contextmanager
def reads_for(purpose: Purpose) -> Iterator[None]:
    """Say what the reads of this block are for, in this thread: each, and each repetition, waits for its share.

    Args:
        purpose: What they are for.
    """
    token = _PURPOSE.set(purpose)
    try:
        yield
    finally:
        _PURPOSE.reset(token)


@dataclass(frozen=True)
class RateLimit:
    """What the last answer said of the limit: ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset``, where it did."""

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None


class RateBudget:
    """How many reads may still be sent in this minute. Threads share it.

    Args:
        limit: The plan's reads a minute, where that is known; learned if None.
        window_seconds: What a minute is.
        clock: Says the time in seconds.

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
        self._told: int | None = None
        self._learned: int | None = None
        self._learned_at = -float("inf")
        self._blocked_until = dict.fromkeys(Purpose, -float("inf"))
        self._reads = deque[float]()
        self._granted: dict[Purpose, deque[float]] = {purpose: deque() for purpose in Purpose}
        self._begin_anew()
        call_in_forks(self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = Lock()

    @property
    def limit(self) -> int | None:
        """The reads that a minute may have; None while nothing is known of a limit."""
        if self._clock() - self._learned_at > WINDOWS_TO_FORGET * self._window:
            self._learned = None
        known = [limit for limit in (self._set, self._told, self._learned) if limit is not None]
        return min(known, default=None)

    def set_limit(self, limit: int | None) -> None:
        """Say what the plan allows."""
        self._set = limit

    def seconds_to_wait(self, purpose: Purpose) -> float:
        """Grant a read, and return 0; or return how long it has to wait, so that its share of the limit is kept.

        The first half of a share is there at once, the other half is spread over the minute.
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

    def wait_for_room(self) -> bool:
        """Wait until there is room for a read of this block's purpose; reads without a purpose need none.

        Returns:
            Whether there is room now; not if the deadline comes first.
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
        """Learn from an answer."""
        told = RateLimit(*(_number(headers.get(f"X-RateLimit-{name}")) for name in ("Limit", "Remaining", "Reset")))
        with self._lock:
            now = self._clock()
            self._forget(now)
            if told.limit is not None:
                self.rate_limit = told
                self._told = max(1, told.limit)
            if status == 429:
                self._refused(now, retry_after)

    def _refused(self, now: float, retry_after: float | None) -> None:
        """Dune has had too much. Where that goes on although the limit is kept, others send too."""
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
    """Return the one budget that this process has for a key."""
    name = hashlib.sha256(f"{base_url} {api_key}".encode()).digest()
    return _BUDGETS.setdefault(name, RateBudget())  # of one step, so that threads need no lock


def forget_budgets() -> None:
    """Begin anew, as a new process does: for tests that share one."""
    _BUDGETS.clear()
