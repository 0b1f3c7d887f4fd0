"""``format`` and ``regexp_replace``, whose patterns are written in Java's way."""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import (
    Operation,
    call,
    cast_to,
    integer,
    joined,
    literal_text,
    text,
)
from dagster_dune.emulator.dunesql.types.types import Type, trino_type

_SPECIFIER = re.compile(
    r"%(?:(?P<flags>[,0-]*)(?P<width>[1-9][0-9]*)?(?:\.(?P<digits>[0-9]+))?(?P<kind>[sdf])|(?P<percent>%))"
)
_PLAIN_TEXTS = ("VARCHAR", "BIGNUM", "DATE", "BOOLEAN", "DECIMAL")


def format_text(operation: Operation) -> exp.Expr:
    """Write values by a pattern of ``%s``, ``%d`` and ``%f``, with width, ``0``, ``-`` and ``,``."""
    pattern = literal_text(operation.operands[0])
    if pattern is None:
        raise error_at(operation.node, "The pattern of format must be written out as a text")
    values = list(zip(operation.operands[1:], operation.types[1:], strict=True))
    parts: list[exp.Expr] = []
    position = 0
    for match in _SPECIFIER.finditer(pattern):
        parts.append(_between(operation, pattern[position : match.start()]))
        position = match.end()
        if match["percent"]:
            parts.append(text("%"))
        elif values:
            parts.append(_padded(match, _value(operation, match, *values.pop(0))))
        else:
            raise error_at(operation.node, f"format has no value for '{match[0]}'")
    return joined([*parts, _between(operation, pattern[position:])])


def _between(operation: Operation, piece: str) -> exp.Expr:
    if "%" in piece:
        raise error_at(operation.node, f"The pattern '{piece}' of format is not supported: use %s, %d, %f and %%")
    return text(piece)


def _value(operation: Operation, match: re.Match[str], value: exp.Expr, type_: Type | None) -> exp.Expr:
    kind = match["kind"]
    if kind == "s":
        return call("coalesce", _text(operation, value, type_), text("null"))
    if kind == "d":
        if type_ is not None and not type_.is_integer and type_.id != "BIGNUM":
            raise error_at(operation.node, f"format takes an integer for '{match[0]}'")
        return cast_to(value, "VARCHAR")
    if type_ is not None and not type_.is_float and type_.id != "DECIMAL":
        raise error_at(operation.node, f"format takes a double or a decimal for '{match[0]}'")
    # Java rounds the shortest decimal that names the double, half away from zero.
    shortest = cast_to(value, "VARCHAR")
    return cast_to(cast_to(shortest, f"DECIMAL(38,{int(match['digits'] or 6)})"), "VARCHAR")


def _text(operation: Operation, value: exp.Expr, type_: Type | None) -> exp.Expr:
    if type_ is None or not type_.family or type_.is_integer or type_.id in _PLAIN_TEXTS:
        return cast_to(value, "VARCHAR")
    if type_.is_float:
        return call("trino_double_text", value)
    raise error_at(operation.node, f"format cannot write a {trino_type(type_.id)}; cast it to varchar")


def _padded(match: re.Match[str], written: exp.Expr) -> exp.Expr:
    flags, width = match["flags"], int(match["width"] or 0)
    if "," in flags:
        written = call("trino_grouped", written)
    if not width:
        return written
    side = "right" if "-" in flags else "zero" if "0" in flags else "left"
    return call(f"trino_padded_{side}", written, integer(width))


def regexp_replace(operation: Operation) -> exp.Expr:
    """Replace every match; ``$1`` in the replacement is a group."""
    subject, pattern, *rest = operation.operands
    replacement = literal_text(rest[0]) if rest else ""
    if replacement is None:
        raise error_at(operation.node, "The replacement of regexp_replace must be written out as a text")
    if "${" in replacement:
        raise error_at(operation.node, "Named groups in regexp_replace are not supported by this emulator")
    return call("regexp_replace", subject, pattern, text(_groups(replacement)), text("g"))


def _groups(replacement: str) -> str:
    """Write groups as DuckDB does, with a backslash for the dollar, and what a backslash escapes as itself."""

    def rewrite(match: re.Match[str]) -> str:
        if match["group"]:
            return "\\" + match["group"]
        return "\\\\" if match["escaped"] == "\\" else str(match["escaped"])

    return re.sub(r"\$(?P<group>[0-9])|\\(?P<escaped>.)", rewrite, replacement)
