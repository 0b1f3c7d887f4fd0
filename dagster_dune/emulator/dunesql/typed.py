"""Functions that Trino overloads otherwise than DuckDB: the types of the arguments decide what is written."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql import arrays, binary, formatting, json_paths, times
from dagster_dune.emulator.dunesql.operators import concatenate, divide_decimals, modulo
from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Operation, Rewrite, call, cast_to, integer
from dagster_dune.emulator.dunesql.types import Type


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
    if name == "map_agg":
        return arrays.finished_map(result)
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
    return lambda operation: call(name, *operation.operands)


def _extreme(name: str) -> Rewrite:
    return lambda operation: call(name, exp.Array(expressions=operation.operands))


def _absolute(operation: Operation) -> exp.Expr:
    if operation.is_at(0, "BIGNUM"):
        return cast_to(call("trino_magnitude", *operation.operands), "BIGNUM")
    return call("abs", *operation.operands)


def _rounding(name: str) -> Rewrite:
    """Round to whole numbers, which an integer of any length is already, or to digits after the point."""

    def rewrite(operation: Operation) -> exp.Expr:
        type_, is_big = operation.types[0], operation.is_at(0, "BIGNUM")
        if len(operation.operands) == 1 and type_ is not None and (type_.is_integer or is_big):
            return operation.operands[0]
        if is_big:
            raise error_at(
                operation.node, f"{name}(uint256, n) is not supported by this emulator; cast the number to double"
            )
        rounded = call(name, *operation.operands)
        if len(operation.operands) == 2 and type_ is not None and type_.id == "DECIMAL":
            return cast_to(rounded, f"DECIMAL({min(38, type_.width + 1)},{type_.scale})")
        return rounded

    return rewrite


def _sign(operation: Operation) -> exp.Expr:
    sign, type_ = call("sign", *operation.operands), operation.types[0]
    if type_ is None:
        return sign
    return cast_to(sign, "DECIMAL(1,0)" if type_.id == "DECIMAL" else type_.id)


def _length(operation: Operation) -> exp.Expr:
    if operation.is_at(0, "BLOB"):
        return call("octet_length", *operation.operands)
    is_known = operation.types[0] is not None
    return call("length", *(operation.operands if is_known else [cast_to(operation.operands[0], "VARCHAR")]))


def _modulo(operation: Operation) -> exp.Expr:
    left, right = operation.node.expressions
    return modulo(Operation(exp.Mod(this=left.copy(), expression=right.copy()), operation.operands, operation.types))


def _approx_distinct(operation: Operation) -> exp.Expr:
    return call("count", exp.Distinct(expressions=operation.operands))


TYPED_FUNCTIONS: dict[str, Rewrite] = {
    "sum": _named("sum"),
    "avg": _named("avg"),
    "count": _named("count"),
    "count_if": _named("count_if"),
    "approx_distinct": _approx_distinct,
    "greatest": _extreme("trino_greatest"),
    "least": _extreme("trino_least"),
    "date": lambda operation: cast_to(operation.operands[0], "DATE"),
    "date_trunc": times.date_trunc,
    "date_add": times.date_add,
    "date_diff": times.date_diff,
    "date_format": times.date_format,
    "date_parse": times.date_parse,
    "to_iso8601": times.to_iso8601,
    "at_timezone": times.at_timezone,
    "with_timezone": times.with_timezone,
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
    "cardinality": arrays.cardinality,
    "element_at": arrays.element_at,
    "any_match": arrays.matches("trino_any"),
    "all_match": arrays.matches("trino_all"),
    "none_match": arrays.matches("trino_none"),
    "array_join": arrays.array_join,
    "reduce": arrays.reduce,
    "map_agg": arrays.map_agg,
    "bitwise_and": binary.bitwise("bitwise_and", "trino_bitwise_and"),
    "bitwise_or": binary.bitwise("bitwise_or", "trino_bitwise_or"),
    "bitwise_xor": binary.bitwise("bitwise_xor", "xor"),
    "bitwise_not": binary.bitwise("bitwise_not", "trino_bitwise_not"),
    "bitwise_left_shift": binary.bitwise("bitwise_left_shift", "trino_left_shift", keeps_type=True),
    "bitwise_right_shift": binary.bitwise("bitwise_right_shift", "trino_right_shift", keeps_type=True),
    "bitwise_right_shift_arithmetic": binary.bitwise(
        "bitwise_right_shift_arithmetic", "trino_right_shift_arithmetic", keeps_type=True
    ),
    "bit_count": binary.bitwise("bit_count", "trino_bit_count"),
    "md5": binary.digest("md5", "md5"),
    "sha1": binary.digest("sha1", "sha1"),
    "sha256": binary.digest("sha256", "sha256"),
    "keccak": binary.digest("keccak", "trino_keccak"),
    "json_extract": json_paths.json_extract,
    "json_extract_scalar": json_paths.json_extract_scalar,
}
"""What becomes of each function that `functions` lists as typed."""
