"""Equality of arrays and rows: it is not known where a NULL inside decides, while DuckDB takes NULLs for equal."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import bound, call, fields_of, integer, transformed
from dagster_dune.emulator.dunesql.types.types import Type


def equal(node: exp.Expr, left: exp.Expr, right: exp.Expr, type_: Type) -> exp.Expr:
    """Write that two values are equal.

    Args:
        node: The comparison as the user wrote it, for errors.
        left: One value, in DuckDB's form.
        right: The other.
        type_: The type of one of them, by which both are taken apart.

    Raises:
        SqlError: They are maps, or hold maps.
    """
    if type_.id == "MAP":
        raise error_at(node, "The comparison of maps is not supported by this emulator; compare map_entries")
    if type_.element is not None:
        element = type_.element
        return bound(call("row", left, right), lambda pair: _equal_arrays(node, pair, element))
    if type_.is_row:
        return bound(call("row", left, right), lambda pair: _equal_rows(node, pair, type_))
    return exp.Paren(this=exp.EQ(this=left, expression=right))


def equal_tuples(node: exp.Expr) -> exp.Expr | None:
    """Write that two rows are equal that stand there field by field; None where they do not."""
    left, right = node.this, node.expression
    if not (isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple)):
        return None
    if len(left.expressions) != len(right.expressions):
        raise error_at(node, "Rows of different size cannot be compared")
    sides = zip(left.expressions, right.expressions, strict=True)
    return exp.Paren(this=exp.and_(*(exp.EQ(this=one, expression=other) for one, other in sides), copy=False))


def in_rows(node: exp.In, type_: Type) -> exp.Expr:
    """Write that a row equals one of those in a list, which is not known where a NULL decides.

    Raises:
        SqlError: The rows come from a subquery.
    """
    if not node.expressions:
        raise error_at(node, "IN of several columns takes a list of rows in this emulator; use EXISTS or a join")
    rows = [equal(node, node.this.copy(), row, type_) for row in node.expressions]
    return exp.Paren(this=exp.or_(*rows, copy=False))


def _equal_arrays(node: exp.Expr, pair: exp.Expr, element: Type) -> exp.Expr:
    left, right = _sides(pair)
    lengths = exp.EQ(this=call("len", left), expression=call("len", right))
    pairs = call("list_zip", left.copy(), right.copy())
    each = transformed(pairs, lambda inner: equal(node, *_sides(inner), element))
    return exp.Case(
        ifs=[
            exp.If(this=exp.Not(this=lengths), true=exp.false()),
            exp.If(this=lengths.copy(), true=call("trino_all", each)),
        ]
    )


def _equal_rows(node: exp.Expr, pair: exp.Expr, type_: Type) -> exp.Expr:
    left, right = _sides(pair)
    if not type_.fields:
        return exp.null()
    fields = zip(fields_of(left, type_), fields_of(right, type_), type_.fields, strict=True)
    whole = exp.and_(*(equal(node, one, other, field) for one, other, (_, field) in fields), copy=False)
    is_known = exp.Not(this=exp.Or(this=_is_null(left), expression=_is_null(right)))
    return exp.Case(ifs=[exp.If(this=is_known, true=whole)])


def _sides(pair: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    return call("struct_extract_at", pair.copy(), integer(1)), call("struct_extract_at", pair.copy(), integer(2))


def _is_null(value: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Is(this=value, expression=exp.null()))
