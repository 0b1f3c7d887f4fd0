"""Translates literals: numbers, texts, bytes, times, intervals."""

from __future__ import annotations

import re
from itertools import pairwise

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand, text
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.runtime.documents.values import MISSING, read_or_missing
from dagster_dune.emulator.dunesql.types.parsing import literal_type  # fmt: skip
from dagster_dune.emulator.dunesql.types.trino import (  # fmt: skip
    BOOLEAN,
    DATE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    JSON,
    UNKNOWN,
    VARBINARY,
    Type,
    timestamp,
    timestamp_tz,
)

_TIMESTAMP = re.compile(
    r"\s*[+-]?\d{4,6}-\d{1,2}-\d{1,2}(?:[ ]+\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.(?P<fraction>\d{1,12}))?)?)?"
    r"\s*(?P<zone>[A-Za-z+-][\w/:+-]*)?\s*"
)
_TIME = re.compile(r"\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.(?P<fraction>\d{1,12}))?)?")
_DATE = re.compile(r"\s*([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})\s*")
_MAX_BIGINT = 2**63 - 1


def literal(node: exp.Expr) -> Operand:
    """Translate a number or a text."""
    if node.is_string:
        return Operand(text(node.name), Type("varchar", (len(node.name),)), literal=node.name)
    digits = node.name.replace("_", "")
    if digits.isdigit() and int(digits) > _MAX_BIGINT:
        raise error_at(node, f"Invalid numeric literal: {node.name}; write CAST('{node.name}' AS uint256)")
    return number(digits)


def number(digits: str) -> Operand:
    """Translate a number without a sign, or with a minus."""
    type_ = literal_type(digits.lstrip("-"))
    if digits == f"-{2**31}":
        type_ = INTEGER
    sql = f"CAST('{digits}' AS {type_.duckdb})" if type_.name in ("decimal", "double") else digits
    if digits.startswith("-"):
        sql = f"CAST({sql} AS {type_.duckdb})"
    return Operand(sql, type_, is_constant=True)


def null() -> Operand:
    """Return NULL."""
    return Operand("CAST(NULL AS INTEGER)", UNKNOWN, is_constant=True)


def boolean(node: exp.Expr) -> Operand:
    """Translate true or false."""
    return Operand("true" if node.this else "false", BOOLEAN, is_constant=True)


def hexadecimal(node: exp.Expr) -> Operand:
    """Translate ``0xAB`` and ``X'AB'``, which are bytes."""
    digits = re.sub(r"\s", "", node.name)
    if len(digits) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", digits):
        raise error_at(node, f"Binary literal '0x{digits}' must hold an even number of hexadecimal digits")
    return Operand(f"unhex('{digits}')", VARBINARY, is_constant=True)


