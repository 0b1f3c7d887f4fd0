"""Translates the current time, EXTRACT and AT TIME ZONE."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.functions.times import CLOCKS, at_zone
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator
from dagster_dune.emulator.dunesql.types.trino import INTERVAL_DAY, VARCHAR, Type, timestamp, timestamp_tz


def at_time_zone(translator: Translator, node: exp.AtTimeZone, scope: Scope) -> Operand:
    """Translate ``moment AT TIME ZONE zone``."""
    value, zone = translator.expression(node.this, scope), translator.expression(node.args["zone"], scope)
    if zone.type == INTERVAL_DAY:
        zone = Operand(f"trino_offset_of_interval({zone.sql})", VARCHAR)
    if value.type.name == "unknown":
        return Operand("CAST(NULL AS TIMESTAMPTZ)", timestamp_tz(3))
    if value.type.name not in ("timestamp", "timestamp with time zone") or zone.type.name != "varchar":
        raise error_at(
            node, f"Type of value must be a time or timestamp with or without time zone (actual {value.type})"
        )
    sql, type_ = at_zone(value, zone, value.type.digits)
    return Operand(sql, type_)


def extract_field(translator: Translator, node: exp.Extract, scope: Scope) -> Operand:
    """Translate ``EXTRACT(field FROM time)``."""
    name = node.name.lower()
    if name not in _EXTRACTED:
        raise error_at(node, f"EXTRACT({name.upper()} FROM ...) is not supported: Invalid EXTRACT field")
    type_ = translator.expression(node.expression, scope).type
    if (type_.name == "date" and name in (*CLOCKS, *_OF_ZONES)) or (type_.name == "timestamp" and name in _OF_ZONES):
        raise error_at(node, f"Cannot extract {name.upper()} from {type_}")
    return translator.function(node, name, [node.expression], scope)


_OF_ZONES = ("timezone_hour", "timezone_minute")
_EXTRACTED = ("year", "quarter", "month", "week", "day", "day_of_month", "day_of_week", "dow", "day_of_year", "doy",
              "year_of_week", "yow", "hour", "minute", "second", "timezone_hour", "timezone_minute")  # fmt: skip


def current_timestamp(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Translate ``current_timestamp(n)``, which is constant."""
    del translator, scope
    digits = int(node.this.name) if isinstance(node.this, exp.Literal) else 3
    if digits > 6:
        raise error_at(node, "current_timestamp of more than 6 digits is not supported by this emulator")
    return Operand("trino_now()", timestamp_tz(digits))


def local_timestamp(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Translate ``localtimestamp(n)``."""
    moment = current_timestamp(translator, node, scope)
    return Operand(f"CAST({moment.sql} AS TIMESTAMP)", timestamp(moment.type.digits))


def local_time(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Translate ``localtime(n)``."""
    moment = local_timestamp(translator, node, scope)
    return Operand(f"CAST({moment.sql} AS TIME)", Type("time", moment.type.args))
