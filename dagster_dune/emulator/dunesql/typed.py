"""Functions that Trino overloads otherwise than DuckDB: the types of the arguments decide what is written."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql import formatting, json_paths, times
from dagster_dune.emulator.dunesql.operators import concatenate, divide_decimals, modulo
from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Rewrite, Types, call, cast_to, integer
from dagster_dune.emulator.dunesql.types import Type


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
        return _decimal_average(result, type_)
    return result


def _decimal_average(result: exp.Expr, type_: Type) -> exp.Expr:
    """The average of decimals is a decimal of their type: the sum by the count, NULL where there are none."""
    total, count = _with_aggregate(result, "sum"), _with_aggregate(result, "count")
    quotient = divide_decimals([total, count], Type("DECIMAL", 38, type_.scale), Type("DECIMAL", 19, 0))
    average = exp.Case(ifs=[exp.If(this=exp.GT(this=count.copy(), expression=integer(0)), true=quotient)])
    return cast_to(average, f"DECIMAL({type_.width},{type_.scale})")


def _with_aggregate(result: exp.Expr, name: str) -> exp.Expr:
    copy = result.copy()
    aggregate = copy
    while not isinstance(aggregate, exp.Anonymous):
        aggregate = aggregate.this
    aggregate.set("this", name)
    return copy


def _named(name: str) -> Rewrite:
    """Call by one name whatever the types."""
    return lambda node, operands, types: call(name, *operands)


def _extreme(name: str) -> Rewrite:
    return lambda node, operands, types: call(name, exp.Array(expressions=operands))


def _absolute(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    if _is_big(types[0]):
        return cast_to(call("trino_magnitude", *operands), "BIGNUM")
    return call("abs", *operands)


def _rounding(name: str) -> Rewrite:
    """Round to whole numbers, which an integer of any length is already, or to digits after the point."""

    def rewrite(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
        type_ = types[0]
        if len(operands) == 1 and type_ is not None and (type_.is_integer or _is_big(type_)):
            return operands[0]
        if _is_big(type_):
            raise error_at(node, "round(uint256, n) is not supported by this emulator; cast it to double")
        rounded = call(name, *operands)
        if len(operands) == 2 and type_ is not None and type_.id == "DECIMAL":
            return cast_to(rounded, f"DECIMAL({min(38, type_.width + 1)},{type_.scale})")
        return rounded

    return rewrite


def _sign(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    sign = call("sign", *operands)
    if types[0] is None:
        return sign
    return cast_to(sign, "DECIMAL(1,0)" if types[0].id == "DECIMAL" else types[0].id)


def _length(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return call("octet_length" if types[0] is not None and types[0].id == "BLOB" else "length", *operands)


def _modulo(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return modulo(exp.Mod(this=operands[0], expression=operands[1]), operands, types)


def _approx_distinct(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    return call("count", exp.Distinct(expressions=operands))


def _is_big(type_: Type | None) -> bool:
    return type_ is not None and type_.id == "BIGNUM"


TYPED_FUNCTIONS: dict[str, Rewrite] = {
    "sum": _named("sum"),
    "avg": _named("avg"),
    "count": _named("count"),
    "count_if": _named("count_if"),
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
    "concat": concatenate,
    "format": formatting.format_text,
    "regexp_replace": formatting.regexp_replace,
    "abs": _absolute,
    "ceil": _rounding("ceil"),
    "ceiling": _rounding("ceil"),
    "floor": _rounding("floor"),
    "round": _rounding("round"),
    "truncate": _rounding("trunc"),
    "sign": _sign,
    "mod": _modulo,
    "json_extract": json_paths.json_extract,
    "json_extract_scalar": json_paths.json_extract_scalar,
}
"""What becomes of each function that `functions` lists as typed."""
