"""Rejects correlated subqueries that Trino cannot decorrelate into joins.

Trino pulls the conditions on columns of outer queries out of a subquery, from the inside to the outside, and joins by
them. An operation above such a condition (LIMIT, GROUP BY, a window) must have the same result if the condition is
applied after it: its output must have the columns in the condition, or each must be equal to a column of an outer
query. Trino decorrelates subqueries over UNNEST in another way; they are not checked here.

See https://trino.io/docs/current/sql/select.html#subqueries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import AGGREGATES
from dagster_dune.emulator.dunesql.parse.functions import function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.aggregation import has_aggregate
from dagster_dune.emulator.dunesql.rewrite.queries.ordering import has_ties

_MESSAGE = "Given correlated subquery is not supported"
_CHECKED_USES = ("scalar", "lateral", "exists", "in", "quantified")


def check_correlation(node: exp.Select, outer: Sequence[exp.Expr]) -> None:
    """Check that Trino can decorrelate a subquery.

    Args:
        node: The SELECT.
        outer: The columns in it that belong to outer queries.

    Raises:
        SqlError: Trino cannot decorrelate it.
    """
    use = use_of(node)
    if not outer or use not in _CHECKED_USES or _reads_arrays(node):
        return
    subquery = _Subquery(frozenset(id(column) for column in outer), use)
    if subquery.decorrelate(node) is None or subquery.computes_with_outer(node):
        raise error_at(node, _MESSAGE)


def check_values(node: exp.Values) -> None:
    """Reject VALUES with columns of outer queries, as a scalar subquery or as several lateral rows."""
    use = use_of(node)
    is_checked = use == "scalar" or (use == "lateral" and len(node.expressions) > 1)
    if is_checked and any(not _in_lambda(each) for each in node.find_all(exp.Column)):
        raise error_at(node, _MESSAGE)


def use_of(node: exp.Expr) -> str:
    """Return the use of a query: ``scalar``, ``lateral``, ``exists``, ``in``, ``quantified``, or ``other``."""
    parent = node.parent
    while isinstance(parent, exp.Subquery | exp.Paren):
        node, parent = parent, parent.parent
    for kind, use in _USES.items():
        if isinstance(parent, kind):
            return use
    is_elsewhere = parent is None or isinstance(
        parent, exp.From | exp.Join | exp.CTE | exp.SetOperation | exp.Anonymous
    )
    return "other" if is_elsewhere or not isinstance(node, exp.Subquery | exp.Select) else "scalar"


_USES: dict[type[exp.Expr], str] = {
    exp.Lateral: "lateral", exp.Exists: "exists", exp.In: "in", exp.Any: "quantified", exp.All: "quantified",
}  # fmt: skip


@dataclass(frozen=True)
class _Decorrelated:
    """A query after its conditions on columns of outer queries have been pulled out.

    Attributes:
        needed: The own columns in these conditions, which the output must have.
        fixed: The own columns that a condition makes equal to a column of an outer query.
        is_correlated: Whether a condition was pulled out.
        is_single: Whether there is at most one row for each row of the outer query.
        is_aggregate: Whether it is an aggregate of all rows, above which only expressions are possible.
    """

    needed: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    is_correlated: bool = False
    is_single: bool = False
    is_aggregate: bool = False


@dataclass(frozen=True)
class _Subquery:
    """A correlated subquery that is checked.

    Attributes:
        outer: The identities of the columns in it that belong to outer queries.
        use: The use of the subquery.
    """

    outer: frozenset[int]
    use: str

    def decorrelate(self, node: exp.Expr, *, is_top: bool = True) -> _Decorrelated | None:
        """Pull the conditions on columns of outer queries out of a query; None if Trino cannot."""
        while isinstance(node, exp.Subquery) and not _has_own_clauses(node):
            node = node.this
        if not self._is_correlated(node):
            return _Decorrelated()
        if not isinstance(node, exp.Select):
            return None
        result = self._source(node)
        if result is not None:
            result = self._filtered(result, node.args.get("where"))
        if result is not None:
            result = self._grouped(result, node)
        if result is None or (result.is_correlated and any(each.find(exp.Window) for each in node.expressions)):
            return None
        is_more = _is_aggregated(node) or node.args.get("distinct") or node.args.get("limit")
        if self.use == "in" and result.is_correlated and is_more:
            return None
        return self._limited(result, node, is_top=is_top)

    def computes_with_outer(self, node: exp.Select) -> bool:
        """Return whether a SELECT item, an aggregate or a window has both columns of outer queries and own ones."""
        if self.use not in ("scalar", "in") or not node.args.get("from_"):
            return False
        is_aggregated = _is_aggregated(node)
        for item in node.expressions:
            if is_aggregated:
                calls = [each for each in item.walk() if function_name(each) in AGGREGATES]
                if any(self._origins(call)[0] for call in calls):
                    return True
            elif self._origins(item) == (True, True) or any(
                self._origins(each)[0] for each in item.find_all(exp.Window)
            ):
                return True
        return False

    def _is_correlated(self, node: exp.Expr | None) -> bool:
        return node is not None and any(id(column) in self.outer for column in node.find_all(exp.Column))

    def _source(self, node: exp.Select) -> _Decorrelated | None:
        """Decorrelate FROM, in which a query can only be correlated if it is the only item."""
        clause, joins = node.args.get("from_"), node.args.get("joins") or []
        if clause is None or not (self._is_correlated(clause) or any(map(self._is_correlated, joins))):
            return _Decorrelated(is_single=clause is None)
        if joins or not isinstance(clause.this, exp.Subquery):
            return None
        return self.decorrelate(clause.this, is_top=False)

    def _filtered(self, result: _Decorrelated, clause: exp.Expr | None) -> _Decorrelated | None:
        """Pull the conditions on columns of outer queries out of WHERE or HAVING."""
        if clause is None:
            return result
        if result.is_aggregate:
            return None
        for part in clause.this.flatten() if isinstance(clause.this, exp.And) else [clause.this]:
            is_outer, _ = self._origins(part)
            if not is_outer:
                continue
            own = frozenset(column.name.lower() for column in _columns(part) if id(column) not in self.outer)
            fixed = own if self._is_equation(part) else frozenset[str]()
            result = replace(result, needed=result.needed | own, fixed=result.fixed | fixed, is_correlated=True)
        return result

    def _is_equation(self, part: exp.Expr) -> bool:
        """Return whether a condition is an equality of an own column and one of an outer query."""
        while isinstance(part, exp.Paren):
            part = part.this
        return (
            isinstance(part, exp.EQ)
            and isinstance(part.this, exp.Column)
            and isinstance(part.expression, exp.Column)
            and (id(part.this) in self.outer) != (id(part.expression) in self.outer)
        )

    def _grouped(self, result: _Decorrelated, node: exp.Select) -> _Decorrelated | None:
        """Decorrelate GROUP BY and HAVING."""
        if not _is_aggregated(node):
            return result
        group = node.args.get("group")
        if result.is_aggregate or (group is not None and _has_sets(group)):
            return None
        if group is None or not group.expressions:
            return self._filtered(replace(_Decorrelated(is_correlated=result.is_correlated), is_aggregate=True),
                                  node.args.get("having"))  # fmt: skip
        keys = frozenset(column.name.lower() for each in group.expressions for column in _key_columns(each, node))
        if not result.needed <= result.fixed | keys:
            return None
        return self._filtered(replace(result, is_single=keys <= result.fixed), node.args.get("having"))

    def _limited(self, result: _Decorrelated, node: exp.Select, *, is_top: bool) -> _Decorrelated | None:
        """Decorrelate DISTINCT, ORDER BY, OFFSET and LIMIT."""
        output = frozenset(column.name.lower() for each in node.expressions for column in _columns(each))
        if node.args.get("distinct") and not result.needed <= result.fixed | output:
            return None
        limit, order = node.args.get("limit"), node.args.get("order")
        if not result.is_correlated or (limit is None and node.args.get("offset") is None):
            return result
        if result.is_aggregate or result.is_single:
            return result
        if node.args.get("offset") is not None or has_ties(limit) or self._is_correlated(order):
            return None
        if not result.needed <= result.fixed:
            return None
        is_first = limit is not None and limit.text("expression") == "1" and order is None
        is_read = not (self.use == "exists" and is_top)
        is_fixed = output <= result.fixed and not any(map(has_aggregate, node.expressions))
        if is_first and not (result.fixed and (is_fixed or not is_read)):
            return None
        return replace(result, is_single=is_first)

    def _origins(self, node: exp.Expr) -> tuple[bool, bool]:
        """Return whether an expression has columns of outer queries, and whether it has own ones."""
        origins = [id(column) in self.outer for column in _columns(node)]
        return any(origins), not all(origins)


def _is_aggregated(node: exp.Select) -> bool:
    return bool(node.args.get("group") or node.args.get("having")) or any(map(has_aggregate, node.expressions))


def _has_own_clauses(node: exp.Expr) -> bool:
    return any(node.args.get(name) for name in ("order", "limit", "offset", "with_"))


def _reads_arrays(node: exp.Select) -> bool:
    sources = [node.args.get("from_"), *(node.args.get("joins") or [])]
    return any(source is not None and source.find(exp.Unnest) for source in sources)


def _has_sets(group: exp.Expr) -> bool:
    return any(isinstance(each, exp.GroupingSets | exp.Rollup | exp.Cube) for each in group.iter_expressions())


def _key_columns(key: exp.Expr, node: exp.Select) -> Iterator[exp.Expr]:
    """Yield the columns that are keys of GROUP BY, also by position; expressions are none."""
    if isinstance(key, exp.Literal) and key.name.isdigit() and 0 < int(key.name) <= len(node.expressions):
        key = node.expressions[int(key.name) - 1].unalias()
    if isinstance(key, exp.Column):
        yield key


def _columns(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the columns of an expression, except those of subqueries."""
    if isinstance(node, exp.Query | exp.Subquery):
        return
    if isinstance(node, exp.Column):
        yield node
    for part in node.iter_expressions():
        yield from _columns(part)


def _in_lambda(column: exp.Expr) -> bool:
    return column.find_ancestor(exp.Lambda) is not None
