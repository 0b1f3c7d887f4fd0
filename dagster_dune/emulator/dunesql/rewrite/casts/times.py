"""Translates casts to dates and times, which are rounded to the precision of the type."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.registry import Operand, RefusedError
from dagster_dune.emulator.dunesql.functions.times import shown
from dagster_dune.emulator.dunesql.types.trino import MICROS, PICOS, Type, timestamp


def to_date(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a date."""
    del target
    if source.name == "varchar":
        return f"py_date_cast({sql})"
    return f"CAST({shown(Operand(sql, source))} AS DATE)"


def to_time(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a time of day."""
    if target.digits > 6:
        raise RefusedError(f"{target} is not supported by this emulator")
    if source.name == "varchar":
        return f"py_time_cast({sql}, {target.digits})"
    if source.name == "time":
        return sql if source.digits <= target.digits else f"trino_time_rounded({sql}, {10 ** (6 - target.digits)})"
    if source.is_precise:
        return f"CAST({_from_precise(sql, source, timestamp(target.digits))} AS TIME)"
    moment = shown(Operand(sql, source))
    whole = (
        moment if source.digits <= target.digits else f"trino_timestamp_rounded({moment}, {10 ** (6 - target.digits)})"
    )
    return f"CAST({whole} AS TIME)"


def to_timestamp(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a timestamp."""
    if source.name == "varchar":
        name = "py_precise_cast" if target.is_precise else "py_timestamp_cast"
        return f"{name}({sql}, {target.digits})"
    if source.name == "date":
        sql, digits = f"CAST({sql} AS TIMESTAMP)", 0
    elif source.is_precise:
        return _from_precise(sql, source, target)
    else:
        sql, digits = shown(Operand(sql, source)), source.digits
    if target.is_precise:
        return f"trino_precise({sql}, 0)"
    return sql if digits <= target.digits else f"trino_timestamp_rounded({sql}, {10 ** (6 - target.digits)})"


def _from_precise(sql: str, source: Type, target: Type) -> str:
    if source.digits <= target.digits:
        return sql
    if target.is_precise:
        return f"trino_precise_rounded({sql}, {10 ** (12 - target.digits)})"
    whole = f"(r.{MICROS} + to_microseconds(CAST(r.{PICOS} >= 500000 AS BIGINT)))"
    if target.digits < 6:
        whole = f"trino_timestamp_rounded(r.{MICROS}, {10 ** (6 - target.digits)})"
    return f"list_extract(list_transform([{sql}], lambda r: {whole}), 1)"


def to_timestamp_tz(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a timestamp with time zone."""
    if target.digits > 6 or source.is_precise:
        raise RefusedError(f"Cast of {source} to {target} is not supported by this emulator")
    if source.name == "varchar":
        made = f"py_zoned_cast({sql}, {target.digits})"
        return f"trino_zoned_read({made})" if target.zoned else f"trino_utc_read({made})"
    if source.zoned:
        if source.digits <= target.digits:
            return sql
        return f"trino_zoned_rounded({sql}, {10 ** (6 - target.digits)})"
    moment = sql if source.name == "timestamp with time zone" else f"CAST({sql} AS TIMESTAMPTZ)"
    if source.name != "date" and source.digits > target.digits:
        moment = (
            f"CAST(trino_timestamp_rounded(CAST({moment} AS TIMESTAMP), {10 ** (6 - target.digits)}) AS TIMESTAMPTZ)"
        )
    return f"trino_zoned({moment}, 'UTC')" if target.zoned else moment
