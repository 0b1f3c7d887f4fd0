"""Dune's limits of requests a minute: one for reads, a lower one for writes and executions.

Where a plan's limits hold, answers carry the headers that Dune's Go client reads.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagster_dune.emulator.http.journal import CONTROL_PATH

RateLimit = Literal["free", "plus", "none"]
Kind = Literal["low", "high"]

WINDOW_SECONDS = 60.0


# Assumptions: local-rate-window, local-rate-headers.
@dataclass(frozen=True)
class Limits:
    """How many requests a minute a plan allows.

    Attributes:
        low: Of those that write or execute.
        high: Of those that read or cancel.
    """

    low: int
    high: int


LIMITS: Mapping[RateLimit, Limits | None] = {"free": Limits(15, 40), "plus": Limits(70, 200), "none": None}


def kind_of(method: str, path: str) -> Kind:
    """Tell which limit a request counts for.

    Examples:
        >>> kind_of("POST", "/api/v1/query/1/execute"), kind_of("POST", "/api/v1/execution/x/cancel")
        ('low', 'high')
    """
    is_cancel = path.startswith("/api/v1/execution/") and path.endswith("/cancel")
    return "high" if method == "GET" or is_cancel else "low"


class RateLimiter:
    """Counts the requests of the last minute. Those that it refuses do not count.

    Args:
        plan: The plan whose limits hold.
        clock: Says the time in seconds.
        window_seconds: How long a minute is.

    Examples:
        >>> limiter = RateLimiter("free", clock=lambda: 0.0)
        >>> [limiter.seconds_to_wait("low") for _ in range(16)][-2:]
        [0.0, 60.0]
    """

    def __init__(
        self, plan: RateLimit, clock: Callable[[], float] = time.monotonic, window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self._window = window_seconds
        self._limits = LIMITS[plan]
        self._clock = clock
        self._seen: dict[Kind, deque[float]] = {"low": deque(), "high": deque()}

    def seconds_to_wait(self, kind: Kind) -> float:
        """Count a request and return 0, or return how long it has to wait."""
        if self._limits is None:
            return 0.0
        now, seen = self._clock(), self._seen[kind]
        while seen and seen[0] <= now - self._window:
            seen.popleft()
        if len(seen) >= getattr(self._limits, kind):
            return seen[0] + self._window - now
        seen.append(now)
        return 0.0

    def headers(self, kind: Kind) -> dict[str, str]:
        """What is left of this minute: the limit, the requests that remain, and when one more will.

        The last is a Unix time in whole seconds; that of this very moment while there is room.
        """
        if self._limits is None:
            return {}
        now, seen, limit = self._clock(), self._seen[kind], int(getattr(self._limits, kind))
        used = sum(at > now - self._window for at in seen)
        wait = seen[0] + self._window - now if used >= limit else 0.0
        values = {"Limit": limit, "Remaining": limit - used, "Reset": math.ceil(time.time() + wait)}
        return {f"X-RateLimit-{name}": str(value) for name, value in values.items()}

    def clear(self) -> None:
        """Forget every request."""
        for seen in self._seen.values():
            seen.clear()


class RateLimitMiddleware:
    """Answers 429 with ``Retry-After`` where there were too many requests. What is under ``/_emulator/`` is free.

    Args:
        app: What answers.
        limiter: Counts the requests.
        shows_headers: Whether answers tell what is left in ``X-RateLimit-*``.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, *, shows_headers: bool) -> None:
        self._app = app
        self._limiter = limiter
        self._shows_headers = shows_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PATH):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        kind = kind_of(request.method, request.url.path)
        answering = self._refusal(kind) or self._app
        headers = self._limiter.headers(kind) if self._shows_headers else {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await answering(scope, receive, send_with_headers)

    def _refusal(self, kind: Kind) -> JSONResponse | None:
        seconds = math.ceil(self._limiter.seconds_to_wait(kind))
        if not seconds:
            return None
        message = f"Too many requests in this minute; try again in {seconds} seconds"
        return JSONResponse({"error": message}, 429, headers={"Retry-After": str(seconds)})
