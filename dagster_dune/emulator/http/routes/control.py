"""The emulator's own endpoints under ``/_emulator``, which Dune does not have."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_dune.emulator.faults.rules import Release, Rule
from dagster_dune.emulator.http.routes.common import answer, local_dune, read_body, server_state


async def get_journal(request: Request) -> Response:
    """Return all requests since the last reset."""
    return JSONResponse(server_state(request).journal.entries())


async def reset(request: Request) -> Response:
    """Stop all executions and restore an empty account."""
    await server_state(request).reset()
    return answer(message="The emulator was reset")


async def list_executions(request: Request) -> Response:
    """Return all executions that were submitted since the last reset, the oldest first."""
    return JSONResponse(local_dune(request).executions.overview())


async def list_faults(request: Request) -> Response:
    """Return all rules, and how often they were applied."""
    return JSONResponse(local_dune(request).faults.rules())


async def inject_fault(request: Request) -> Response:
    """Add a rule."""
    local_dune(request).faults.inject(await read_body(request, Rule))
    return answer(message="The fault was injected")


async def clear_faults(request: Request) -> Response:
    """Remove all rules."""
    local_dune(request).faults.clear()
    return answer(message="The faults were cleared")


async def release(request: Request) -> Response:
    """Let held executions continue: those of the node in the body, or all."""
    body = await read_body(request, Release)
    local_dune(request).faults.release(body.node)
    return answer(message="The held executions go on")


routes = [
    Route("/journal", get_journal),
    Route("/executions", list_executions),
    Route("/faults", list_faults),
    Route("/faults", inject_fault, methods=["POST"]),
    Route("/faults", clear_faults, methods=["DELETE"]),
    Route("/release", release, methods=["POST"]),
    Route("/reset", reset, methods=["POST"]),
]
