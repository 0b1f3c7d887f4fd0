"""Functions of dates, times and intervals.

Most of them use the local time, which `shown` returns as a TIMESTAMP for all types of times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dagster_dune.emulator.dunesql.functions.registry import Call, Operand, RefusedError, Registry, bound, text
from dagster_dune.emulator.dunesql.types.trino import (  # fmt: skip
    DAY_TO_SECOND,
    MICROS,
    MOMENT,
    VARCHAR,
    YEAR_TO_MONTH,
    ZONE,
    Type,
    timestamp_tz,
)

TIMES = Registry("functions/datetime")
_add = TIMES.add
_DATES, CLOCKS = ("day", "week", "month", "quarter", "year"), ("millisecond", "second", "minute", "hour")
"""Units of dates, and units of times of day."""
_KINDS = ("date", "timestamp(p)", "timestamp(p) with time zone")


# Assumption: local-time-precision.
def shown(value: Operand) -> str:
    """Return SQL of the local time as a TIMESTAMP."""
    if value.type.zoned:
        return f"trino_shown({value.sql})"
    if value.type.is_precise:
        return f"struct_extract({value.sql}, '{MICROS}')"
    return value.sql if value.type.name == "timestamp" else f"CAST({value.sql} AS TIMESTAMP)"


def _last(types: Sequence[Type]) -> Type:
    """Return the type of the last argument, with at least milliseconds, as in examples of Trino's manual."""
    type_ = types[-1]
    return replace(type_, args=(max(3, type_.digits),)) if type_.name.startswith("timestamp") else type_


def _units(type_: Type) -> tuple[str, ...]:
    return _DATES if type_.name == "date" else CLOCKS if type_.name == "time" else (*CLOCKS, *_DATES)


def _by_unit(write: Callable[[str, Call], str]) -> Callable[[Call], str]:
    """Translate a call for its unit, or with a branch for each unit if the unit is no literal."""

    def whole(call: Call) -> str:
        given, *others = call.arguments
        units, kind = _units(call.arguments[-1].type), call.arguments[-1].type.name.upper()
        if given.literal is not None:
            if given.literal.lower() not in units:
                raise RefusedError(f"'{given.literal}' is not a valid {kind} field")
            return write(given.literal.lower(), call)

        def branches(v: str) -> str:
            inside = [replace(each, sql=f"{v}.v{place}") for place, each in enumerate(others, start=1)]
            made = [f"WHEN '{unit}' THEN {write(unit, replace(call, arguments=(given, *inside)))}" for unit in units]
            failed = f"CAST(trino_fail('''' || {v}.v0 || ''' is not a valid {kind} field') AS VARCHAR)"
            last = f"CASE WHEN {v}.v0 IS NOT NULL THEN CAST({failed} AS {call.result.duckdb}) END"
            return f"CASE lower({v}.v0) {' '.join(made)} ELSE {last} END"

        packed = ", ".join(f"v{place} := {value.sql}" for place, value in enumerate(call.arguments))
        return bound(f"struct_pack({packed})", branches)

    return whole


def _truncated(unit: str, call: Call) -> str:
    value = call.arguments[1]
    if value.type.zoned:
        name = "trino_zoned_trunc_date" if unit in _DATES else "trino_zoned_trunc_clock"
        return f"{name}({text(unit)}, {value.sql})"
    if value.type.name == "time":
        return f"CAST(date_trunc({text(unit)}, DATE '1970-01-01' + {value.sql}) AS TIME)"
    made = f"date_trunc({text(unit)}, {shown(value) if value.type.is_precise else value.sql})"
    if value.type.is_precise:
        return f"trino_precise({made}, 0)"
    return f"CAST({made} AS {call.result.duckdb})" if value.type.name == "date" else made


def _added(unit: str, call: Call) -> str:
    _, count, value = call.arguments
    kind = "INTEGER" if unit in _DATES else "BIGINT"
    duration = f"to_{unit}s(CAST({count.sql} AS {kind}))"
    if value.type.zoned:
        name = "trino_zoned_add_date" if unit in _DATES else "trino_zoned_add_clock"
        return f"{name}({value.sql}, {duration})"
    if value.type.is_precise:
        return f"trino_precise_add({value.sql}, {duration})"
    made = f"({value.sql} + {duration})"
    return f"CAST({made} AS {call.result.duckdb})" if value.type.name == "date" else made


