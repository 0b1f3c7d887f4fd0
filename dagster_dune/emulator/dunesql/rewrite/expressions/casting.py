"""Translates CAST, TRY_CAST and ``date(x)``."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import converted
from dagster_dune.emulator.dunesql.rewrite.observation import observe_comparison
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import DATE, TIMESTAMPS, VARCHAR, Type, timestamp_tz

_A_DAY = Operand("", VARCHAR, literal="2026-06-30")
"""An example of a text that is cast to a time, for the observer."""


def write_date(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    """Translate ``date(x)``, which is a cast."""
    value = translator.expression(node.expressions[0], scope)
    return Operand(converted(value.sql, value.type, DATE), DATE)


def _cast_type(node: exp.Cast) -> Type:
    written = node.to.sql("trino")
    try:
        return read_type(written)
    except ValueError:
        raise error_at(node, f"Unknown type: {written.lower()}") from None


def write_cast(translator: Translator, node: exp.Cast, scope: Scope) -> Operand:
    """Translate CAST or TRY_CAST."""
    value, target = translator.expression(node.this, scope), _cast_type(node)
    if target.find("unknown") or any(not 0 <= t.digits <= 12 for t in (target,) if t.name.startswith("time")):
        raise error_at(node, f"Cannot cast {value.type} to {target}")
    if (value.type.zoned and target.name == "timestamp with time zone") or (
        target.name == "timestamp with time zone" and value.type.name == "varchar" and not _is_utc(value)
    ):
        target = timestamp_tz(target.digits, zoned=True)
    if value.type.name in ("unknown", "varchar") and target.name in ("date", *TIMESTAMPS):
        observe_comparison(value, [_A_DAY])
    if isinstance(node, exp.TryCast):
        return Operand(f"TRY({converted(value.sql, value.type, target)})", target)
    is_text = target.name == "varchar" and value.literal is not None
    literal = value.literal[: target.args[0] if target.args else None] if is_text and value.literal else None
    return Operand(converted(value.sql, value.type, target), target, literal=literal)


def _is_utc(value: Operand) -> bool:
    """Return whether a text that is cast to a time with zone is a literal with UTC or without zone."""
    if value.literal is None:
        return False
    text = value.literal.strip()
    return (
        text.upper().endswith(("UTC", "Z"))
        or text[10:].replace(":", "").replace(".", "").replace(" ", "").isdigit()
        or len(text) <= 10
    )
