"""Aggregates that DuckDB has not: the values are collected, and `finish_aggregate` makes the result of them.

FILTER and ORDER BY belong to the collecting, so what is made of the values comes only when they are around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import (
    Operation,
    Rewrite,
    call,
    cast_to,
    integer,
    struct,
    transformed,
)
from dagster_dune.emulator.dunesql.rewrite.operators import divide_decimals
from dagster_dune.emulator.dunesql.types.types import Type


def finish_aggregate(name: str, result: exp.Expr, types: Sequence[Type | None]) -> exp.Expr:
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
    if name in ("max_by", "min_by") and len(types) == 3:
        return transformed(result, lambda row: call("struct_extract", row, exp.Literal.string("v")))
    if name in _MADE_OF_VALUES:
        return call(_MADE_OF_VALUES[name], result)
    return result


_MADE_OF_VALUES = {
    "map_agg": "trino_map_of_entries",
    "multimap_agg": "trino_multimap_of_entries",
    "map_union": "trino_map_union",
    "histogram": "trino_histogram",
}


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


def _approx_distinct(operation: Operation) -> exp.Expr:
    return call("count", exp.Distinct(expressions=operation.operands[:1]))


def _entries(operation: Operation) -> exp.Expr:
    return call("list", struct(zip(("k", "v"), operation.operands, strict=True)))


def _values(operation: Operation) -> exp.Expr:
    return call("list", *operation.operands)


def _extreme_by(one: str, several: str) -> Rewrite:
    """DuckDB's that takes a number leaves out values that are NULL, so they are put in structs."""

    def rewrite(operation: Operation) -> exp.Expr:
        value, order, *count = operation.operands
        return call(several, struct([("v", value)]), order, *count) if count else call(one, value, order)

    return rewrite


def _bits(name: str) -> Rewrite:
    """Bits of integers together are a bigint."""

    def rewrite(operation: Operation) -> exp.Expr:
        type_ = operation.types[0]
        if type_ is not None and not type_.is_integer and not type_.is_null:
            raise error_at(operation.node, f"Bits of a {type_.trino_name} cannot be aggregated by this emulator")
        return call(name, cast_to(operation.operands[0], "BIGINT"))

    return rewrite


def _named(name: str) -> Rewrite:
    """Call by one name whatever the types."""
    return lambda operation: call(name, *operation.operands)


TYPED_AGGREGATES: dict[str, Callable[[Operation], exp.Expr]] = {
    "sum": _named("sum"),
    "avg": _named("avg"),
    "count": _named("count"),
    "count_if": _named("count_if"),
    "approx_distinct": _approx_distinct,
    "map_agg": _entries,
    "multimap_agg": _entries,
    "map_union": _values,
    "histogram": _values,
    "max_by": _extreme_by("arg_max_null", "arg_max"),
    "min_by": _extreme_by("arg_min_null", "arg_min"),
    "bitwise_and_agg": _bits("bit_and"),
    "bitwise_or_agg": _bits("bit_or"),
    "bitwise_xor_agg": _bits("bit_xor"),
}
"""What becomes of each aggregate that `functions` lists as typed."""
