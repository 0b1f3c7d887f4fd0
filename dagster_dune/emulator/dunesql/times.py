"""Functions of dates and times."""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Types, call, cast_to, integer, literal_text, text
from dagster_dune.emulator.dunesql.types import Type

_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_UNITS = ("millisecond", "second", "minute", "hour", *_DATE_UNITS)

_FORMATS = {
    "Y": "%Y", "y": "%y", "m": "%m", "c": "%-m", "M": "%B", "b": "%b", "d": "%d", "e": "%-d", "j": "%j", "a": "%a",
    "W": "%A", "H": "%H", "k": "%-H", "h": "%I", "I": "%I", "l": "%-I", "i": "%M", "s": "%S", "S": "%S", "f": "%f",
    "p": "%p", "T": "%H:%M:%S", "r": "%I:%M:%S %p", "v": "%V", "x": "%G", "%": "%%",
}  # fmt: skip
"""MySQL's letters, which Trino takes, in those of strftime."""


def date_trunc(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Truncate; a date stays a date."""
    unit = _unit(node, operands[0], _is_date(types[1]))
    truncated = call("date_trunc", text(unit), operands[1])
    return cast_to(truncated, "DATE") if _is_date(types[1]) else truncated


def date_add(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Add units of time; a date stays a date."""
    unit = _unit(node, operands[0], _is_date(types[2]))
    amount = cast_to(operands[1], "INTEGER" if unit in _DATE_UNITS else "BIGINT")
    total = exp.Paren(this=exp.Add(this=operands[2], expression=call(f"to_{unit}s", amount)))
    return cast_to(total, "DATE") if _is_date(types[2]) else total


def date_diff(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Count the whole units between two times."""
    unit = _unit(node, operands[0], _is_date(types[1]) and _is_date(types[2]))
    return call("datesub", text(unit), operands[1], operands[2])


def date_format(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Write a time with MySQL's letters."""
    pattern = literal_text(operands[1])
    if pattern is None:
        raise error_at(node, "The format of date_format must be written out as a text")

    def letter(match: re.Match[str]) -> str:
        if match[1] not in _FORMATS:
            raise error_at(node, f"'%{match[1]}' in date_format is not supported")
        return _FORMATS[match[1]]

    return call("strftime", operands[0], text(re.sub(r"%(.)", letter, pattern)))


def sequence(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """List what lies between two bounds, both included; downwards where the first is the greater."""
    del node
    start, stop = operands[:2]
    if types[0] is None or types[1] is None:
        return exp.Array(expressions=[start, stop])
    if _is_date(types[0]) and _is_date(types[1]):
        step = operands[2] if len(operands) > 2 else call("to_days", integer(1))
        return cast_to(call("generate_series", start, stop, step), "DATE[]")
    if len(operands) > 2:
        return call("generate_series", *operands)
    downwards = exp.If(this=exp.GT(this=start.copy(), expression=stop.copy()), true=integer(-1))
    return call("generate_series", start, stop, exp.Case(ifs=[downwards], default=integer(1)))


def _unit(node: exp.Expr, operand: exp.Expr, of_date: bool) -> str:
    unit = (literal_text(operand) or "").lower()
    if unit not in (_DATE_UNITS if of_date else _UNITS):
        raise error_at(
            node, f"'{unit or operand.sql('trino')}' is not a valid {'DATE' if of_date else 'TIMESTAMP'} field"
        )
    return unit


def _is_date(type_: Type | None) -> bool:
    return type_ is not None and type_.id == "DATE"
