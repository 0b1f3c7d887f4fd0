"""CAST to arrays, maps and rows: each value inside is cast as it would be alone.

A value that is needed more than once is bound by a lambda over an array of one.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import (
    Operation,
    bound,
    call,
    cast_to,
    fields_of,
    integer,
    struct,
    transformed,
)
from dagster_dune.emulator.dunesql.types.types import Type, type_name

CastOne = Callable[[Operation], exp.Expr]

_SIMPLE = {
    exp.DType.VARCHAR: "VARCHAR", exp.DType.VARBINARY: "BLOB", exp.DType.BOOLEAN: "BOOLEAN",
    exp.DType.TINYINT: "TINYINT", exp.DType.SMALLINT: "SMALLINT", exp.DType.INT: "INTEGER", exp.DType.BIGINT: "BIGINT",
    exp.DType.FLOAT: "FLOAT", exp.DType.DOUBLE: "DOUBLE", exp.DType.UINT256: "BIGNUM", exp.DType.INT256: "BIGNUM",
    exp.DType.DATE: "DATE", exp.DType.TIMESTAMP: "TIMESTAMP", exp.DType.TIMESTAMPTZ: "TIMESTAMPTZ",
    exp.DType.JSON: "JSON",
}  # fmt: skip


def cast_nested(operation: Operation, cast_one: CastOne) -> exp.Expr | None:
    """Write a cast to an array, a map or a row.

    Args:
        operation: The cast and its one operand.
        cast_one: Writes the cast of a value inside.

    Returns:
        The DuckDB form, None where the source is no such thing.
    """
    target: exp.DataType = operation.node.args["to"]
    source, value = operation.types[0], operation.operands[0]
    if source is None or source.is_null:
        return cast_to(value, duckdb_type(operation.node, target))
    rewrite = _NESTED.get(target.this)
    return rewrite(operation, source, cast_one) if rewrite else None


def duckdb_type(node: exp.Expr, target: exp.DataType) -> str:
    """Name the type of DuckDB's that stands for a type as a query writes it.

    Raises:
        SqlError: There is none.
    """
    inside = target.expressions
    if target.this == exp.DType.ARRAY and len(inside) == 1:
        return f"{duckdb_type(node, inside[0])}[]"
    if target.this == exp.DType.MAP and len(inside) == 2:
        return f"MAP({', '.join(duckdb_type(node, each) for each in inside)})"
    if target.this == exp.DType.STRUCT and inside:
        named = [(each.name, each.args["kind"]) if isinstance(each, exp.ColumnDef) else ("", each) for each in inside]
        fields = [(name, duckdb_type(node, type_)) for name, type_ in named]
        quoted = [('"' + name.replace('"', '""') + '" ' if name else "") + type_ for name, type_ in fields]
        return f"{'STRUCT' if named[0][0] else 'TUPLE'}({', '.join(quoted)})"
    if target.this == exp.DType.DECIMAL:
        bounds = [int(bound.name) for bound in inside]
        width, scale = (*bounds, *(38, 0)[len(bounds) :])
        return f"DECIMAL({width},{scale})"
    if target.this not in _SIMPLE:
        raise error_at(node, f"The type {target.sql('trino').lower()} is not supported by this emulator")
    return _SIMPLE[target.this]


def _array(operation: Operation, source: Type, cast_one: CastOne) -> exp.Expr | None:
    value, element = operation.operands[0], source.element
    if source.id == "JSON":
        value, element = cast_to(value, "JSON[]"), source
    if element is None:
        return None
    inside = operation.node.args["to"].expressions[0]
    return transformed(value, lambda each: _part(operation, each, element, inside, cast_one))


def _map(operation: Operation, source: Type, cast_one: CastOne) -> exp.Expr | None:
    value, known = operation.operands[0], [type_ for _, type_ in source.fields]
    if source.id == "JSON":
        value, known = cast_to(value, "MAP(VARCHAR, JSON)"), [Type("VARCHAR"), source]
    elif source.id != "MAP":
        return None
    inside = operation.node.args["to"].expressions

    def entry(each: exp.Expr) -> exp.Expr:
        parts = [
            _part(operation, call("struct_extract_at", each.copy(), integer(place + 1)), known[place], type_, cast_one)
            for place, type_ in enumerate(inside)
        ]
        return struct(zip(("k", "v"), parts, strict=True))

    return call("trino_map_from_entries", transformed(call("map_entries", value), entry))


def _row(operation: Operation, source: Type, cast_one: CastOne) -> exp.Expr | None:
    fields = operation.node.args["to"].expressions
    if not source.is_row or len(source.fields) != len(fields):
        return None

    def whole(row: exp.Expr) -> exp.Expr:
        parts = [
            _part(operation, part, type_, field.args["kind"] if isinstance(field, exp.ColumnDef) else field, cast_one)
            for field, part, (_, type_) in zip(fields, fields_of(row, source), source.fields, strict=True)
        ]
        is_named = isinstance(fields[0], exp.ColumnDef)
        made = struct(zip((field.name for field in fields), parts, strict=True)) if is_named else call("row", *parts)
        return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.Is(this=row.copy(), expression=exp.null())), true=made)])

    return bound(operation.operands[0], whole)


def _part(operation: Operation, value: exp.Expr, source: Type, target: exp.DataType, cast_one: CastOne) -> exp.Expr:
    """Cast one value inside; its errors stand where the whole cast does."""
    if type_name(source) == duckdb_type(operation.node, target):
        return value
    node = exp.Cast(this=value, to=target.copy())
    node.meta.update(operation.node.meta)
    node.parent = operation.node.parent
    return cast_one(Operation(node, [value], [source]))


_NESTED: dict[exp.DType, Callable[[Operation, Type, CastOne], exp.Expr | None]] = {
    exp.DType.ARRAY: _array,
    exp.DType.MAP: _map,
    exp.DType.STRUCT: _row,
}
