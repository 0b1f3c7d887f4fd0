"""Dune's limits of requests per minute: one for reads, and a lower one for writes and executions.

With the limits of a plan, answers have the headers that Dune's Go client reads.
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
    """The requests per minute that a plan allows.

    Attributes:
        low: The limit of requests that write or execute.
        high: The limit of requests that read or cancel.
    """

    low: int
    high: int


LIMITS: Mapping[RateLimit, Limits | None] = {"free": Limits(15, 40), "plus": Limits(70, 200), "none": None}


def kind_of(method: str, path: str) -> Kind:
    """Return the limit that a request counts for.

    Examples:
        >>> kind_of("POST", "/api/v1/query/1/execute"), kind_of("POST", "/api/v1/execution/x/cancel")
        ('low', 'high')
    """
    is_cancel = path.startswith("/api/v1/execution/") and path.endswith("/cancel")
    return "high" if method == "GET" or is_cancel else "low"


class RateLimiter:
    """Counts the requests of the last minute, except refused ones.

    Args:
        plan: The plan with the limits.
        clock: Returns the time in seconds.
        window_seconds: The duration of a minute.

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
        """Count a request and return 0, or return the time until it is allowed."""
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
        """Return the headers with the limit, the remaining requests, and the time of the next one.

        The last is a Unix time in whole seconds; the current time while requests remain.
        """
        if self._limits is None:
            return {}
        now, seen, limit = self._clock(), self._seen[kind], int(getattr(self._limits, kind))
        used = sum(at > now - self._window for at in seen)
        wait = seen[0] + self._window - now if used >= limit else 0.0
        values = {"Limit": limit, "Remaining": limit - used, "Reset": math.ceil(time.time() + wait)}
        return {f"X-RateLimit-{name}": str(value) for name, value in values.items()}

    def clear(self) -> None:
        """Remove all requests."""
        for seen in self._seen.values():
            seen.clear()


class RateLimitMiddleware:
    """Answers with 429 and ``Retry-After`` after too many requests. Requests under ``/_emulator/`` are not limited.

    Args:
        app: The application.
        limiter: Counts the requests.
        shows_headers: Whether answers have the headers ``X-RateLimit-*``.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, *, shows_headers: bool) -> None:
        self._app = app
        self._limiter = limiter
        self._shows_headers = shows_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
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
