"""Operators, whose meaning depends on the types of both sides.

Trino compares and joins only what is of one family: ``block_date >= '2026-01-01'`` is an error there, and would be a
comparison of other values in DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.casts import cast
from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Rewrite, Types, call, cast_to, integer, text
from dagster_dune.emulator.dunesql.types import Type, trino_type
from dagster_dune.emulator.errors import SqlError

SIGNED = "dune_signed"
"""The mark on a statement that works with int256: then a difference may be negative."""

_SIGNS: dict[type[exp.Expr], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||", exp.EQ: "=", exp.NEQ: "<>",
    exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM", exp.In: "IN", exp.Between: "BETWEEN",
}  # fmt: skip

_CLOCK_UNITS = ("HOUR", "MINUTE", "SECOND")


def add(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Add; a date plus days is a date."""
    _exact_256(node, types)
    if decimals := _decimals(types):
        return _decimal_sum(exp.Add, operands, *decimals)
    total = exp.Add(this=operands[0], expression=operands[1])
    if _any(types, "DATE"):
        return _moved_date(node, total, types)
    return total


def subtract(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Subtract; a date less days is a date, dates have an interval between them, uint256 has no negative numbers."""
    difference = exp.Sub(this=operands[0], expression=operands[1])
    if _exact_256(node, types) and not node.root().meta.get(SIGNED):
        return call("trino_bignum_difference", *operands)
    if decimals := _decimals(types):
        return _decimal_sum(exp.Sub, operands, *decimals)
    if _is(types[0], "DATE") and _is(types[1], "DATE"):
        return call("to_days", cast_to(exp.Paren(this=difference), "INTEGER"))
    if _is(types[0], "DATE") and not _is(types[1], "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return _moved_date(node, difference, types)
    return difference


def multiply(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Multiply, exactly where integers have 256 bits."""
    if _exact_256(node, types):
        return call("trino_bignum_product", *operands)
    if decimals := _decimals(types):
        left, right = decimals
        product = exp.Mul(this=cast_to(operands[0], f"DECIMAL(38,{left.scale})"), expression=operands[1])
        return _decimal(product, left.width + right.width, left.scale + right.scale)
    return exp.Mul(this=operands[0], expression=operands[1])


def divide(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Divide: integers toward zero, decimals to the greater scale, doubles as IEEE 754 says."""
    if _exact_256(node, types):
        return call("struct_extract", call("trino_bignum_division", *operands), text("q"))
    left, right = types
    if left is None or right is None or (left.is_integer and right.is_integer):
        return exp.Paren(this=exp.IntDiv(this=operands[0], expression=operands[1]))
    if decimals := _decimals(types):
        return divide_decimals(operands, *decimals)
    return exp.Paren(this=exp.Div(this=operands[0], expression=operands[1], typed=False, safe=False))


def divide_decimals(operands: list[exp.Expr], left: Type, right: Type) -> exp.Expr:
    """Divide decimals: the quotient has the greater scale, and half rounds away from zero."""
    scale = max(left.scale, right.scale)
    width = left.width + right.scale + max(right.scale - left.scale, 0)
    zeros = integer(scale - left.scale + right.scale)
    return _decimal(call("trino_decimal_quotient", *operands, zeros, integer(scale)), width, scale)


def modulo(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Take the remainder, which has the sign of the dividend."""
    if _exact_256(node, types):
        return call("struct_extract", call("trino_bignum_division", *operands), text("r"))
    return exp.Paren(this=exp.Mod(this=exp.Paren(this=operands[0]), expression=exp.Paren(this=operands[1])))


def negate(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Change the sign, which a uint256 has not."""
    if _is(types[0], "BIGNUM") and not node.root().meta.get(SIGNED):
        raise error_at(node, "Cannot negate a uint256; cast it to int256")
    return exp.Neg(this=operands[0])


def concatenate(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Join texts, bytes or arrays; NULL where any part is, unlike DuckDB's concat."""
    known = [type_ for type_ in types if type_ is not None and type_.family]
    if any(type_.family not in ("text", "bytes", "array") for type_ in known):
        raise _mismatch(node, "||", types)
    _check_family(node, types)
    joined = operands[0]
    for operand in operands[1:]:
        joined = exp.DPipe(this=joined, expression=operand)
    return exp.Paren(this=joined)


def compare(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Compare, if both sides are of one family."""
    del operands
    _check_family(node, types)
    return node


OPERATORS: dict[type[exp.Expr], Rewrite] = {
    exp.Add: add,
    exp.Sub: subtract,
    exp.Mul: multiply,
    exp.Div: divide,
    exp.Mod: modulo,
    exp.Neg: negate,
    exp.DPipe: concatenate,
    exp.Cast: lambda node, operands, types: cast(node, operands[0], types[0]),
    exp.TryCast: lambda node, operands, types: call("TRY", cast(node, operands[0], types[0])),
    **dict.fromkeys(
        (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In, exp.Between),
        compare,
    ),
}


def operands_of(node: exp.Expr) -> list[exp.Expr]:
    """Name the operands of an operator whose types matter."""
    if isinstance(node, exp.Cast | exp.TryCast | exp.Neg):
        return [node.this]
    if isinstance(node, exp.In):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    sides = [node.this, node.expression]
    return [] if any(isinstance(side, exp.Any | exp.All | exp.Tuple) for side in sides) else sides


def _is(type_: Type | None, *ids: str) -> bool:
    return type_ is not None and type_.id in ids


def _any(types: Types, *ids: str) -> bool:
    return any(_is(type_, *ids) for type_ in types)


def _exact_256(node: exp.Expr, types: Types) -> bool:
    """Whether an operator works on 256 bit integers; a decimal has no operator with them."""
    if not _any(types, "BIGNUM"):
        return False
    if _any(types, "DECIMAL"):
        raise error_at(node, f"Cannot apply operator: uint256 {_SIGNS[type(node)]} decimal; cast one of them to double")
    return all(type_ is not None and (type_.id == "BIGNUM" or type_.is_integer) for type_ in types)


def _decimals(types: Types) -> tuple[Type, Type] | None:
    """The two decimals that an operator works on, where one side is a decimal and the other no double."""
    left, right = types
    if left is None or right is None or not _any(types, "DECIMAL"):
        return None
    if all(type_.is_integer or type_.id == "DECIMAL" for type_ in (left, right)):
        return left.as_decimal(), right.as_decimal()
    return None


def _decimal_sum(operator: type[exp.Binary], operands: list[exp.Expr], left: Type, right: Type) -> exp.Expr:
    scale = max(left.scale, right.scale)
    width = max(left.width - left.scale, right.width - right.scale) + scale + 1
    wide = cast_to(operands[0], f"DECIMAL(38,{left.scale})")
    return _decimal(operator(this=wide, expression=operands[1]), width, scale)


def _decimal(value: exp.Expr, width: int, scale: int) -> exp.Expr:
    return cast_to(exp.Paren(this=value), f"DECIMAL({min(38, width)},{scale})")


def _moved_date(node: exp.Expr, moved: exp.Expr, types: Types) -> exp.Expr:
    if not _any(types, "INTERVAL"):
        raise _mismatch(node, _SIGNS[type(node)], types)
    for interval in node.find_all(exp.Interval):
        if interval.text("unit").upper() in _CLOCK_UNITS:
            raise error_at(node, "Cannot add hour, minutes or seconds to a date")
    return cast_to(exp.Paren(this=moved), "DATE")


def _check_family(node: exp.Expr, types: Types) -> None:
    families = {type_.family for type_ in types if type_ is not None and type_.family}
    if len(families) > 1:
        raise _mismatch(node, _SIGNS.get(type(node), "||"), types)


def _mismatch(node: exp.Expr, sign: str, types: Sequence[Type | None]) -> SqlError:
    names = [trino_type(type_.id) if type_ else "unknown" for type_ in types]
    return error_at(node, f"Cannot apply operator: {f' {sign} '.join(names[:2])}")
