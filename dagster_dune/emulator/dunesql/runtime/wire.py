"""Converts values of DuckDB's cursor to those in Dune's API, by their types."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dagster_dune.emulator.dunesql.types.trino import (
    DAY_TO_SECOND,
    MICROS,
    MOMENT,
    PICOS,
    SKETCHES,
    VARCHAR,
    YEAR_TO_MONTH,
    ZONE,
    Type,
)

Convert = Callable[[Any], Any]
_JSON_TYPES = frozenset({"boolean", "tinyint", "smallint", "integer", "bigint", "varchar", "char", "json"})
"""Types whose values are JSON values already."""


def text_sql(sql: str, type_: Type) -> str | None:
    """Return SQL that formats times without zones for JSON, which DuckDB does much faster than Python; else None."""
    if type_.zoned or type_.is_precise:
        return None
    if type_.name == "timestamp":
        return f"trino_timestamp_text({sql}, {type_.digits})"
    if type_.name == "timestamp with time zone":
        return f"(trino_timestamp_text(CAST({sql} AS TIMESTAMP), {max(3, type_.digits)}) || ' UTC')"
    return None


def fetched_sql(sql: str, type_: Type) -> str:
    """Return SQL that converts maps with wide integers as keys, which DuckDB cannot pass to Python."""
    fetched = _with_text_keys(type_)
    return sql if fetched == type_ else f"CAST({sql} AS {fetched.duckdb})"


def _with_text_keys(type_: Type) -> Type:
    parts = tuple(map(_with_text_keys, type_.of))
    if type_.name == "map" and parts[0].is_wide:
        parts = (VARCHAR, parts[1])
    return replace(type_, of=parts)


def converted_column(type_: Type, values: Sequence[Any]) -> Iterable[Any]:
    """Convert the values of a column to JSON values, unless they are already."""
    if type_.name in _JSON_TYPES:
        return values
    if type_.name == "double" and math.isfinite(sum(value for value in values if value is not None)):
        return values
    return map(converter(type_), values)


@lru_cache(maxsize=1024)
def converter(type_: Type) -> Convert:
    """Return a function that converts values of a type to JSON values, and None to None."""
    convert = _converter(type_)
    return lambda value: None if value is None else convert(value)


def _converter(type_: Type) -> Convert:
    if type_.name == "array":
        element = converter(type_.of[0])
        return lambda value: [element(item) for item in value]
    if type_.name == "map":
        return _map(type_)
    if type_.name == "row":
        return _row(type_)
    if type_.zoned:
        return lambda value: _zoned_time(value[MOMENT], value[ZONE], type_.digits)
    if type_.is_precise:
        return lambda value: f"{_micros(value[MICROS])}{value[PICOS]:06d}"[: 20 + type_.digits]
    if type_.name == "timestamp":
        return lambda value: fraction(value, type_.digits) if isinstance(value, datetime) else str(value)
    if type_.name == "timestamp with time zone":
        return lambda value: (
            f"{fraction(value.astimezone(UTC), max(3, type_.digits))} UTC"
            if isinstance(value, datetime)
            else str(value)
        )
    if type_.name == "time":
        return lambda value: f"{value:%H:%M:%S}.{value.microsecond:06d}"[: 9 + type_.digits if type_.digits else 8]
    return _CONVERTERS.get(type_.name, lambda value: value)


def _map(type_: Type) -> Convert:
    """Return a function for maps, which DuckDB's cursor returns as lists of keys and values if keys are no scalars."""
    key, item = (converter(part) for part in type_.of)
    if not type_.of[0].of and not type_.of[0].zoned and not type_.of[0].is_precise:
        return lambda value: {_key(key(one)): item(other) for one, other in value.items()}
    return lambda value: {
        _key(key(one)): item(other) for one, other in zip(value.get("key", ()), value.get("value", ()), strict=True)
    }


def _key(value: Any) -> str:
    """Return a key as text, since keys in JSON are texts."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(type_: Type) -> Convert:
    parts = [converter(part) for part in type_.of]
    if all(type_.names) and len({(name or "").lower() for name in type_.names}) == len(type_.names):
        names = [name or "" for name in type_.names]
        return lambda value: {name: part(item) for name, part, item in zip(names, parts, value.values(), strict=True)}
    return lambda value: [part(item) for part, item in zip(parts, value.values(), strict=True)]


def fraction(value: datetime, digits: int) -> str:
    """Format a time with a number of fractional digits."""
    return _micros(value)[: 20 + digits if digits else 19]


def _micros(value: datetime) -> str:
    """Format a time with six fractional digits, without its zone."""
    return value.isoformat(" ", "microseconds")[:26]


def _zoned_time(moment: datetime, zone: str, digits: int) -> str:
    from dagster_dune.emulator.dunesql.runtime.times.zones import zone_of  # noqa: PLC0415

    return f"{fraction(moment.astimezone(zone_of(zone)), max(3, digits))} {zone}"


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _real(value: float) -> float | str:
    from dagster_dune.emulator.dunesql.runtime.numbers.doubles import shortest_real  # noqa: PLC0415

    return float(shortest_real(value)) if math.isfinite(value) else _double(value)


def interval_text(milliseconds: int) -> str:
    """Format an interval of days to seconds."""
    sign, rest = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, rest = divmod(rest, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours // 24} {hours % 24:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}"


def _months_text(value: int) -> str:
    return f"{'-' if value < 0 else ''}{abs(value) // 12}-{abs(value) % 12}"


_CONVERTERS: dict[str, Convert] = {
    "double": _double,
    "real": _real,
    "decimal": lambda value: format(value, "f") if isinstance(value, Decimal) else str(value),
    "uint256": str,
    "int256": str,
    "uuid": str,
    "varbinary": lambda value: "0x" + bytes(value).hex(),
    "date": lambda value: value.isoformat() if hasattr(value, "isoformat") else str(value),
    DAY_TO_SECOND: interval_text,
    YEAR_TO_MONTH: _months_text,
    **{name: f"<{name}>".format for name in SKETCHES},
}
