"""Trino's own functions of JSON: simple paths, sizes and arrays."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import Number
from dagster_dune.emulator.dunesql.runtime.documents.values import MISSING, dumps, is_whole, read_or_missing, scalar
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_STEP = re.compile(
    r"""\.(?P<key>[\w$:/@|# -]+)|\[(?P<position>-?\d+)\]|\[(?P<name>[\w-]+)\]"""
    r"""|\[(?P<quote>["'])(?P<quoted>(?:(?!(?P=quote)).)+)(?P=quote)\]"""
)


@lru_cache(maxsize=512)
def _simple_path(path: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    place = 1
    text = path.strip()
    if text.startswith((".", "[")):
        text = f"${text}"
    refused = FunctionError(f"Invalid JSON path: '{path}'; this emulator knows keys and positions, $.a.b[0]")
    if not text.startswith("$"):
        raise refused
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            raise refused
        steps.append(int(match["position"]) if match["position"] else match["key"] or match["name"] or match["quoted"])
        place = match.end()
    return tuple(steps)


def _part(value: Any, path: str) -> Any:
    steps = _simple_path(path)
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and (isinstance(step, int) or step.isdigit()):
            place = int(step)
            value = value[place] if 0 <= place < len(value) else MISSING
        else:
            return MISSING
    return value


@native("VARCHAR", "VARCHAR", "VARCHAR")
def json_extract(text: str, path: str) -> str | None:
    """Return a part of JSON."""
    value = _part(read_or_missing(text), path)
    return None if value is MISSING else dumps(value)


@native("VARCHAR", "VARCHAR", "VARCHAR")
def json_extract_scalar(text: str, path: str) -> str | None:
    """Return a scalar in JSON as text."""
    return scalar(_part(read_or_missing(text), path))


@native("BIGINT", "VARCHAR", "VARCHAR")
def json_size(text: str, path: str) -> int | None:
    """Return the number of members of an object or elements of an array."""
    value = _part(read_or_missing(text), path)
    return None if value is MISSING else len(value) if isinstance(value, dict | list) else 0


@native("BIGINT", "VARCHAR")
def json_array_length(text: str) -> int | None:
    """Return the number of elements of an array."""
    value = read_or_missing(text)
    return len(value) if isinstance(value, list) else None


@native("VARCHAR", "VARCHAR", "BIGINT")
def json_array_get(text: str, place: int) -> str | None:
    """Return an element of an array, by its position from 0, or from the end if negative; texts without quotes."""
    value = read_or_missing(text)
    if not isinstance(value, list) or not -len(value) <= place < len(value):
        return None
    found = value[place]
    return None if found is None else found if isinstance(found, str) else dumps(found)


@native("BOOLEAN", "VARCHAR")
def is_json_scalar(text: str) -> bool:
    """Return whether JSON is neither an object nor an array."""
    value = read_or_missing(text)
    if value is MISSING:
        raise FunctionError(f"Invalid JSON value: {text}")
    return not isinstance(value, dict | list)


@native("BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR")
def json_array_contains(text: str, wanted: str, kind: str) -> bool | None:
    """Return whether an array contains a scalar, which is given as text."""
    value = read_or_missing(text)
    if not isinstance(value, list):
        return None
    if kind in ("integer", "fraction"):
        numbers = (item for item in value if isinstance(item, Number) and is_whole(item) == (kind == "integer"))
        return any(float(item) == float(wanted) if kind == "fraction" else int(item) == int(wanted) for item in numbers)
    if kind == "boolean":
        return any(isinstance(item, bool) and json.dumps(item) == wanted for item in value)
    return any(isinstance(item, str) and not isinstance(item, Number) and item == wanted for item in value)
