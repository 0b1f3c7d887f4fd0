"""Functions that Trino overloads otherwise than DuckDB: the types of the arguments decide what is written."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.aggregates import TYPED_AGGREGATES
from dagster_dune.emulator.dunesql.rewrite.casts import cast
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, Rewrite, call, cast_to, integer
from dagster_dune.emulator.dunesql.rewrite.functions import (
    arrays,
    binary,
    formatting,
    json_paths,
    lambdas,
    times,
    zones,
)
from dagster_dune.emulator.dunesql.rewrite.operators import concatenate, modulo


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


def _reverse(operation: Operation) -> exp.Expr:
    if operation.is_at(0, "BLOB"):
        return call("trino_bytes_reverse", *operation.operands)
    is_known = operation.types[0] is not None
    value = operation.operands[0] if is_known else cast_to(operation.operands[0], "VARCHAR")
    return call("list_reverse" if operation.is_at(0, "LIST") else "reverse", value)


def _substr(operation: Operation) -> exp.Expr:
    if operation.types[0] is None:
        return operation.operands[0]
    return call("trino_bytes_substr" if operation.is_at(0, "BLOB") else "trino_substr", *operation.operands)


def _random(operation: Operation) -> exp.Expr:
    """Draw from 0 to 1, or a whole number up to one bound or between two."""
    for type_ in operation.types:
        if type_ is not None and not type_.is_integer:
            raise error_at(operation.node, "random takes whole numbers; multiply random() otherwise")
    if not operation.operands:
        return call("random")
    type_ = operation.types[-1]
    bounds = operation.operands if len(operation.operands) == 2 else [integer(0), *operation.operands]
    return cast_to(call("trino_random_between", *bounds), type_.id if type_ else "BIGINT")


_CLOCK = {
    **{name: name for name in ("year", "quarter", "month", "week", "day", "hour", "minute", "second")},
    "day_of_month": "day",
    "day_of_week": "isodow",
    "dow": "isodow",
    "day_of_year": "dayofyear",
    "doy": "dayofyear",
    "week_of_year": "week",
    "year_of_week": "isoyear",
    "last_day_of_month": "last_day",
    "millisecond": "trino_millisecond",
}
"""What is read off a clock, and DuckDB's name of it."""


def _to_unixtime(operation: Operation) -> exp.Expr:
    value = operation.operands[0]
    if operation.types[0] is None:
        return cast_to(exp.Is(this=exp.Paren(this=value), expression=exp.null()), "DOUBLE")
    return call("epoch", *zones.instants(operation))


def _date(operation: Operation) -> exp.Expr:
    node = exp.Cast(this=operation.node.expressions[0], to=exp.DataType(this=exp.DType.DATE))
    return cast(Operation(node, operation.operands, operation.types))


TYPED_FUNCTIONS: dict[str, Rewrite] = {
    **TYPED_AGGREGATES,
    "greatest": _extreme("trino_greatest"),
    "least": _extreme("trino_least"),
    "date": _date,
    "date_trunc": times.date_trunc,
    "date_add": times.date_add,
    "date_diff": times.date_diff,
    "date_format": times.date_format,
    "date_parse": times.date_parse,
    "format_datetime": times.format_datetime,
    "to_iso8601": times.to_iso8601,
    "at_timezone": zones.at_time_zone,
    "with_timezone": zones.with_timezone,
    **{name: zones.of_local(target) for name, target in _CLOCK.items()},
    "to_unixtime": _to_unixtime,
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
    "array_sort": lambdas.array_sort,
    "zip_with": lambdas.zip_with,
    "map_filter": lambdas.map_filter,
    "transform_keys": lambdas.transform_keys,
    "transform_values": lambdas.transform_values,
    "map_zip_with": lambdas.map_zip_with,
    "random": _random,
    "rand": _random,
    "reverse": _reverse,
    "substr": _substr,
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
    "json_exists": json_paths.json_exists,
}
"""What becomes of each function that `functions` lists as typed."""