def _difference(unit: str, call: Call) -> str:
    _, start, end = call.arguments
    if start.type.name == "time":
        return f"py_date_diff({text(unit)}, DATE '1970-01-01' + {start.sql}, DATE '1970-01-01' + {end.sql})"
    if start.type.zoned and unit in _DATES:
        zone = f"struct_extract({start.sql}, '{ZONE}')"
        other = end.sql if end.type.zoned else f"trino_zoned({end.sql}, 'UTC')"
        later = f"py_zone_shown(CAST(struct_extract({other}, '{MOMENT}') AS TIMESTAMP), {zone})"
        return f"py_date_diff({text(unit)}, {shown(start)}, {later})"
    sides = (
        f"CAST(struct_extract({side.sql}, '{MOMENT}') AS TIMESTAMP)" if side.type.zoned else shown(side)
        for side in (start, end)
    )
    return f"py_date_diff({text(unit)}, {', '.join(sides)})"


for _kind in (*_KINDS, "time(p)"):
    _add("date_trunc", f"(varchar, {_kind}) -> {_kind}", _by_unit(_truncated), _last)
for _kind in (*_KINDS, "time(p)"):
    _add("date_add", f"(varchar, bigint, {_kind}) -> {_kind}", _by_unit(_added), _last)
    _add("date_diff", f"(varchar, {_kind}, {_kind}) -> bigint", _by_unit(_difference))

_PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "week", "week_of_year": "week", "day": "day",
    "day_of_month": "day", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "dayofyear", "doy": "dayofyear",
    "year_of_week": "isoyear", "yow": "isoyear",
}  # fmt: skip
_CLOCK_PARTS = {"hour": "hour", "minute": "minute", "second": "second", "millisecond": "trino_millisecond"}


def _part(name: str, target: str) -> None:
    for kind in _KINDS:
        if kind != "date" or target not in _CLOCK_PARTS.values():
            _add(name, f"({kind}) -> bigint", lambda call: f"CAST({target}({shown(call.arguments[0])}) AS BIGINT)")


for _name, _target in {**_PARTS, **_CLOCK_PARTS}.items():
    _part(_name, _target)
for _name, _sql in (
    ("hour", "hour($1)"),
    ("minute", "minute($1)"),
    ("second", "second($1)"),
    ("millisecond", "millisecond($1) % 1000"),
):
    _add(_name, "(time(p)) -> bigint", f"CAST({_sql} AS BIGINT)")
for _name, _size, _limit in (
    ("day", 86400000, 10**9), ("hour", 3600000, 24), ("minute", 60000, 60), ("second", 1000, 60),
    ("millisecond", 1, 1000),
):  # fmt: skip
    _add(_name, f"({DAY_TO_SECOND}) -> bigint", f"(($1 // {_size}) % {_limit})")
_add("year", f"({YEAR_TO_MONTH}) -> bigint", "CAST($1 // 12 AS BIGINT)")
_add("month", f"({YEAR_TO_MONTH}) -> bigint", "CAST($1 % 12 AS BIGINT)")
_add("to_milliseconds", f"({DAY_TO_SECOND}) -> bigint", "$1")
for _kind in _KINDS:
    _add("last_day_of_month", f"({_kind}) -> date", lambda call: f"last_day({shown(call.arguments[0])})")
    _add(
        "date_format",
        f"({_kind}, varchar) -> varchar",
        lambda call: f"py_date_format({shown(call.arguments[0])}, {call.arguments[1].sql})",
    )


def _formatted(call: Call) -> str:
    value = call.arguments[0]
    zone = f"struct_extract({value.sql}, '{ZONE}')" if value.type.zoned else "'UTC'"
    return f"py_format_datetime({shown(value)}, {call.arguments[1].sql}, {zone})"


def _iso(call: Call) -> str:
    value = call.arguments[0]
    if value.type.is_precise or value.type.name == "time":
        raise RefusedError(f"to_iso8601 of {value.type} is not supported by this emulator")
    if value.type.name == "date":
        return f"CAST({value.sql} AS VARCHAR)"
    digits = value.type.digits
    made = f"trino_iso({shown(value)}, {digits})"
    if value.type.name == "timestamp":
        return made
    if not value.type.zoned:
        return f"({made} || 'Z')"
    return f"({made} || trino_iso_offset({value.sql}))"


for _kind in _KINDS:
    _add("format_datetime", f"({_kind}, varchar) -> varchar", _formatted)
    _add("to_iso8601", f"({_kind}) -> varchar", _iso)


def _unix(call: Call) -> str:
    value = call.arguments[0]
    return f"epoch(struct_extract({value.sql}, '{MOMENT}'))" if value.type.zoned else f"epoch({shown(value)})"


_add("to_unixtime", "(timestamp(p)) -> double", _unix)
_add("to_unixtime", "(timestamp(p) with time zone) -> double", _unix)
_add("from_unixtime", "(double) -> timestamp(3) with time zone", "trino_from_unixtime($1)")
_add("from_unixtime", "(double, varchar) -> timestamp(3) with time zone",
     "trino_zoned(trino_from_unixtime($1), py_zone_name($2))",
     lambda _: timestamp_tz(3, zoned=True))  # fmt: skip
