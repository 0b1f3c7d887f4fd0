"""Times in other zones than UTC.

DuckDB's TIMESTAMP WITH TIME ZONE is a moment without a zone, so it stands for Trino's in UTC alone. One in another zone
is a struct of the moment, what clocks show there, and the zone's name; nothing but what is written here takes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, Rewrite, call, cast_to, literal_text, text
from dagster_dune.emulator.dunesql.types.types import ZONED_FIELDS

_REGIONS = "Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific"
_ZONE = re.compile(rf"(?:{_REGIONS})(?:/[A-Z][A-Za-z0-9_+-]*)+")
_LITERAL = re.compile(r"(?P<time>[0-9: .-]+?)\s*(?P<zone>[A-Za-z+-][\w/:+-]*)")
_MONTHS = ("YEAR", "QUARTER", "MONTH")
_WRITTEN = "dune_written"
_SOME_TIME = "2000-01-01 00:00:00+00"


def zone_name(node: exp.Expr, written: str | None) -> str:
    """Check the name of a zone.

    Args:
        node: What names it, for errors.
        written: The name, None if it is computed.

    Returns:
        The name; UTC in one spelling.

    Raises:
        SqlError: It is computed, an offset, or no name of a place.
    """
    if written is None:
        raise error_at(node, "The time zone must be written out as a text")
    if written.upper() in ("UTC", "Z"):
        return "UTC"
    if not _ZONE.fullmatch(written):
        raise error_at(node, f"The time zone '{written}' is not supported by this emulator; write UTC or Region/City")
    return written


def at_time_zone(operation: Operation) -> exp.Expr:
    """Show a moment in a zone: ``x AT TIME ZONE 'Europe/Berlin'`` and ``at_timezone(x, 'Europe/Berlin')``."""
    zone, value = zone_name(operation.node, _zone_text(operation)), operation.operands[0]
    type_ = operation.types[0]
    if type_ is None:
        return unknown(value, "trino_zoned" if zone != "UTC" else "", zone)
    if type_.id not in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "ZONED") and not type_.is_null:
        raise error_at(operation.node, f"AT TIME ZONE takes a timestamp, not {type_.trino_name}")
    moment = instant(value) if type_.id == "ZONED" else value
    return cast_to(moment, "TIMESTAMPTZ") if zone == "UTC" else call("trino_zoned", moment, text(zone))


def with_timezone(operation: Operation) -> exp.Expr:
    """Say in which zone a time is meant."""
    zone, value = zone_name(operation.node, _zone_text(operation)), operation.operands[0]
    if operation.types[0] is None:
        return unknown(value, "trino_zoned" if zone != "UTC" else "", zone)
    if not operation.is_at(0, "TIMESTAMP"):
        raise error_at(operation.node, f"Unexpected parameters ({', '.join(operation.type_names())})")
    return cast_to(value, "TIMESTAMPTZ") if zone == "UTC" else call("trino_zoned_local", value, text(zone))


def mark_literals(statement: exp.Query) -> None:
    """Keep with each cast the text that it reads, which a probe hides while types are asked for."""
    for cast in statement.find_all(exp.Cast):
        cast.meta[_WRITTEN] = literal_text(cast.this)


def literal(node: exp.Expr) -> exp.Expr | None:
    """Write ``TIMESTAMP '2024-01-01 00:00 Europe/Berlin'``; None where there is no other zone than UTC."""
    is_moment = isinstance(node, exp.Cast) and node.to.this == exp.DType.TIMESTAMPTZ
    match = _LITERAL.fullmatch((node.meta.get(_WRITTEN) or "").strip()) if is_moment else None
    zone = zone_name(node, match["zone"]) if match else "UTC"
    if match is None or zone == "UTC":
        return None
    return call("trino_zoned_local", cast_to(text(match["time"]), "TIMESTAMP"), text(zone))


def local(value: exp.Expr) -> exp.Expr:
    """What clocks show in the zone."""
    return call("struct_extract", value, text(ZONED_FIELDS[1]))


def instant(value: exp.Expr) -> exp.Expr:
    """The moment."""
    return call("struct_extract", value, text(ZONED_FIELDS[0]))


def instants(operation: Operation) -> list[exp.Expr]:
    """The operands, moments in place of times in zones."""
    return [
        instant(operand) if operation.is_at(position, "ZONED") else operand
        for position, operand in enumerate(operation.operands)
    ]


def of_local(target: str) -> Rewrite:
    """Read something off the clock, in the zone of the time."""

    def rewrite(operation: Operation) -> exp.Expr:
        value, *rest = operation.operands
        if operation.types[0] is None:
            return _either(value, cast_to(exp.null(), "BIGINT" if target != "last_day" else "DATE"))
        return call(target, local(value) if operation.is_at(0, "ZONED") else value, *rest)

    return rewrite


def moved(operation: Operation, duration: exp.Expr) -> exp.Expr:
    """Add an interval to a time in a zone, or subtract it."""
    if any(interval.text("unit").upper() in _MONTHS for interval in operation.node.find_all(exp.Interval)):
        raise error_at(operation.node, "Months and years cannot be added to a time in a zone; use date_add")
    return call("trino_zoned_add_clock", operation.operands[0], duration)


def unknown(value: exp.Expr, function: str, zone: str) -> exp.Expr:
    """Something of the type that comes out, while the type of a value is not known."""
    made = cast_to(text(_SOME_TIME), "TIMESTAMPTZ")
    return _either(value, call(function, made, text(zone)) if function else made)


def refuse(operation: Operation, name: str, positions: Sequence[int]) -> None:
    """Refuse times in zones where what Trino makes of them is not written here."""
    if any(operation.is_at(position, "ZONED") for position in positions):
        raise error_at(operation.node, f"{name} of a time in a zone is not supported; write AT TIME ZONE 'UTC' first")


def _zone_text(operation: Operation) -> str | None:
    node = operation.node
    return literal_text(node.args["zone"] if isinstance(node, exp.AtTimeZone) else node.expressions[1])


def _either(value: exp.Expr, made: exp.Expr) -> exp.Expr:
    condition = exp.Is(this=exp.Paren(this=value), expression=exp.null())
    return exp.Case(ifs=[exp.If(this=condition, true=made)], default=made.copy())
