"""What depends on types: operators, and functions that Trino overloads otherwise than DuckDB.

Each rewrite gets the node and the types of its operands, None where they are not known yet, and gives the DuckDB form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql import formatting, json_paths, times
from dagster_dune.emulator.dunesql.casts import cast
from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import call, cast_to, integer, text
from dagster_dune.emulator.dunesql.types import Type

Types = Sequence[Type | None]
Rewrite = Callable[[exp.Expr, list[exp.Expr], Types], exp.Expr]


SIGNED = "dune_signed"
"""The mark on a statement that works with int256: then a difference may be negative."""


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


_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


def add(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Add; a date plus days is a date."""
    _exact_256(node, types)
    if decimals := _decimals(types):
        return _sum_of_decimals(exp.Add, operands, *decimals)
    total = exp.Add(this=operands[0], expression=operands[1])
    if _any(types, "DATE") and _any(types, "INTERVAL"):
        return _date(node, total)
    return total


def subtract(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Subtract; a date less days is a date, dates have an interval between them, uint256 has no negative numbers."""
    if _exact_256(node, types):
        if node.root().meta.get(SIGNED):
            return exp.Sub(this=operands[0], expression=operands[1])
        return call("trino_bignum_difference", *operands)
    if decimals := _decimals(types):
        return _sum_of_decimals(exp.Sub, operands, *decimals)
    difference = exp.Sub(this=operands[0], expression=operands[1])
    if _is(types[0], "DATE") and _is(types[1], "INTERVAL"):
        return _date(node, difference)
    if _is(types[0], "DATE") and _is(types[1], "DATE"):
        return call("to_days", cast_to(exp.Paren(this=difference), "INTEGER"))
    return difference


def _date(node: exp.Expr, moved: exp.Expr) -> exp.Expr:
    for interval in node.find_all(exp.Interval):
        if interval.text("unit").upper() in ("HOUR", "MINUTE", "SECOND"):
            raise error_at(node, "Cannot add hours, minutes or seconds to a date")
    return cast_to(exp.Paren(this=moved), "DATE")


def multiply(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Multiply, exactly where integers have 256 bits."""
    if _exact_256(node, types):
        return call("trino_bignum_product", *operands)
    if decimals := _decimals(types):
        left, right = decimals
        wide = cast_to(operands[0], f"DECIMAL(38,{left.scale})")
        width, scale = min(38, left.width + right.width), left.scale + right.scale
        return cast_to(exp.Paren(this=exp.Mul(this=wide, expression=operands[1])), f"DECIMAL({width},{scale})")
    return exp.Mul(this=operands[0], expression=operands[1])


def _decimals(types: Types) -> tuple[Type, Type] | None:
    """The two decimals that an operator works on, where one operand is a decimal and the other no double."""
    left, right = types
    if left is None or right is None or not _any(types, "DECIMAL"):
        return None
    if all(type_.is_integer or type_.id == "DECIMAL" for type_ in (left, right)):
        return left.as_decimal(), right.as_decimal()
    return None


def _sum_of_decimals(
    operator: type[exp.Binary], operands: list[exp.Expr], left: Type, right: Type
) -> exp.Expr:
    scale = max(left.scale, right.scale)
    width = min(38, max(left.width - left.scale, right.width - right.scale) + scale + 1)
    wide = cast_to(operands[0], f"DECIMAL(38,{left.scale})")
    return cast_to(exp.Paren(this=operator(this=wide, expression=operands[1])), f"DECIMAL({width},{scale})")


def divide(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Divide: integers toward zero, decimals to the greater scale, doubles as IEEE 754 says."""
    if _exact_256(node, types):
        return call("struct_extract", call("trino_bignum_division", *operands), text("q"))
    left, right = types
    if left is None or right is None or (left.is_integer and right.is_integer):
        return exp.Paren(this=exp.IntDiv(this=operands[0], expression=operands[1]))
    if decimals := _decimals(types):
        return _divide_decimals(operands, *decimals)
    return exp.Paren(this=exp.Div(this=operands[0], expression=operands[1], typed=False, safe=False))


def _divide_decimals(operands: list[exp.Expr], left: Type, right: Type) -> exp.Expr:
    scale = max(left.scale, right.scale)
    width = min(38, left.width + right.scale + max(right.scale - left.scale, 0))
    quotient = call(
        "trino_decimal_quotient", *operands, integer(scale - left.scale + right.scale), integer(scale)
    )
    return cast_to(quotient, f"DECIMAL({width},{scale})")


def modulo(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Take the remainder, which has the sign of the dividend."""
    if _exact_256(node, types):
        return call("struct_extract", call("trino_bignum_division", *operands), text("r"))
    return exp.Paren(this=exp.Mod(this=exp.Paren(this=operands[0]), expression=exp.Paren(this=operands[1])))


def _mod_function(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return modulo(exp.Mod(this=operands[0], expression=operands[1]), operands, types)


def _absolute(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    if _is(types[0], "BIGNUM"):
        return cast_to(call("trino_magnitude", *operands), "BIGNUM")
    return call("abs", *operands)


def _rounding(name: str) -> Rewrite:
    """Round to whole numbers; an integer of any length is one already."""

    def rewrite(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
        if len(operands) == 1 and types[0] is not None and (types[0].is_integer or types[0].id == "BIGNUM"):
            return operands[0]
        if _is(types[0], "BIGNUM"):
            raise error_at(node, "round(uint256, n) is not supported by this emulator; cast it to double")
        rounded = call(name, *operands)
        if len(operands) == 2 and types[0] is not None and types[0].id == "DECIMAL":
            return cast_to(rounded, f"DECIMAL({min(38, types[0].width + 1)},{types[0].scale})")
        return rounded

    return rewrite


def _sign(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    sign = call("sign", *operands)
    if types[0] is None:
        return sign
    return cast_to(sign, "DECIMAL(1,0)" if types[0].id == "DECIMAL" else types[0].id)


def _length(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return call("octet_length" if _is(types[0], "BLOB") else "length", *operands)


def _concat(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Join; unlike DuckDB's concat, NULL when any part is."""
    result = operands[0]
    for operand in operands[1:]:
        result = exp.DPipe(this=result, expression=operand)
    return exp.Paren(this=result)


def _extreme(name: str) -> Rewrite:
    def rewrite(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
        return call(name, exp.Array(expressions=operands))

    return rewrite


def _sum(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return call("sum", *operands)


def _aggregate(name: str) -> Rewrite:
    def rewrite(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
        return call(name, *operands)

    return rewrite


def _approx_distinct(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return call("count", exp.Distinct(expressions=operands))


OPERATORS: dict[type[exp.Expr], Rewrite] = {
    exp.Add: add,
    exp.Sub: subtract,
    exp.Mul: multiply,
    exp.Div: divide,
    exp.Mod: modulo,
    exp.Cast: lambda node, operands, types: cast(node, operands[0], types[0]),
    exp.TryCast: lambda node, operands, types: call("TRY", cast(node, operands[0], types[0])),
}

TYPED_FUNCTIONS: dict[str, Rewrite] = {
    "sum": _sum,
    "avg": _aggregate("avg"),
    "count": _aggregate("count"),
    "count_if": _aggregate("count_if"),
    "approx_distinct": _approx_distinct,
    "greatest": _extreme("trino_greatest"),
    "least": _extreme("trino_least"),
    "date": lambda node, operands, types: cast_to(operands[0], "DATE"),
    "date_trunc": times.date_trunc,
    "date_add": times.date_add,
    "date_diff": times.date_diff,
    "date_format": times.date_format,
    "sequence": times.sequence,
    "length": _length,
    "concat": _concat,
    "format": formatting.format_text,
    "regexp_replace": formatting.regexp_replace,
    "abs": _absolute,
    "ceil": _rounding("ceil"),
    "ceiling": _rounding("ceil"),
    "floor": _rounding("floor"),
    "round": _rounding("round"),
    "truncate": _rounding("trunc"),
    "sign": _sign,
    "mod": _mod_function,
    "json_extract": json_paths.json_extract,
    "json_extract_scalar": json_paths.json_extract_scalar,
}


def finish_aggregate(name: str, result: exp.Expr, types: Types) -> exp.Expr:
    """Give an aggregate the type that Trino documents, once its OVER and FILTER are around it.

    Args:
        name: Trino's name of the aggregate.
        result: The DuckDB form with all that belongs to it.
        types: The types of its arguments.

    Returns:
        The same, or with a cast around it: a sum of bigints is a bigint, or fails.
    """
    type_ = types[0] if types else None
    if name == "count_if" or (name == "sum" and type_ is not None and type_.is_integer):
        return cast_to(result, "BIGINT")
    if name == "avg" and type_ is not None and type_.id == "DECIMAL":
        total, count = _with_aggregate(result, "sum"), _with_aggregate(result, "count")
        quotient = _divide_decimals([total, count], Type("DECIMAL", 38, type_.scale), Type("DECIMAL", 19, 0))
        average = exp.Case(ifs=[exp.If(this=exp.GT(this=count.copy(), expression=integer(0)), true=quotient)])
        return cast_to(average, f"DECIMAL({type_.width},{type_.scale})")
    return result


def _with_aggregate(result: exp.Expr, name: str) -> exp.Expr:
    copy = result.copy()
    for node in copy.walk():
        if isinstance(node, exp.Anonymous) and node.name == "avg":
            node.set("this", name)
            return copy
    raise AssertionError("an average contains its aggregate")
