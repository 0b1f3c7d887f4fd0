"""Functions of arrays and maps."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, Rewrite, call, cast_to
from dagster_dune.emulator.dunesql.rewrite.row_types import expects_rows
from dagster_dune.emulator.dunesql.types.types import Type

_WRITTEN_AS_THEY_ARE = ("VARCHAR", "BIGNUM", "DATE", "BOOLEAN", "DECIMAL")


def subscript(operation: Operation) -> exp.Expr:
    """``a[1]`` counts from 1; what it names must exist, in an array as in a map and in a row."""
    keys = operation.node.expressions
    if len(keys) != 1:
        raise error_at(operation.node, "A subscript must be one position or one key")
    container = operation.types[0]
    if container is not None and container.is_row:
        return call("struct_extract_at", operation.operands[0], keys[0])
    return _picked(operation, operation.operands[0], keys[0], "trino_subscript", "trino_map_subscript")


def element_at(operation: Operation) -> exp.Expr:
    """Pick an element, or NULL where there is none."""
    container, key = operation.operands
    return _picked(operation, container, key, "trino_element_at", "map_extract_value")


def _picked(operation: Operation, container: exp.Expr, key: exp.Expr, of_array: str, of_map: str) -> exp.Expr:
    if operation.types[0] is None:
        if key.is_int and expects_rows(operation.node):
            return call("struct_extract_at", container, key)
        return exp.Bracket(this=exp.Paren(this=container), expressions=[key], offset=1)
    return call(of_map if operation.is_at(0, "MAP") else of_array, container, key)


def cardinality(operation: Operation) -> exp.Expr:
    """Count the elements."""
    container = operation.operands[0]
    if operation.types[0] is None:
        return call("length", cast_to(container, "VARCHAR"))
    counted = call("cardinality" if operation.is_at(0, "MAP") else "len", container)
    return cast_to(counted, "BIGINT")


def reduce(operation: Operation) -> exp.Expr:
    """Fold an array into a state, and make the result of the last state."""
    array, start, step, finish = operation.operands
    return exp.Bracket(
        this=call("list_transform", exp.Array(expressions=[call("list_reduce", array, step, start)]), finish),
        expressions=[exp.Literal.number(1)],
        offset=1,
    )


def matches(name: str) -> Rewrite:
    """Ask whether elements match; whether an element of which nothing is known does is not known either."""
    return lambda operation: call(name, call("list_transform", *operation.operands))


def array_join(operation: Operation) -> exp.Expr:
    """Join the elements as texts; NULL is left out, or written as the third argument says."""
    array, separator, *replacement = operation.operands
    element = exp.to_identifier("element")
    written = exp.Lambda(this=_text(operation, element, operation.types[0]), expressions=[element])
    return call("trino_array_join", call("list_transform", array, written), separator, *replacement)


def _text(operation: Operation, element: exp.Expr, array: Type | None) -> exp.Expr:
    known = array.element if array else None
    if known is None or known.is_null or known.id in _WRITTEN_AS_THEY_ARE or known.is_integer:
        return cast_to(element, "VARCHAR")
    if known.is_float:
        return call("trino_double_text", element)
    raise error_at(operation.node, "array_join takes texts, numbers, dates and booleans; transform the array first")
