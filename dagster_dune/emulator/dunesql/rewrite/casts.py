"""CAST: the same types mean the same, but how a value gets from one to another does not."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, Rewrite, call, cast_to, integer
from dagster_dune.emulator.dunesql.rewrite.functions import zones
from dagster_dune.emulator.dunesql.rewrite.nested_casts import cast_nested
from dagster_dune.emulator.sql_errors import SqlError

_PLAIN = {
    exp.DType.BOOLEAN: "BOOLEAN",
    exp.DType.FLOAT: "FLOAT",
    exp.DType.DOUBLE: "DOUBLE",
    exp.DType.DATE: "DATE",
    exp.DType.TIMESTAMP: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMPTZ",
}
_INTEGERS = {
    exp.DType.TINYINT: "TINYINT",
    exp.DType.SMALLINT: "SMALLINT",
    exp.DType.INT: "INTEGER",
    exp.DType.BIGINT: "BIGINT",
}
_TEXTS = {
    "FLOAT": "trino_double_text",
    "DOUBLE": "trino_double_text",
    "TIMESTAMP": "trino_timestamp_text",
    "TIMESTAMP WITH TIME ZONE": "trino_timestamptz_text",
    "ZONED": "trino_zoned_text",
    "BLOB": "trino_varbinary_text",
    "JSON": "trino_json_text",
}
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "ZONED")
_TIMES_DUCKDB = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
_NESTED = ("LIST", "MAP", "STRUCT", "TUPLE", "INTERVAL")
_NULL = ("NULL", '"NULL"')


def cast(operation: Operation) -> exp.Expr:
    """Write a cast with Trino's meaning.

    Args:
        operation: The cast and its one operand.

    Returns:
        The DuckDB form.

    Raises:
        SqlError: There is no such cast, or it is not supported.
    """
    if (zoned := zones.literal(operation.node)) is not None:
        return zoned
    rewrite = _CASTS.get(_target(operation).this)
    if rewrite and not operation.has(*_NESTED):
        return rewrite(operation)
    if not rewrite and (nested := cast_nested(operation, cast)) is not None:
        return nested
    raise _refused(operation)


def _target(operation: Operation) -> exp.DataType:
    target: exp.DataType = operation.node.args["to"]
    return target


def _to_wide(operation: Operation) -> exp.Expr:
    if operation.has("BLOB", "BOOLEAN", *_TIMES):
        raise _refused(operation)
    value = operation.operands[0]
    if operation.has("VARCHAR"):
        value = call("trino_strict_integer", value)
    elif operation.has("FLOAT", "DOUBLE"):
        value = call("round", value)
    elif operation.has("DECIMAL"):
        value = cast_to(cast_to(value, "DECIMAL(38,0)"), "VARCHAR")
    name = str(_target(operation).this.value).lower()
    return call(f"trino_{name}_range", cast_to(value, "BIGNUM"))


def _to_varchar(operation: Operation) -> exp.Expr:
    source, value, bounds = operation.types[0], operation.operands[0], _target(operation).expressions
    written = call(_TEXTS[source.id], value) if source and source.id in _TEXTS else cast_to(value, "VARCHAR")
    return call("left", written, integer(int(bounds[0].name))) if bounds else written


def _to_integer(operation: Operation) -> exp.Expr:
    if operation.has("BLOB", *_TIMES):
        raise _refused(operation)
    value = operation.operands[0]
    if operation.has("FLOAT", "DOUBLE"):
        value = call("round", value)
    elif operation.has("VARCHAR"):
        value = call("trino_strict_integer", value)
    elif operation.has("JSON"):
        value = call("trino_json_integer", value)
    return cast_to(value, _INTEGERS[_target(operation).this])


def _to_decimal(operation: Operation) -> exp.Expr:
    if operation.has("BLOB", *_TIMES):
        raise _refused(operation)
    bounds = [int(bound.name) for bound in _target(operation).expressions]
    width, scale = (*bounds, *(38, 0)[len(bounds) :])
    value = operation.operands[0]
    if operation.has("BIGNUM", "FLOAT", "DOUBLE"):
        value = cast_to(value, "VARCHAR")
    return cast_to(value, f"DECIMAL({width},{scale})")


def _to_varbinary(operation: Operation) -> exp.Expr:
    if operation.types[0] is None or operation.has("BLOB", *_NULL):
        return cast_to(operation.operands[0], "BLOB")
    if operation.has("VARCHAR"):
        return call("encode", operation.operands[0])
    if operation.has("BIGNUM"):
        return call("trino_uint256_bytes", operation.operands[0])
    raise _refused(operation)


def _to_plain(operation: Operation) -> exp.Expr:
    if operation.has("BLOB"):
        raise _refused(operation)
    target, value = _PLAIN[_target(operation).this], operation.operands[0]
    if operation.has("ZONED"):
        if target not in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
            raise _refused(operation)
        return value if target == "TIMESTAMPTZ" else cast_to(zones.local(value), target)
    if operation.types[0] is None and target in _TIMES_DUCKDB:
        known = exp.Is(this=exp.Paren(this=value), expression=exp.null())
        return cast_to(exp.Case(ifs=[exp.If(this=known, true=exp.null())]), target)
    if target == "TIMESTAMPTZ" and operation.has("VARCHAR"):
        value = call("trino_utc_text", value)
    return cast_to(value, target)


_CASTS: dict[exp.DType, Rewrite] = {
    exp.DType.VARCHAR: _to_varchar,
    exp.DType.VARBINARY: _to_varbinary,
    exp.DType.DECIMAL: _to_decimal,
    exp.DType.UINT256: _to_wide,
    exp.DType.INT256: _to_wide,
    **dict.fromkeys(_INTEGERS, _to_integer),
    **dict.fromkeys(_PLAIN, _to_plain),
}


def _refused(operation: Operation) -> SqlError:
    target = _target(operation).sql("trino").lower()
    return error_at(operation.node, f"Cannot cast {operation.type_names()[0]} to {target}")
