"""``format`` and ``regexp_replace``, whose patterns are written in Java's way."""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Types, call, cast_to, integer, literal_text, text
from dagster_dune.emulator.dunesql.types import Type

_SPECIFIER = re.compile(
    r"%(?:(?P<flags>[,0-]*)(?P<width>[1-9][0-9]*)?(?:\.(?P<digits>[0-9]+))?(?P<kind>[sdf])|(?P<percent>%))"
)


def format_text(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Write values by a pattern of ``%s``, ``%d`` and ``%f``, with width, ``0``, ``-`` and ``,``."""
    pattern = literal_text(operands[0])
    if pattern is None:
        raise error_at(node, "The pattern of format must be written out as a text")
    parts: list[exp.Expr] = []
    values = list(zip(operands[1:], types[1:], strict=True))
    position = 0
    for match in _SPECIFIER.finditer(pattern):
        parts.append(_plain(node, pattern[position : match.start()]))
        position = match.end()
        if match["percent"]:
            parts.append(text("%"))
        elif not values:
            raise error_at(node, f"format has no value for '{match[0]}'")
        else:
            parts.append(_value(node, match, *values.pop(0)))
    parts.append(_plain(node, pattern[position:]))
    joined = parts[0]
    for part in parts[1:]:
        joined = exp.DPipe(this=joined, expression=part)
    return exp.Paren(this=joined)


def _plain(node: exp.Expr, piece: str) -> exp.Expr:
    if "%" in piece:
        raise error_at(node, f"The pattern '{piece}' of format is not supported: use %s, %d, %f and %%")
    return text(piece)


def _value(node: exp.Expr, match: re.Match[str], value: exp.Expr, type_: Type | None) -> exp.Expr:
    flags, width, kind = match["flags"], int(match["width"] or 0), match["kind"]
    if kind == "s":
        written = _text(node, value, type_)
    elif kind == "d":
        if type_ is not None and not type_.is_integer and type_.id != "BIGNUM":
            raise error_at(node, f"format takes an integer for '{match[0]}'")
        written = cast_to(value, "VARCHAR")
    else:
        if type_ is not None and not type_.is_float and type_.id != "DECIMAL":
            raise error_at(node, f"format takes a double or a decimal for '{match[0]}'")
        written = cast_to(cast_to(cast_to(value, "VARCHAR"), f"DECIMAL(38,{int(match['digits'] or 6)})"), "VARCHAR")
    if "," in flags:
        written = call("trino_grouped", written)
    if not width:
        return written
    if "-" in flags:
        return call("trino_padded_right", written, integer(width))
    return call("trino_padded_zero" if "0" in flags else "trino_padded_left", written, integer(width))


def _text(node: exp.Expr, value: exp.Expr, type_: Type | None) -> exp.Expr:
    if type_ is None or type_.is_integer or type_.id in ("VARCHAR", "BIGNUM", "DATE", "BOOLEAN", "DECIMAL"):
        return call("coalesce", cast_to(value, "VARCHAR"), text("null"))
    if type_.is_float:
        return call("coalesce", call("trino_double_text", value), text("null"))
    raise error_at(node, f"format cannot write a {type_.id.lower()}; cast it to varchar")


def regexp_replace(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Replace every match; ``$1`` in the replacement is a group."""
    del types
    replacement = literal_text(operands[2]) if len(operands) > 2 else ""
    if replacement is None:
        raise error_at(node, "The replacement of regexp_replace must be written out as a text")
    if "${" in replacement:
        raise error_at(node, "Named groups in regexp_replace are not supported")

    def escape(match: re.Match[str]) -> str:
        if match[0].startswith("$"):
            return "\\" + match[1]
        return "\\\\" if match[2] == "\\" else match[2]

    pattern = re.sub(r"\$([0-9])|\\(.)", escape, replacement)
    return call("regexp_replace", operands[0], operands[1], text(pattern), text("g"))
