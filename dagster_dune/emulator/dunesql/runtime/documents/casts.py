"""Casts from JSON."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import Number
from dagster_dune.emulator.dunesql.runtime.documents.values import MISSING, dumps, read_or_missing, scalar_text
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_INTEGERS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}


@native("VARCHAR", "VARCHAR", "VARCHAR")
def json_cast(text: str, target: str) -> str | None:
    """Cast JSON to a Trino type: return JSON in which each scalar has the form of its type.

    Args:
        text: The JSON.
        target: The type as JSON: a name, or a list of ``array``, ``map`` or ``row`` and the types inside.
    """
    value = read_or_missing(text)
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
        return scalar_text(value, text)
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
