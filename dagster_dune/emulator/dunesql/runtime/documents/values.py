"""Parses and formats JSON, in which numbers keep their original form and keys their order."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import Number
from dagster_dune.emulator.dunesql.runtime.numbers.doubles import double_text
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

MISSING = object()


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)


@lru_cache(maxsize=512)
def loads(text: str) -> Any:
    """Parse JSON, with a ValueError if it is invalid."""
    return _DECODER.decode(text)


def dumps(value: Any) -> str:
    """Format JSON without spaces."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def read_or_missing(text: str) -> Any:
    """Parse JSON; `MISSING` if it is invalid."""
    try:
        return loads(text)
    except ValueError:
        return MISSING


@native("VARCHAR", "VARCHAR")
def json_parse(text: str) -> str:
    """Return the JSON in a text."""
    return _formatted(text, "Cannot convert value to JSON")


@native("VARCHAR", "VARCHAR")
def json_quote(text: str) -> str:
    """Return a text as JSON."""
    return _quoted(text)


@native("VARCHAR", "VARCHAR")
def json_text(text: str) -> str | None:
    """Return a scalar of JSON as text."""
    value = loads(text)
    if isinstance(value, dict | list):
        raise FunctionError(f"Cannot cast '{text}' to varchar")
    return None if value is None else scalar_text(value, str(scalar(value)))


def scalar_text(value: Any, text: str) -> str:
    """Return a scalar as text; a number with a fraction or an exponent has the form of a cast double."""
    return double_text(float(value)) if isinstance(value, Number) and not is_whole(value) else text


def is_whole(number: Number) -> bool:
    """Return whether a number has neither a fraction nor an exponent."""
    return not re.search(r"[.eE]", number)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@native("VARCHAR", "VARCHAR")
def json_canonical(text: str) -> str:
    """Format JSON with sorted keys, so that equal documents are equal texts."""
    return dumps(_sorted(loads(text)))


def scalar(value: Any) -> str | None:
    """Return a scalar as text; None for other values."""
    if value is MISSING or value is None or isinstance(value, dict | list):
        return None
    return json.dumps(value) if isinstance(value, bool) else str(value)


@native("VARCHAR", "VARCHAR[]", "VARCHAR[]", "BOOLEAN", nulls=True)
def json_members(keys: list[str | None], values: list[str | None], keeps_nulls: bool) -> str:
    """Return an object of keys and JSON values, with or without members that are NULL."""
    if None in keys:
        raise FunctionError("null value passed for JSON object key to JSON_OBJECT function")
    if len(set(keys)) < len(keys):
        raise FunctionError("cannot construct a JSON object with duplicate key")
    members = [(key, value) for key, value in zip(keys, values, strict=True) if keeps_nulls or value is not None]
    return "{" + ",".join(f"{_quoted(str(key))}:{'null' if value is None else value}" for key, value in members) + "}"


@native("VARCHAR", "VARCHAR[]", "BOOLEAN", nulls=True)
def json_elements(values: list[str | None], keeps_nulls: bool) -> str:
    """Return an array of JSON values, with or without NULL."""
    return (
        "[" + ",".join("null" if value is None else value for value in values if keeps_nulls or value is not None) + "]"
    )


@native("VARCHAR", "VARCHAR")
def json_formatted(text: str) -> str:
    """Return the value of FORMAT JSON in json_object or json_array."""
    return _formatted(text, "conversion to JSON failed")


def _formatted(text: str, complaint: str) -> str:
    value = read_or_missing(text)
    if value is MISSING:
        raise FunctionError(f"{complaint}: '{text}'")
    return dumps(value)
