"""The emulator's ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from dagster_dune.emulator.http.assumptions import AssumptionMiddleware
from dagster_dune.emulator.http.auth import AuthMiddleware
from dagster_dune.emulator.http.faults import Disconnect, FaultMiddleware
from dagster_dune.emulator.http.journal import JournalMiddleware
from dagster_dune.emulator.http.rate_limits import RateLimitMiddleware
from dagster_dune.emulator.http.replay import ReplayMiddleware
from dagster_dune.emulator.http.routes import (
    control,
    dataset_search,
    datasets,
    endpoints,
    executions,
    materialized_views,
    pipelines,
    queries,
    uploads,
    usage,
    whoami,
)
from dagster_dune.emulator.http.state import ServerState
from dagster_dune.emulator.requests import RequestError
from dagster_dune.emulator.sql_errors import SqlError

SERVED = "see the table of endpoints in docs/emulator.md. Dashboards, visualizations and contracts are not in it"

API_GROUPS = (
    pipelines,
    materialized_views,
    queries,
    executions,
    dataset_search,
    datasets,
    uploads,
    usage,
    endpoints,
)


# Assumptions: local-not-served, local-json-errors.
def create_app(state: ServerState, on_start: Callable[[], None], disconnect: Disconnect) -> ASGIApp:
    """Return the ASGI application of a local Dune.

    Args:
        state: The local Dune, and the state of the middleware.
        on_start: Called on the event loop when requests can be answered.
        disconnect: Closes the connection of a request.

    Returns:
        An application that writes requests to the journal, applies faults, checks the key of other requests, and
        answers errors as Dune does.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        on_start()
        yield
        await state.dune.close()

    app = Starlette(
        routes=[
            Mount("/api/v1", Router([route for group in API_GROUPS for route in group.routes], redirect_slashes=False)),
            Mount("/api", Router(whoami.routes, redirect_slashes=False)),
            Mount("/_emulator", Router(control.routes, redirect_slashes=False)),
        ],
        middleware=[
            Middleware(AuthMiddleware, access=state.access),
            Middleware(RateLimitMiddleware, limiter=state.rate_limiter, shows_headers=state.shows_rate_limit_headers),
        ],
        exception_handlers=dict.fromkeys((RequestError, SqlError, HTTPException, Exception), _answer_error),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.server = state
    broken: ASGIApp = FaultMiddleware(app, state.dune.faults, disconnect)
    if state.dune.assumed:
        broken = AssumptionMiddleware(broken, state.dune.assumed, state.dune.account.team)
    if state.cassette:
        broken = ReplayMiddleware(broken, state.cassette, is_strict=state.is_strict, api_key=state.access.api_key)
    answering = JournalMiddleware(broken, state.journal)

    async def answer_when_ready(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await state.is_ready.wait()
        await answering(scope, receive, send)

    return answer_when_ready


def _answer_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestError):
        status, message = error.status, str(error)
    elif isinstance(error, SqlError):
        status, message = 400, error.message
    elif isinstance(error, HTTPException) and error.status_code == 404:
        status, message = 404, f"The local Dune does not serve {request.method} {request.url.path}: {SERVED}"
    elif isinstance(error, HTTPException):
        status, message = error.status_code, f"{error.detail}: {request.method} {request.url.path}"
    else:
        status, message = 500, f"Internal error of the emulator ({type(error).__name__}); its log says more"
    return JSONResponse({"error": message}, status)
