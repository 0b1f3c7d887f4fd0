"""Functions of dates and times."""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Operation, call, cast_to, integer, literal_text, text

_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_UNITS = ("millisecond", "second", "minute", "hour", *_DATE_UNITS)

_FORMATS = {
    "Y": "%Y", "y": "%y", "m": "%m", "c": "%-m", "M": "%B", "b": "%b", "d": "%d", "e": "%-d", "j": "%j", "a": "%a",
    "W": "%A", "H": "%H", "k": "%-H", "h": "%I", "I": "%I", "l": "%-I", "i": "%M", "s": "%S", "S": "%S", "f": "%f",
    "p": "%p", "T": "%H:%M:%S", "r": "%I:%M:%S %p", "v": "%V", "x": "%G", "%": "%%",
}  # fmt: skip
"""MySQL's letters, which Trino takes, in those of strftime."""

_NOT_PARSED = "yjaWvxS"
"""Those that strptime reads otherwise."""


def date_trunc(operation: Operation) -> exp.Expr:
    """Truncate; a date stays a date."""
    is_date = operation.is_at(1, "DATE")
    truncated = call("date_trunc", text(_unit(operation, is_date=is_date)), operation.operands[1])
    return cast_to(truncated, "DATE") if is_date else truncated


def date_add(operation: Operation) -> exp.Expr:
    """Add units of time; a date stays a date."""
    is_date = operation.is_at(2, "DATE")
    unit = _unit(operation, is_date=is_date)
    amount = cast_to(operation.operands[1], "INTEGER" if unit in _DATE_UNITS else "BIGINT")
    total = exp.Paren(this=exp.Add(this=operation.operands[2], expression=call(f"to_{unit}s", amount)))
    return cast_to(total, "DATE") if is_date else total


def date_diff(operation: Operation) -> exp.Expr:
    """Count the whole units between two times."""
    unit = _unit(operation, is_date=operation.is_at(1, "DATE") and operation.is_at(2, "DATE"))
    return call("datesub", text(unit), *operation.operands[1:])


def date_format(operation: Operation) -> exp.Expr:
    """Write a time with MySQL's letters."""
    return call("strftime", operation.operands[0], text(_pattern(operation, "date_format", "")))


def date_parse(operation: Operation) -> exp.Expr:
    """Read a time by MySQL's letters; without a year, Trino's and DuckDB's differ."""
    if "%Y" not in (literal_text(operation.operands[1]) or "%Y"):
        raise error_at(operation.node, "A format of date_parse without %Y is not supported by this emulator")
    return call("strptime", operation.operands[0], text(_pattern(operation, "date_parse", _NOT_PARSED)))


def to_iso8601(operation: Operation) -> exp.Expr:
    """Write a date or a time as ISO 8601 does."""
    value = operation.operands[0]
    if operation.is_at(0, "DATE"):
        return cast_to(value, "VARCHAR")
    zone = "Z" if operation.is_at(0, "TIMESTAMP WITH TIME ZONE") else ""
    return call("strftime", value, text(f"%Y-%m-%dT%H:%M:%S.%g{zone}"))


def at_timezone(operation: Operation) -> exp.Expr:
    """Show a time in a zone: all are shown in UTC here."""
    return _in_utc(operation, "TIMESTAMP WITH TIME ZONE")


def with_timezone(operation: Operation) -> exp.Expr:
    """Say in which zone a time is meant."""
    return _in_utc(operation, "TIMESTAMP")


def _in_utc(operation: Operation, type_name: str) -> exp.Expr:
    if (literal_text(operation.operands[1]) or "").upper() not in ("UTC", "Z"):
        raise error_at(operation.node, "Time zones other than 'UTC' are not supported by this emulator")
    if operation.types[0] is not None and not operation.is_at(0, type_name):
        raise error_at(operation.node, f"Unexpected parameters ({', '.join(operation.type_names())})")
    return cast_to(operation.operands[0], "TIMESTAMPTZ")


def _pattern(operation: Operation, name: str, refused: str) -> str:
    pattern = literal_text(operation.operands[1])
    if pattern is None:
        raise error_at(operation.node, f"The format of {name} must be written out as a text")

    def letter(match: re.Match[str]) -> str:
        if match[1] not in _FORMATS or match[1] in refused:
            raise error_at(operation.node, f"'%{match[1]}' in {name} is not supported by this emulator")
        return _FORMATS[match[1]]

    return re.sub(r"%(.)", letter, pattern)


def sequence(operation: Operation) -> exp.Expr:
    """List what lies between two bounds, both included; downwards where the first is the greater."""
    start, stop, *steps = operation.operands
    if None in operation.types[:2]:
        return exp.Array(expressions=[start, stop])
    if operation.is_at(0, "DATE"):
        return cast_to(call("generate_series", start, stop, *(steps or [call("to_days", integer(1))])), "DATE[]")
    if steps:
        return call("generate_series", start, stop, *steps)
    downwards = exp.If(this=exp.GT(this=start.copy(), expression=stop.copy()), true=integer(-1))
    return call("generate_series", start, stop, exp.Case(ifs=[downwards], default=integer(1)))


def _unit(operation: Operation, *, is_date: bool) -> str:
    unit = (literal_text(operation.operands[0]) or "").lower()
    if unit not in (_DATE_UNITS if is_date else _UNITS):
        kind = "DATE" if is_date else "TIMESTAMP"
        raise error_at(operation.node, f"'{unit or operation.operands[0].sql('trino')}' is not a valid {kind} field")
    return unit
