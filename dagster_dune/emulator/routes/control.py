"""What Dune does not have: the emulator's own endpoints under ``/_emulator``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_dune.emulator.routes.common import answer, local_dune


async def get_journal(request: Request) -> Response:
    """Return every request since the last reset."""
    return JSONResponse(local_dune(request).journal.entries())


async def reset(request: Request) -> Response:
    """Stop everything and go back to an empty account."""
    await local_dune(request).reset()
    return answer(message="The emulator was reset")


routes = [
    Route("/journal", get_journal),
    Route("/reset", reset, methods=["POST"]),
]
