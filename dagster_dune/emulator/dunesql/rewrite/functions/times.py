"""Functions of dates and times."""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, call, cast_to, integer, literal_text, text
from dagster_dune.emulator.dunesql.rewrite.functions import zones

_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_UNITS = ("millisecond", "second", "minute", "hour", *_DATE_UNITS)

_EXTRACTS = {"DAY_OF_WEEK": "ISODOW", "DOW": "ISODOW", "DAY_OF_YEAR": "DOY", "DOY": "DOY", "YEAR_OF_WEEK": "ISOYEAR",
             "YOW": "ISOYEAR", "DAY_OF_MONTH": "DAY", "YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH",
             "WEEK": "WEEK", "DAY": "DAY", "HOUR": "HOUR", "MINUTE": "MINUTE", "SECOND": "SECOND"}  # fmt: skip

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
    if operation.types[1] is None:
        return operation.operands[1]
    if operation.is_at(1, "ZONED"):
        unit = _unit(operation, is_date=False)
        name = "trino_zoned_trunc_date" if unit in _DATE_UNITS else "trino_zoned_trunc_clock"
        return call(name, text(unit), operation.operands[1])
    truncated = call("date_trunc", text(_unit(operation, is_date=is_date)), operation.operands[1])
    return cast_to(truncated, "DATE") if is_date else truncated


def date_add(operation: Operation) -> exp.Expr:
    """Add units of time; a date stays a date."""
    is_date = operation.is_at(2, "DATE")
    unit = _unit(operation, is_date=is_date)
    amount = cast_to(operation.operands[1], "INTEGER" if unit in _DATE_UNITS else "BIGINT")
    duration = call(f"to_{unit}s", amount)
    if operation.types[2] is None:
        known = exp.Is(this=exp.Paren(this=duration), expression=exp.null())
        return exp.Case(ifs=[exp.If(this=known, true=exp.null())], default=operation.operands[2])
    if operation.is_at(2, "ZONED"):
        name = "trino_zoned_add_date" if unit in _DATE_UNITS else "trino_zoned_add_clock"
        return call(name, operation.operands[2], duration)
    total = exp.Paren(this=exp.Add(this=operation.operands[2], expression=duration))
    return cast_to(total, "DATE") if is_date else total


def date_diff(operation: Operation) -> exp.Expr:
    """Count the whole units between two times."""
    zones.refuse(operation, "date_diff", (1, 2))
    if None in operation.types[1:]:
        known = [exp.Is(this=exp.Paren(this=value), expression=exp.null()) for value in operation.operands[1:]]
        return cast_to(call("coalesce", *known), "BIGINT")
    unit = _unit(operation, is_date=operation.is_at(1, "DATE") and operation.is_at(2, "DATE"))
    return call("datesub", text(unit), *operation.operands[1:])


def date_format(operation: Operation) -> exp.Expr:
    """Write a time with MySQL's letters."""
    return _written(operation, _pattern(operation, "date_format", ""))


def date_parse(operation: Operation) -> exp.Expr:
    """Read a time by MySQL's letters; without a year, Trino's and DuckDB's differ."""
    if "%Y" not in (literal_text(operation.operands[1]) or "%Y"):
        raise error_at(operation.node, "A format of date_parse without %Y is not supported by this emulator")
    return call("strptime", operation.operands[0], text(_pattern(operation, "date_parse", _NOT_PARSED)))


_JODA = {
    "yyyy": "%Y", "yy": "%y", "MM": "%m", "M": "%-m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%-d", "HH": "%H",
    "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "a": "%p",
    "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A", "DDD": "%j", "D": "%-j", "e": "%u", "ww": "%V", "xxxx": "%G",
    "y": "%Y", "YYYY": "%Y",
}  # fmt: skip
"""Joda's letters, which Trino takes for format_datetime, in those of strftime."""


def format_datetime(operation: Operation) -> exp.Expr:
    """Write a time with Joda's letters; what stands in quotes is text."""
    pattern = literal_text(operation.operands[1])
    if pattern is None:
        raise error_at(operation.node, "The format of format_datetime must be written out as a text")

    def piece(match: re.Match[str]) -> str:
        if match["letters"] and match["letters"] not in _JODA:
            raise error_at(operation.node, f"'{match['letters']}' in format_datetime is not supported by this emulator")
        if match["letters"]:
            return _JODA[match["letters"]]
        return ("'" if match["text"] == "" else match["text"] or match["other"]).replace("%", "%%")

    written = re.sub(r"(?P<letters>([A-Za-z])\2*)|'(?P<text>[^']*)'|(?P<other>[^A-Za-z])", piece, pattern)
    return _written(operation, written)


def _written(operation: Operation, pattern: str) -> exp.Expr:
    value = operation.operands[0]
    if operation.types[0] is None:
        return cast_to(exp.Is(this=exp.Paren(this=value), expression=exp.null()), "VARCHAR")
    return call("strftime", zones.local(value) if operation.is_at(0, "ZONED") else value, text(pattern))


def extract(operation: Operation) -> exp.Expr:
    """Take a part of a date or a time, as its own zone's clocks show it."""
    field = operation.node.name.upper()
    if field not in _EXTRACTS:
        raise error_at(operation.node, f"EXTRACT({field} FROM ...) is not supported")
    part = zones.of_local("date_part_of")(operation)
    if operation.types[0] is None:
        return part
    return call("date_part", text(_EXTRACTS[field].lower()), *part.expressions)


def to_iso8601(operation: Operation) -> exp.Expr:
    """Write a date or a time as ISO 8601 does."""
    value = operation.operands[0]
    zones.refuse(operation, "to_iso8601", (0,))
    if operation.types[0] is None:
        return cast_to(exp.Is(this=exp.Paren(this=value), expression=exp.null()), "VARCHAR")
    if operation.is_at(0, "DATE"):
        return cast_to(value, "VARCHAR")
    zone = "Z" if operation.is_at(0, "TIMESTAMP WITH TIME ZONE") else ""
    return call("strftime", value, text(f"%Y-%m-%dT%H:%M:%S.%g{zone}"))


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
