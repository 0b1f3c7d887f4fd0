"""``try(sum(x) / sum(y))``: DuckDB's TRY may hold no aggregate, so the aggregates are computed before it.

They become the fields of a struct, and TRY stands inside a lambda over it. An aggregate that fails itself, such as a
sum that overflows, still fails the query.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.functions import AGGREGATES, MARK
from dagster_dune.emulator.dunesql.rewrite.expressions import call, integer

_ROW = "tried"


def bind_tried_aggregates(statement: exp.Query) -> None:
    """Compute aggregates before the TRY that they stand in.

    Args:
        statement: A query, changed in place.
    """
    for tried in [node for node in statement.find_all(exp.Anonymous) if node.name == f"{MARK}try"]:
        aggregates = [_whole(node) for node in tried.find_all(exp.Anonymous) if _is_outermost_aggregate(node, tried)]
        if aggregates:
            _bind(tried, aggregates)


def _is_outermost_aggregate(node: exp.Expr, tried: exp.Expr) -> bool:
    if not _is_aggregate(node) or node.parent_select is not tried.parent_select:
        return False
    parent = node.parent
    while parent is not None and parent is not tried:
        if isinstance(parent, exp.Window) or _is_aggregate(parent):
            return False
        parent = parent.parent
    return True


def _is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.removeprefix(MARK) in AGGREGATES


def _whole(aggregate: exp.Expr) -> exp.Expr:
    """The aggregate with its FILTER and WITHIN GROUP."""
    while isinstance(aggregate.parent, exp.Filter | exp.WithinGroup) and aggregate.arg_key == "this":
        aggregate = aggregate.parent
    return aggregate


def _bind(tried: exp.Expr, aggregates: list[exp.Expr]) -> None:
    fields = []
    for position, aggregate in enumerate(aggregates):
        name = f"a{position}"
        fields.append(exp.PropertyEQ(this=exp.to_identifier(name), expression=aggregate.copy()))
        aggregate.replace(exp.column(name, table=_ROW))
    body = exp.Lambda(this=tried.copy(), expressions=[exp.to_identifier(_ROW)])
    rows = exp.Array(expressions=[call("struct_pack", *fields)])
    tried.replace(call("list_extract", call("list_transform", rows, body), integer(1)))
