"""CAST: the same types mean the same, but how a value gets from one to another does not."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import call, cast_to, integer
from dagster_dune.emulator.dunesql.types import Type, trino_type

_INTEGERS = {
    exp.DType.TINYINT: "TINYINT",
    exp.DType.SMALLINT: "SMALLINT",
    exp.DType.INT: "INTEGER",
    exp.DType.BIGINT: "BIGINT",
}
_PLAIN = {
    exp.DType.BOOLEAN: "BOOLEAN",
    exp.DType.FLOAT: "FLOAT",
    exp.DType.DOUBLE: "DOUBLE",
    exp.DType.DATE: "DATE",
    exp.DType.TIMESTAMP: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMPTZ",
    exp.DType.JSON: "JSON",
}
_TEXTS = {
    "FLOAT": "trino_double_text",
    "DOUBLE": "trino_double_text",
    "TIMESTAMP": "trino_timestamp_text",
    "TIMESTAMP WITH TIME ZONE": "trino_timestamptz_text",
    "BLOB": "trino_varbinary_text",
    "JSON": "trino_json_text",
}
_NESTED = ("LIST", "MAP", "STRUCT", "INTERVAL")


def cast(node: exp.Expr, value: exp.Expr, source: Type | None) -> exp.Expr:
    """Write a cast with Trino's meaning.

    Args:
        node: The cast.
        value: What is cast, in its DuckDB form.
        source: The type of that, None where it is not known yet.

    Returns:
        The DuckDB form.

    Raises:
        SqlError: There is no such cast, or it is not supported.
    """
    target = node.args["to"]
    kind = target.this
    if kind in (exp.DType.UINT256, exp.DType.INT256):
        return _to_256(node, value, source, str(kind.value).lower())
    if kind == exp.DType.VARCHAR:
        return _to_varchar(node, value, source)
    if kind in _INTEGERS:
        return _to_integer(node, value, source, _INTEGERS[kind])
    if kind == exp.DType.DECIMAL:
        return _to_decimal(target, value, source)
    if kind == exp.DType.VARBINARY:
        return _to_varbinary(node, value, source)
    if kind in _PLAIN and not _is(source, "BLOB", *_NESTED):
        return cast_to(value, _PLAIN[kind])
    raise _refused(node, source)


def _to_256(node: exp.Expr, value: exp.Expr, source: Type | None, name: str) -> exp.Expr:
    if _is(source, "BLOB", "BOOLEAN", "DATE", *_NESTED):
        raise _refused(node, source)
    if _is(source, "VARCHAR"):
        value = call("trino_strict_integer", value)
    elif _is(source, "FLOAT", "DOUBLE"):
        value = call("round", value)
    elif _is(source, "DECIMAL"):
        value = cast_to(cast_to(value, "DECIMAL(38,0)"), "VARCHAR")
    return call(f"trino_{name}_range", cast_to(value, "BIGNUM"))


def _to_varchar(node: exp.Expr, value: exp.Expr, source: Type | None) -> exp.Expr:
    if _is(source, *_NESTED):
        raise _refused(node, source)
    written = call(_TEXTS[source.id], value) if source and source.id in _TEXTS else cast_to(value, "VARCHAR")
    bounds = node.args["to"].expressions
    return call("left", written, integer(int(bounds[0].name))) if bounds else written


def _to_integer(node: exp.Expr, value: exp.Expr, source: Type | None, target: str) -> exp.Expr:
    if _is(source, "BLOB", "DATE", *_NESTED):
        raise _refused(node, source)
    if _is(source, "FLOAT", "DOUBLE"):
        value = call("round", value)
    elif _is(source, "VARCHAR"):
        value = call("trino_strict_integer", value)
    return cast_to(value, target)


def _to_decimal(target: exp.Expr, value: exp.Expr, source: Type | None) -> exp.Expr:
    width, scale, *_ = [*(int(bound.name) for bound in target.expressions), *((38, 0)[len(target.expressions) :])]
    if _is(source, "BIGNUM", "FLOAT", "DOUBLE"):
        value = cast_to(value, "VARCHAR")
    return cast_to(value, f"DECIMAL({width},{scale})")


def _to_varbinary(node: exp.Expr, value: exp.Expr, source: Type | None) -> exp.Expr:
    if source is None or source.id in ("BLOB", '"NULL"', "NULL"):
        return cast_to(value, "BLOB")
    if source.id == "VARCHAR":
        return call("encode", value)
    raise _refused(node, source)


def _is(source: Type | None, *ids: str) -> bool:
    return source is not None and source.id in ids


def _refused(node: exp.Expr, source: Type | None) -> Exception:
    from_name = trino_type(source.id) if source else "this value"
    return error_at(node, f"Cannot cast {from_name} to {node.args['to'].sql('trino').lower()}")