_add("from_unixtime", "(double, bigint, bigint) -> timestamp(3) with time zone",
     "trino_zoned(trino_from_unixtime($1), trino_offset_name($2, $3))",
     lambda _: timestamp_tz(3, zoned=True))  # fmt: skip


def _refused(call: Call) -> str:
    raise RefusedError(f"{call.name} is not supported by this emulator: a time with a zone has 6 digits at the most")


_add("from_unixtime_nanos", "(bigint) -> timestamp(9) with time zone", _refused)
_add("from_iso8601_timestamp_nanos", "(varchar) -> timestamp(9) with time zone", _refused)
_add("from_iso8601_timestamp", "(varchar) -> timestamp(3) with time zone", "trino_zoned_read(py_iso_timestamp($1, 3))",
     lambda _: timestamp_tz(3, zoned=True))  # fmt: skip
_add("from_iso8601_date", "(varchar) -> date", "py_iso_date($1)")
_add("date_parse", "(varchar, varchar) -> timestamp(3)", "py_date_parse($1, $2)")
_add("parse_datetime", "(varchar, varchar) -> timestamp(3) with time zone",
     "trino_zoned_read(py_parse_datetime($1, $2))",
     lambda _: timestamp_tz(3, zoned=True))  # fmt: skip
_add("parse_duration", f"(varchar) -> {DAY_TO_SECOND}", "py_parse_duration($1)")
_add("human_readable_seconds", "(double) -> varchar", "py_human_readable_seconds(CAST(round($1) AS BIGINT))")
_add("current_timezone", "() -> varchar", "'UTC'")
_add("now", "() -> timestamp(3) with time zone", "trino_now()")


def at_zone(value: Operand, zone: Operand, digits: int) -> tuple[str, Type]:
    """Return SQL and the type of an instant in a time zone."""
    if value.type.is_precise:
        raise RefusedError(f"AT TIME ZONE of {value.type} is not supported by this emulator")
    moment = f"struct_extract({value.sql}, '{MOMENT}')" if value.type.zoned else f"CAST({value.sql} AS TIMESTAMPTZ)"
    if (zone.literal or "").upper() in ("UTC", "Z"):
        return moment, timestamp_tz(digits)
    return f"trino_zoned({moment}, py_zone_name({zone.sql}))", timestamp_tz(digits, zoned=True)


_add(
    "at_timezone", "(timestamp(p) with time zone, varchar) -> timestamp(p) with time zone",
    lambda call: at_zone(call.arguments[0], Operand(call.arguments[1].sql, call.arguments[1].type), 3)[0],
    lambda types: timestamp_tz(types[0].digits, zoned=True),
)  # fmt: skip


_add(
    "at_timezone", "(timestamp(p) with time zone, interval day to second) -> timestamp(p) with time zone",
    lambda call: at_zone(call.arguments[0], _offset_zone(call.arguments[1]), 3)[0],
    lambda types: timestamp_tz(types[0].digits, zoned=True),
)  # fmt: skip


def _offset_zone(interval: Operand) -> Operand:
    """An interval as the name of the zone that is so far from UTC."""
    return Operand(f"trino_offset_of_interval({interval.sql})", VARCHAR)


def _put_in_zone(call: Call) -> str:
    value, zone = call.arguments
    if value.type.is_precise:
        raise RefusedError(f"with_timezone of {value.type} is not supported by this emulator")
    return f"trino_zoned_local({value.sql}, py_zone_name({zone.sql}))"


_add(
    "with_timezone", "(timestamp(p), varchar) -> timestamp(p) with time zone",
    _put_in_zone, lambda types: timestamp_tz(types[0].digits, zoned=True),
)  # fmt: skip


def _offset(call: Call) -> str:
    value = call.arguments[0]
    part = "// 60" if call.name == "timezone_hour" else "% 60"
    if not value.type.zoned:
        return "CASE WHEN " + value.sql + " IS NOT NULL THEN CAST(0 AS BIGINT) END"
    return f"(trino_zone_offset({value.sql}) {part})"


_add("timezone_hour timezone_minute", "(timestamp(p) with time zone) -> bigint", _offset)


def _zone(call: Call) -> str:
    value = call.arguments[0]
    if value.type.zoned:
        return f"struct_extract({value.sql}, '{ZONE}')"
    return f"CASE WHEN {value.sql} IS NOT NULL THEN 'UTC' END"


_add("timezone", "(timestamp(p) with time zone) -> varchar", _zone)
