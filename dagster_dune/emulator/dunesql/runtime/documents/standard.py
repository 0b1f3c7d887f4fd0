"""Functions of JSON in the SQL standard."""

from __future__ import annotations

import json
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import Number, PathError
from dagster_dune.emulator.dunesql.runtime.documents.paths import evaluate
from dagster_dune.emulator.dunesql.runtime.documents.values import dumps, loads, scalar
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


def _items(text: str, path: str, behaviours: dict[str, Any], passed: str) -> list[Any] | None:
    """Return the items of a path; None if it fails without ERROR ON ERROR."""
    names = zip(behaviours.get("passing", ()), json.loads(passed), strict=True)
    try:
        return evaluate(loads(text), path, {name: loads(value) for name, value in names})
    except (ValueError, PathError) as error:
        if isinstance(error, FunctionError) or behaviours.get("error") == "error":
            raise FunctionError(f"JSON path evaluation failed: {error}") from None
        return None


@native("BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def json_exists(text: str, path: str, options: str, passed: str) -> bool | None:
    """Return whether a path has a result."""
    behaviours = json.loads(options)
    found = _items(text, path, behaviours, passed)
    if found is None:
        return {"true": True, "unknown": None}.get(behaviours.get("error", ""), False)
    return bool(found)


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def json_query(text: str, path: str, options: str, passed: str) -> str | None:
    """Return a part of JSON as text."""
    behaviours = json.loads(options)
    found = _items(text, path, behaviours, passed)
    wrapper = behaviours.get("wrapper", "")
    if found is None:
        return _behaviour_result(behaviours.get("error", "null"))
    if not found:
        return _behaviour_result(behaviours.get("empty", "null"))
    if wrapper == "array" or (wrapper == "conditional" and (len(found) > 1 or not isinstance(found[0], list | dict))):
        return dumps(found)
    if len(found) > 1:
        if behaviours.get("error") == "error":
            raise FunctionError("JSON path found multiple items")
        return _behaviour_result(behaviours.get("error", "null"))
    is_text = isinstance(found[0], str) and not isinstance(found[0], Number)
    return found[0] if is_text and behaviours.get("quotes") == "omit" else dumps(found[0])


def _behaviour_result(behaviour: str) -> str | None:
    if behaviour == "error":
        raise FunctionError("JSON path found no items")
    return {"empty array": "[]", "empty object": "{}"}.get(behaviour)


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def json_value(text: str, path: str, options: str, passed: str) -> str | None:
    """Return a scalar in JSON as text; a text that begins with a zero byte is a marker of a default."""
    behaviours = json.loads(options)
    found = _items(text, path, behaviours, passed)
    if found is None or len(found) > 1 or (found and isinstance(found[0], list | dict)):
        if behaviours.get("error") == "error":
            raise FunctionError("JSON path found no scalar")
        return "\0error" if behaviours.get("error") == "default" else None
    if not found:
        if behaviours.get("empty") == "error":
            raise FunctionError("JSON path found no items")
        return "\0empty" if behaviours.get("empty") == "default" else None
    return scalar(found[0])


@native("VARCHAR[][]", "VARCHAR", "VARCHAR", "VARCHAR")
def json_table(text: str, path: str, shape: str) -> list[list[str | None]]:
    """Return the rows of JSON_TABLE as texts; none if the path fails."""
    return _table_rows(_items(text, path, {}, "[]") or [], json.loads(shape))


def _table_rows(items: list[Any], shape: list[Any]) -> list[list[str | None]]:
    """Return rows for each item, joined with the rows of its nested parts, which follow each other."""
    rows = []
    for place, item in enumerate(items, start=1):
        whole, parts = dumps(item), []
        for column in shape:
            if isinstance(column, list):
                parts.append(_table_rows(_items(whole, column[0], {}, "[]") or [], column[1]))
            else:
                parts.append([[str(place) if column is None else json_value(whole, column, "{}", "[]")]])
        nested = [at for at, column in enumerate(shape) if isinstance(column, list)]
        chosen = [(at, row) for at in nested for row in parts[at]] or [(-1, [])]
        for at, row in chosen:
            cells: list[str | None] = []
            for each, column in enumerate(shape):
                cells += row if each == at else [None] * _width(column[1]) if each in nested else parts[each][0]
            rows.append(cells)
    return rows


def _width(shape: list[Any]) -> int:
    return sum(_width(column[1]) if isinstance(column, list) else 1 for column in shape)
