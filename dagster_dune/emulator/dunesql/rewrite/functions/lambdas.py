"""Functions that take a lambda of two values or more, which DuckDB's do not."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, bound, call, integer, struct, transformed

_FIRST, _SECOND, _PLACE, _OTHER_PLACE = (exp.to_identifier(f"dune_{name}") for name in ("x", "y", "i", "j"))


def zip_with(operation: Operation) -> exp.Expr:
    """Combine the elements of two arrays; the shorter one is filled up with NULL."""
    left, right, function = operation.operands
    pairs = call("trino_zip", left, right)
    return transformed(pairs, lambda pair: _applied(operation, function, [_part(pair, 1), _part(pair, 2)]))


def map_filter(operation: Operation) -> exp.Expr:
    """Keep the entries of a map for which something holds."""
    entries, function = call("map_entries", operation.operands[0]), operation.operands[1]
    element = exp.to_identifier("dune_entry")
    condition = _applied(operation, function, [_part(element, 1), _part(element, 2)])
    kept = call("list_filter", entries, exp.Lambda(this=condition, expressions=[element.copy()]))
    return call("map_from_entries", kept)


def transform_values(operation: Operation) -> exp.Expr:
    """Make other values of the entries of a map."""
    entries, function = call("map_entries", operation.operands[0]), operation.operands[1]

    def entry(old: exp.Expr) -> exp.Expr:
        return struct((("k", _part(old, 1)), ("v", _applied(operation, function, [_part(old, 1), _part(old, 2)]))))

    return call("map_from_entries", transformed(entries, entry))


def transform_keys(operation: Operation) -> exp.Expr:
    """Make other keys of the entries of a map, each of which must remain the only one."""
    entries, function = call("map_entries", operation.operands[0]), operation.operands[1]

    def entry(old: exp.Expr) -> exp.Expr:
        return struct((("k", _applied(operation, function, [_part(old, 1), _part(old, 2)])), ("v", _part(old, 2))))

    return call("trino_map_from_entries", transformed(entries, entry))


def map_zip_with(operation: Operation) -> exp.Expr:
    """Combine the values that two maps have for a key; NULL stands for the one that is missing."""
    left, right, function = operation.operands

    def entry(triple: exp.Expr) -> exp.Expr:
        values = [_part(triple, place) for place in (1, 2, 3)]
        return struct((("k", _part(triple, 1)), ("v", _applied(operation, function, values))))

    return call("map_from_entries", transformed(call("trino_map_triples", left, right), entry))


def array_sort(operation: Operation) -> exp.Expr:
    """Sort, by a comparator where there is one: an element's place is how many come before it."""
    array, *comparator = operation.operands
    if not comparator:
        return call("trino_array_sort", array)

    def sorted_rows(elements: exp.Expr) -> exp.Expr:
        compared = _applied(operation, comparator[0], [_SECOND.copy(), _FIRST.copy()])
        is_before = call("trino_comes_before", compared, _OTHER_PLACE.copy(), _PLACE.copy())
        before = call(
            "list_filter",
            elements.copy(),
            exp.Lambda(this=is_before, expressions=[_SECOND.copy(), _OTHER_PLACE.copy()]),
        )
        row = struct((("p", call("len", before)), ("i", _PLACE.copy()), ("e", _FIRST.copy())))
        placed = exp.Lambda(this=row, expressions=[_FIRST.copy(), _PLACE.copy()])
        return call("list_sort", call("list_transform", elements.copy(), placed))

    return transformed(bound(array, sorted_rows), lambda placed: _part(placed, 3))


def _part(row: exp.Expr, place: int) -> exp.Expr:
    return call("struct_extract_at", row.copy(), integer(place))


def _applied(operation: Operation, function: exp.Expr, values: Sequence[exp.Expr]) -> exp.Expr:
    """Write what a lambda makes of values: each is bound by its parameter's name around the body."""
    if not isinstance(function, exp.Lambda) or len(function.expressions) != len(values):
        raise error_at(operation.node, f"The last argument must be a lambda with {len(values)} parameters")
    body: exp.Expr = function.this.copy()
    for parameter, value in reversed(list(zip(function.expressions, values, strict=True))):
        made = exp.Lambda(this=body, expressions=[parameter.copy()])
        listed = call("list_transform", exp.Array(expressions=[value]), made)
        body = exp.Bracket(this=listed, expressions=[integer(1)], offset=1)
    return body
