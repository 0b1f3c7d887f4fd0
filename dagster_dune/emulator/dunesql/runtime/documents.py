"""JSON: numbers stay as they are written, keys stay in their order."""

from __future__ import annotations

import json
import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache
from typing import Any

from dagster_dune.emulator.dunesql.runtime.json_path_steps import Number, PathError
from dagster_dune.emulator.dunesql.runtime.json_paths import follow
from dagster_dune.emulator.dunesql.runtime.numbers import double_text
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

MISSING = object()


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)


@lru_cache(maxsize=512)
def loads(text: str) -> Any:
    """Read JSON; raises ValueError where it is none."""
    return _DECODER.decode(text)


def dumps(value: Any) -> str:
    """Write JSON without blanks."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _read(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return MISSING


@native("VARCHAR", "VARCHAR")
def json_parse(text: str) -> str:
    """Read a text as JSON."""
    return _formatted(text, "Cannot convert value to JSON")


@native("VARCHAR", "VARCHAR")
def json_quote(text: str) -> str:
    """Write a text as JSON."""
    return _quoted(text)


@native("VARCHAR", "VARCHAR")
def json_text(text: str) -> str | None:
    """Read a scalar of JSON as text."""
    value = loads(text)
    if isinstance(value, dict | list):
        raise FunctionError(f"Cannot cast '{text}' to varchar")
    return None if value is None else _text(value, str(_scalar(value)))


def _text(value: Any, text: str) -> str:
    """A number with a fraction or an exponent is a double, and so written as a cast writes one."""
    return double_text(float(value)) if isinstance(value, Number) and not _is_whole(value) else text


def _is_whole(number: Number) -> bool:
    return not re.search(r"[.eE]", number)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@native("VARCHAR", "VARCHAR")
def json_canonical(text: str) -> str:
    """Write JSON with its keys in order, so that equal documents are equal texts."""
    return dumps(_sorted(loads(text)))


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


def _followed(value: Any, path: str) -> Any:
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
    """Take a part out of JSON."""
    value = _followed(_read(text), path)
    return None if value is MISSING else dumps(value)


def _scalar(value: Any) -> str | None:
    if value is MISSING or value is None or isinstance(value, dict | list):
        return None
    return json.dumps(value) if isinstance(value, bool) else str(value)


@native("VARCHAR", "VARCHAR", "VARCHAR")
def json_extract_scalar(text: str, path: str) -> str | None:
    """Take a scalar out of JSON, as text."""
    return _scalar(_followed(_read(text), path))


@native("BIGINT", "VARCHAR", "VARCHAR")
def json_size(text: str, path: str) -> int | None:
    """Count what is in an object or an array."""
    value = _followed(_read(text), path)
    return None if value is MISSING else len(value) if isinstance(value, dict | list) else 0


@native("BIGINT", "VARCHAR")
def json_array_length(text: str) -> int | None:
    """Count the elements of an array."""
    value = _read(text)
    return len(value) if isinstance(value, list) else None


@native("VARCHAR", "VARCHAR", "BIGINT")
def json_array_get(text: str, place: int) -> str | None:
    """Take an element of an array, from 0, or from the end if the place is negative; a text comes without quotes."""
    value = _read(text)
    if not isinstance(value, list) or not -len(value) <= place < len(value):
        return None
    found = value[place]
    return None if found is None else found if isinstance(found, str) else dumps(found)


@native("BOOLEAN", "VARCHAR")
def is_json_scalar(text: str) -> bool:
    """Whether JSON is no object and no array."""
    value = _read(text)
    if value is MISSING:
        raise FunctionError(f"Invalid JSON value: {text}")
    return not isinstance(value, dict | list)


@native("BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR")
def json_array_contains(text: str, wanted: str, kind: str) -> bool | None:
    """Whether an array holds a scalar, which comes as text."""
    value = _read(text)
    if not isinstance(value, list):
        return None
    if kind in ("integer", "fraction"):
        numbers = (item for item in value if isinstance(item, Number) and _is_whole(item) == (kind == "integer"))
        return any(float(item) == float(wanted) if kind == "fraction" else int(item) == int(wanted) for item in numbers)
    if kind == "boolean":
        return any(isinstance(item, bool) and json.dumps(item) == wanted for item in value)
    return any(isinstance(item, str) and not isinstance(item, Number) and item == wanted for item in value)


# Casts from JSON.

_INTEGERS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}


@native("VARCHAR", "VARCHAR", "VARCHAR")
def json_cast(text: str, target: str) -> str | None:
    """Read JSON as a type of Trino's: JSON again, each scalar as that type is written.

    Args:
        text: JSON.
        target: The type as JSON: a name, or a list of ``array``, ``map`` or ``row`` and what is inside.
    """
    value = _read(text)
    made = _cast(value, json.loads(target), text)
    return None if made is None else json.dumps(made, ensure_ascii=False)


def _cast(value: Any, target: Any, whole: str) -> Any:
    if value is MISSING or (value is None and target != "json"):
        return None
    if isinstance(target, str):
        return _cast_scalar(value, target, whole)
    kind, *inside = target
    if kind == "array" and isinstance(value, list):
        return [_cast(item, inside[0], whole) for item in value]
    if kind == "map" and isinstance(value, dict):
        return [
            [_cast_scalar(str(key), inside[0], whole), _cast(item, inside[1], whole)] for key, item in value.items()
        ]
    if kind == "row" and isinstance(value, list) and len(value) == len(inside):
        return {
            f"f{place}": _cast(item, type_, whole)
            for place, (item, (_, type_)) in enumerate(zip(value, inside, strict=True))
        }
    if kind == "row" and isinstance(value, dict):
        lowered = {key.lower(): item for key, item in value.items()}
        return {
            f"f{place}": _cast(lowered.get((name or "").lower(), MISSING), type_, whole)
            for place, (name, type_) in enumerate(inside)
        }
    raise FunctionError(f"Cannot cast to {kind}. {whole}")


def _cast_scalar(value: Any, target: str, whole: str) -> Any:
    if target == "json":
        return dumps(value)
    if isinstance(value, dict | list):
        raise FunctionError(f"Cannot cast '{whole}' to {target}")
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if target == "varchar":
        return _text(value, text)
    if target == "boolean":
        return _boolean(value, text, whole)
    if isinstance(value, bool):
        text = "1" if value else "0"
    try:
        return _number(text, target, is_text=isinstance(value, str) and not isinstance(value, Number))
    except (ValueError, ArithmeticError):
        raise FunctionError(f"Cannot cast '{whole}' to {target}") from None


def _boolean(value: Any, text: str, whole: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Number):
        return Decimal(value) != 0
    if text.lower() in ("true", "t", "1", "false", "f", "0"):
        return text.lower() in ("true", "t", "1")
    raise FunctionError(f"Cannot cast '{whole}' to boolean")


def _number(text: str, target: str, *, is_text: bool) -> Any:
    if target in _INTEGERS:
        number = int(text) if is_text else int(Decimal(text).to_integral_value(ROUND_HALF_UP))
        if not -(2 ** _INTEGERS[target]) <= number < 2 ** _INTEGERS[target]:
            raise ValueError(text)
        return number
    if target in ("double", "real"):
        return str(float(text))
    if target in ("uint256", "int256"):
        return str(int(text))
    precision, scale = (int(part) for part in target.removeprefix("decimal(").rstrip(")").split(","))
    with localcontext() as context:
        context.prec = 100
        fixed = Decimal(text).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if len(fixed.as_tuple().digits) > precision and fixed != 0:
        raise ValueError(text)
    return str(fixed)


# Paths of the SQL standard: lax and strict.


def _found(text: str, path: str, behaviours: dict[str, Any], passed: str) -> list[Any] | None:
    """What a path finds; None where it fails and no error is asked for then."""
    values = {name: loads(value) for name, value in zip(behaviours.get("passing", ()), json.loads(passed), strict=True)}
    try:
        return follow(loads(text), path, values)
    except (ValueError, PathError) as error:
        if isinstance(error, FunctionError) or behaviours.get("error") == "error":
            raise FunctionError(f"JSON path evaluation failed: {error}") from None
        return None


@native("BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def json_exists(text: str, path: str, options: str, passed: str) -> bool | None:
    """Whether a path leads anywhere."""
    behaviours = json.loads(options)
    found = _found(text, path, behaviours, passed)
    if found is None:
        return {"true": True, "unknown": None}.get(behaviours.get("error", ""), False)
    return bool(found)


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def json_query(text: str, path: str, options: str, passed: str) -> str | None:
    """Take a part out of JSON, as text."""
    behaviours = json.loads(options)
    found = _found(text, path, behaviours, passed)
    wrapper = behaviours.get("wrapper", "")
    if found is None:
        return _instead(behaviours.get("error", "null"))
    if not found:
        return _instead(behaviours.get("empty", "null"))
    if wrapper == "array" or (wrapper == "conditional" and (len(found) > 1 or not isinstance(found[0], list | dict))):
        return dumps(found)
    if len(found) > 1:
        if behaviours.get("error") == "error":
            raise FunctionError("JSON path found multiple items")
        return _instead(behaviours.get("error", "null"))
    is_text = isinstance(found[0], str) and not isinstance(found[0], Number)
    return found[0] if is_text and behaviours.get("quotes") == "omit" else dumps(found[0])


def _instead(behaviour: str) -> str | None:
    if behaviour == "error":
        raise FunctionError("JSON path found no items")
    return {"empty array": "[]", "empty object": "{}"}.get(behaviour)


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def json_value(text: str, path: str, options: str, passed: str) -> str | None:
    """Take a scalar out of JSON, as text; a text that begins with a zero stands for a default."""
    behaviours = json.loads(options)
    found = _found(text, path, behaviours, passed)
    if found is None or len(found) > 1 or (found and isinstance(found[0], list | dict)):
        if behaviours.get("error") == "error":
            raise FunctionError("JSON path found no scalar")
        return "\0error" if behaviours.get("error") == "default" else None
    if not found:
        if behaviours.get("empty") == "error":
            raise FunctionError("JSON path found no items")
        return "\0empty" if behaviours.get("empty") == "default" else None
    return _scalar(found[0])


@native("VARCHAR[][]", "VARCHAR", "VARCHAR", "VARCHAR")
def json_table(text: str, path: str, shape: str) -> list[list[str | None]]:
    """List the rows of JSON_TABLE, whose cells are texts; none where the path fails."""
    return _table_rows(_found(text, path, {}, "[]") or [], json.loads(shape))


def _table_rows(items: list[Any], shape: list[Any]) -> list[list[str | None]]:
    """A row of each item beside each row that is nested in it; of several nested parts, one after the other."""
    rows = []
    for place, item in enumerate(items, start=1):
        whole, parts = dumps(item), []
        for column in shape:
            if isinstance(column, list):
                parts.append(_table_rows(_found(whole, column[0], {}, "[]") or [], column[1]))
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


@native("VARCHAR", "VARCHAR[]", "VARCHAR[]", "BOOLEAN", nulls=True)
def json_members(keys: list[str | None], values: list[str | None], keeps_nulls: bool) -> str:
    """Write an object of keys and values, which are JSON; a member of NULL is kept or left out."""
    if None in keys:
        raise FunctionError("null value passed for JSON object key to JSON_OBJECT function")
    members = [(key, value) for key, value in zip(keys, values, strict=True) if keeps_nulls or value is not None]
    return "{" + ",".join(f"{_quoted(str(key))}:{'null' if value is None else value}" for key, value in members) + "}"


@native("VARCHAR", "VARCHAR[]", "BOOLEAN", nulls=True)
def json_elements(values: list[str | None], keeps_nulls: bool) -> str:
    """Write an array of values, which are JSON; NULL is kept or left out."""
    return (
        "[" + ",".join("null" if value is None else value for value in values if keeps_nulls or value is not None) + "]"
    )


@native("VARCHAR", "VARCHAR")
def json_formatted(text: str) -> str:
    """Read what stands for JSON in json_object or json_array."""
    return _formatted(text, "conversion to JSON failed")


def _formatted(text: str, complaint: str) -> str:
    value = _read(text)
    if value is MISSING:
        raise FunctionError(f"{complaint}: '{text}'")
    return dumps(value)
