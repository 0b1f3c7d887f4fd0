"""Helpers of all endpoints: state, bodies, options, ids and the form of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, ValidationError
from pydantic_core import from_json, to_json
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
    """The requested part of a list; by default all of it."""

    limit: int | None = Field(default=None, ge=1)
    offset: int = Field(default=0, ge=0)


def server_state(request: Request) -> ServerState:
    """Return the state of the server."""
    return cast("ServerState", request.app.state.server)


def local_dune(request: Request) -> LocalDune:
    """Return the local Dune of a request."""
    return server_state(request).dune


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """Return the JSON body of a request; an empty body is an empty object.

    Raises:
        RequestError: 400, with the first invalid field.
    """
    try:
        return parsed(model, await request.body() or b"{}", is_lenient=server_state(request).is_lenient)
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error


def parsed(model: type[BodyT], body: bytes, *, is_lenient: bool) -> BodyT:
    """Return a parsed body. A lenient emulator ignores unknown fields.

    Raises:
        ValidationError: The body is invalid, or has unknown fields and the emulator is not lenient.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        places = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
        if not (is_lenient and places):
            raise
        fields: Any = from_json(body)
        for place in places:
            _remove(fields, place)
        return model.model_validate_json(to_json(fields))


def _remove(fields: Any, place: Sequence[Any]) -> None:
    """Remove a field by its path, in which parts that are no keys are types of a union."""
    *parents, name = place
    for parent in parents:
        if isinstance(fields, list) or parent in fields:
            fields = fields[parent]
    fields.pop(name, None)


def read_options(request: Request, model: type[OptionsT]) -> OptionsT:
    """Return the query string of a request.

    Raises:
        RequestError: 400, with the first invalid option.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error


def query_id(request: Request) -> int:
    """Return the query id in the path of a request.

    Raises:
        RequestError: 400, if it is no positive integer.
    """
    text = request.path_params["query_id"]
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MAX_ID):
        raise RequestError(400, f"query_id: {text!r} is no query id, which is a positive integer")
    return int(text)


def answer(**fields: Any) -> JSONResponse:
    """Return an answer with a JSON object of the fields that are not None."""
    return JSONResponse({name: value for name, value in fields.items() if value is not None})


def owner(handle: str) -> dict[str, str]:
    """Return the owner of a table."""
    return {"handle": handle, "type": "team"}


def column_overview(engine: Engine, name: str) -> list[dict[str, Any]]:
    """Return the columns of a table. It queries DuckDB, so it has to be called in a worker thread."""
    return [asdict(column) for column in engine.columns(name)]


def timestamp(nanoseconds: int | None) -> str | None:
    """Return a time as Dune writes it: ISO 8601 in UTC, without trailing zeros in the fraction.

    Examples:
        >>> timestamp(1_704_067_200_000_000_001), timestamp(1_704_067_200_500_000_000), timestamp(1_704_067_200 * 10**9)
        ('2024-01-01T00:00:00.000000001Z', '2024-01-01T00:00:00.5Z', '2024-01-01T00:00:00Z')
    """
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
