"""What every endpoint needs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from dagster_dune.emulator.wire import Options

if TYPE_CHECKING:
    from dagster_dune.emulator.local import LocalDune

NANOSECONDS = 1_000_000_000


class PageOptions(Options):
    """Which part of a list is asked for; all of it if nothing is said."""

    limit: int | None = Field(default=None, ge=1)
    offset: int = Field(default=0, ge=0)


def local_dune(request: Request) -> LocalDune:
    """Return the Dune that a request is for."""
    return cast("LocalDune", request.app.state.local_dune)


def answer(**fields: Any) -> JSONResponse:
    """Answer with a JSON object of the fields that are not None."""
    return JSONResponse({name: value for name, value in fields.items() if value is not None})


def timestamp(nanoseconds: int | None) -> str | None:
    """Write a time as Dune does: ISO 8601, UTC, nine digits after the second.

    Examples:
        >>> timestamp(1_704_067_200_000_000_001)
        '2024-01-01T00:00:00.000000001Z'
    """
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
