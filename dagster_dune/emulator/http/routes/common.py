"""What every endpoint needs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from dagster_dune.emulator.requests import BodyT, Options, OptionsT, RequestError, first_problem

if TYPE_CHECKING:
    from dagster_dune.emulator.engine.engine import Engine
    from dagster_dune.emulator.http.state import ServerState
    from dagster_dune.emulator.local_dune import LocalDune

NANOSECONDS = 1_000_000_000
MAX_ID = 2**63 - 1


class PageOptions(Options):
    """Which part of a list is asked for; all of it if nothing is said."""

    limit: int | None = Field(default=None, ge=1)
    offset: int = Field(default=0, ge=0)


def server_state(request: Request) -> ServerState:
    """Return what the server keeps."""
    return cast("ServerState", request.app.state.server)


def local_dune(request: Request) -> LocalDune:
    """Return the Dune that a request is for."""
    return server_state(request).dune


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """Return the JSON body of a request; no body at all counts as an empty object.

    Raises:
        RequestError: 400, naming the first field that is wrong.
    """
    try:
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error


def read_options(request: Request, model: type[OptionsT]) -> OptionsT:
    """Return the query string of a request.

    Raises:
        RequestError: 400, naming the first option that is wrong.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error


def query_id(request: Request) -> int:
    """Return the query id in a request's path.

    Raises:
        RequestError: 400, if it is no positive integer.
    """
    text = request.path_params["query_id"]
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_ID):
        raise RequestError(400, f"query_id: {text!r} is no query id, which is a positive integer")
    return int(text)


def answer(**fields: Any) -> JSONResponse:
    """Answer with a JSON object of the fields that are not None."""
    return JSONResponse({name: value for name, value in fields.items() if value is not None})


def owner(handle: str) -> dict[str, str]:
    """Say who owns a table."""
    return {"handle": handle, "type": "team"}


def column_overview(engine: Engine, name: str) -> list[dict[str, Any]]:
    """Describe the columns of a table. It asks DuckDB, so call it in a worker thread."""
    return [asdict(column) for column in engine.columns(name)]


def timestamp(nanoseconds: int | None) -> str | None:
    """Write a time as Dune does: ISO 8601, UTC, nine digits after the second.

    Examples:
        >>> timestamp(1_704_067_200_000_000_001)
        '2024-01-01T00:00:00.000000001Z'
    """
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