def unicode_text(node: exp.Expr) -> Operand:
    r"""``U&'\00e9'`` has code points for letters."""
    escape = node.args.get("escape")
    mark = re.escape(escape.name if isinstance(escape, exp.Expr) else "\\")

    def letter(match: re.Match[str]) -> str:
        if match["same"]:
            return match["same"][-1]
        code = int(match["long"] or match["short"], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise error_at(node, f"Invalid escaped character: {match[0]}")
        return chr(code)

    pattern = rf"(?P<same>{mark}{mark})|{mark}\+(?P<long>[0-9A-Fa-f]{{6}})|{mark}(?P<short>[0-9A-Fa-f]{{4}})"
    rest = re.sub(pattern, "", node.name)
    if re.search(mark, rest):
        raise error_at(node, "Incomplete escape sequence in a Unicode text")
    made = re.sub(pattern, letter, node.name)
    return Operand(text(made), Type("varchar", (len(made),)), literal=made)


def typed_literal(node: exp.Expr, kind: str, written: str) -> Operand | None:
    """Translate ``DATE '...'``, ``TIMESTAMP '...'``, ``TIME '...'``, ``DECIMAL '...'`` or ``JSON '...'``."""
    rewrite = _TYPED.get(kind)
    return rewrite(node, written) if rewrite else None


def _date(node: exp.Expr, written: str) -> Operand:
    if not _DATE.fullmatch(written):
        raise error_at(node, f"'{written}' is not a valid DATE literal")
    return Operand(f"CAST(py_date_cast({text(written)}) AS DATE)", DATE, is_constant=True)


def _time(node: exp.Expr, written: str) -> Operand:
    match = _TIME.fullmatch(written.strip())
    digits = len(match["fraction"] or "") if match else 0
    if match is None or digits > 6:
        raise error_at(node, f"'{written}' is not a valid TIME literal that this emulator supports")
    return Operand(f"py_time_cast({text(written.strip())}, {digits})", Type("time", (digits,)), is_constant=True)


def _timestamp(node: exp.Expr, written: str) -> Operand:
    match = _TIMESTAMP.fullmatch(written)
    if match is None:
        raise error_at(node, f"'{written}' is not a valid TIMESTAMP literal")
    digits, zone = len(match["fraction"] or ""), match["zone"]
    if zone is None:
        name = "py_precise_cast" if digits > 6 else "py_timestamp_cast"
        return Operand(f"{name}({text(written)}, {digits})", timestamp(digits), is_constant=True)
    if digits > 6:
        raise error_at(node, "A timestamp with time zone of more than 6 digits is not supported by this emulator")
    if zone.upper() in ("UTC", "Z"):
        return Operand(
            f"CAST(py_zoned_cast({text(written)}, {digits}).moment AS TIMESTAMPTZ)",
            timestamp_tz(digits),
            is_constant=True,
        )
    return Operand(f"trino_zoned_read(py_zoned_cast({text(written)}, {digits}))", timestamp_tz(digits, zoned=True))


def _decimal(node: exp.Expr, written: str) -> Operand:
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", written):
        raise error_at(node, f"'{written}' is not a valid DECIMAL literal")
    whole, _, fraction = written.lstrip("+-").partition(".")
    precision = len(whole.lstrip("0") + fraction) or 1
    if precision > 38:
        raise error_at(node, f"DECIMAL '{written}' has more than 38 digits")
    type_ = Type("decimal", (precision, len(fraction)))
    return Operand(f"CAST('{written}' AS {type_.duckdb})", type_, is_constant=True)


def _json(node: exp.Expr, written: str) -> Operand:
    if read_or_missing(written) is MISSING:
        raise error_at(node, f"'{written}' is not a valid JSON literal")
    return Operand(f"py_json_parse({text(written)})", JSON)


def _char(node: exp.Expr, written: str) -> Operand:
    del node
    return Operand(text(written), Type("char", (len(written),)))


_TYPED = {"char": _char, "date": _date, "time": _time, "timestamp": _timestamp, "decimal": _decimal, "json": _json}

_UNITS = {"second": 1000, "minute": 60000, "hour": 3600000, "day": 86400000}
_SPANS = ("year", "month", "day", "hour", "minute", "second")
_PATTERNS = {"day": r"(?P<day>\d+)", "hour": r"(?P<hour>\d+)", "minute": r"(?P<minute>\d+)",
             "second": r"(?P<second>\d+)(?:\.(?P<fraction>\d+))?"}  # fmt: skip


def interval(node: exp.Expr) -> Operand:
    """Translate an interval, which becomes milliseconds or months."""
    written, sign = node.this, 1
    if isinstance(written, exp.Neg):
        written, sign = written.this, -1
    if not (isinstance(written, exp.Literal) and written.is_string):
        raise error_at(node, "An interval must be a text and a unit, such as INTERVAL '1' DAY; multiply it by numbers")
    unit = node.args.get("unit")
    first, last = (
        (unit.this.name.lower(), unit.expression.name.lower())
        if isinstance(unit, exp.IntervalSpan)
        else (unit.name.lower() if unit is not None else "",) * 2
    )
    value = _interval_value(written.name.strip(), first, last)
    if value is None:
        raise error_at(node, f"Invalid INTERVAL {first.upper()} value: '{written.name}'")
    is_months = first in ("year", "month")
    return Operand(
        f"CAST({sign * value} AS {'INTEGER' if is_months else 'BIGINT'})",
        INTERVAL_MONTH if is_months else INTERVAL_DAY,
        is_constant=True,
    )


def _interval_value(written: str, first: str, last: str) -> int | None:
    sign = -1 if written.startswith("-") else 1
    body = written.lstrip("+-")
    if first not in _SPANS or last not in _SPANS or len(written) - len(body) > 1:
        return None
    if first in ("year", "month"):
        match = re.fullmatch(r"(\d+)" if first == last else r"(\d+)(?:-(\d+))?", body)
        if match is None or last not in ("year", "month") or (first, last) == ("month", "year"):
            return None
        parts = [int(part) for part in match.groups() if part is not None]
        return sign * (parts[0] * 12 + parts[1] if len(parts) == 2 else parts[0] * (12 if first == "year" else 1))
    names = _SPANS[_SPANS.index(first) : _SPANS.index(last) + 1]
    if not names:
        return None
    pattern = ""  # the last units may be left out
    for before, name in reversed(tuple(pairwise(names))):
        between = r"\s+" if before == "day" else ":"
        pattern = f"(?:{between}{_PATTERNS[name]}{pattern})?"
    match = re.fullmatch(_PATTERNS[names[0]] + pattern, body)
    if match is None:
        return None
    found = match.groupdict()
    total = sum(int(found[name] or 0) * _UNITS[name] for name in names)
    return sign * (total + int((found.get("fraction") or "").ljust(3, "0")[:3]))
