"""Correlated subqueries that Trino refuses: those it cannot turn into a join.

A column of the query around may stand in WHERE, and in the SELECT list beside no column of the subquery's own. With a
LIMIT, it may only be compared by ``=``. Subqueries over UNNEST are another matter, and not judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import AGGREGATES
from dagster_dune.emulator.dunesql.parse.functions import function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.aggregation import has_aggregate

_WORDS = "Given correlated subquery is not supported"


def check_correlation(node: exp.Select, outer: Sequence[exp.Expr]) -> None:
    """Refuse a subquery that Trino does not support.

    Args:
        node: The SELECT.
        outer: The columns in it that belong to the queries around.

    Raises:
        SqlError: It is a scalar or lateral subquery, and of a kind that Trino refuses.
    """
    use = use_of(node)
    if not outer or use not in ("scalar", "lateral") or _reads_arrays(node):
        return
    from_outside = {id(column) for column in outer}
    is_aggregated = bool(node.args.get("group")) or any(map(has_aggregate, node.expressions))
    limit = node.args.get("limit")
    if limit is not None and (_has_ties(limit) or (not is_aggregated and _compares_otherwise(node, from_outside))):
        raise error_at(node, _WORDS)
    if _has_sets(node) or (use == "scalar" and node.args.get("from_") and _mixes(node, from_outside, is_aggregated)):
        raise error_at(node, _WORDS)


def check_values(node: exp.Values) -> None:
    """Refuse VALUES that hold columns of the query around, as a scalar subquery or as several lateral rows."""
    use = use_of(node)
    is_judged = use == "scalar" or (use == "lateral" and len(node.expressions) > 1)
    if is_judged and any(not _in_lambda(each) for each in node.find_all(exp.Column)):
        raise error_at(node, _WORDS)


def use_of(node: exp.Expr) -> str:
    """What a query is used as: ``scalar``, ``lateral``, or something else."""
    parent = node.parent
    while isinstance(parent, exp.Subquery | exp.Paren):
        node, parent = parent, parent.parent
    if isinstance(parent, exp.Lateral):
        return "lateral"
    is_elsewhere = parent is None or isinstance(
        parent,
        exp.From | exp.Join | exp.CTE | exp.SetOperation | exp.Exists | exp.In | exp.Any | exp.All | exp.Anonymous,
    )
    return "other" if is_elsewhere or not isinstance(node, exp.Subquery | exp.Select) else "scalar"


def _reads_arrays(node: exp.Select) -> bool:
    sources = [node.args.get("from_"), *(node.args.get("joins") or [])]
    return any(source is not None and source.find(exp.Unnest) for source in sources)


def _has_ties(limit: exp.Expr) -> bool:
    options = limit.args.get("limit_options")
    return bool(options is not None and options.args.get("with_ties"))


def _has_sets(node: exp.Select) -> bool:
    group = node.args.get("group")
    return group is not None and any(
        isinstance(each, exp.GroupingSets | exp.Rollup | exp.Cube) for each in group.iter_expressions()
    )


def _columns(node: exp.Expr) -> Iterator[exp.Expr]:
    """The columns of an expression, without those of subqueries in it."""
    if isinstance(node, exp.Query | exp.Subquery):
        return
    if isinstance(node, exp.Column):
        yield node
    for part in node.iter_expressions():
        yield from _columns(part)


def _sides(node: exp.Expr, outer: set[int]) -> tuple[bool, bool]:
    """Whether an expression has columns from outside, and some of its own."""
    origins = [id(column) in outer for column in _columns(node)]
    return any(origins), not all(origins)


def _compares_otherwise(node: exp.Select, outer: set[int]) -> bool:
    """Whether a condition compares what is outside with what is inside other than by ``=``."""
    where = node.args.get("where")
    for part in (
        where.this.flatten() if where is not None and isinstance(where.this, exp.And) else [where.this] if where else []
    ):
        if _sides(part, outer) != (True, True):
            continue
        if not isinstance(part, exp.EQ) or any(
            _sides(side, outer) == (True, True) for side in (part.this, part.expression)
        ):
            return True
    return False


def _mixes(node: exp.Select, outer: set[int], is_aggregated: bool) -> bool:
    """Whether a column from outside stands beside others in the SELECT list, in an aggregate, or in a window."""
    for item in node.expressions:
        if is_aggregated:
            calls = [each for each in item.walk() if function_name(each) in AGGREGATES]
            if any(_sides(call, outer)[0] for call in calls):
                return True
        elif _sides(item, outer) == (True, True) or any(_sides(each, outer)[0] for each in item.find_all(exp.Window)):
            return True
    return False


def _in_lambda(column: exp.Expr) -> bool:
    return column.find_ancestor(exp.Lambda) is not None
