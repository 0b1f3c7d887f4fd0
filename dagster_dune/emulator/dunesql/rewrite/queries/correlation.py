"""Correlated subqueries that Trino refuses: those it cannot turn into a join.

Trino takes the conditions on the query around out of a subquery, from its inside to its outside, and joins by them.
What stands over such a condition (LIMIT, GROUP BY, a window) must give the same when the condition is put over it: the
columns in it must still be there, or each be made equal to a column of the query around. Subqueries over UNNEST go
another way, and are not judged here.

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

_WORDS = "Given correlated subquery is not supported"
_JUDGED = ("scalar", "lateral", "exists", "in", "quantified")


def check_correlation(node: exp.Select, outer: Sequence[exp.Expr]) -> None:
    """Refuse a subquery that Trino does not support.

    Args:
        node: The SELECT.
        outer: The columns in it that belong to the queries around.

    Raises:
        SqlError: It is a subquery of a kind that Trino refuses.
    """
    use = use_of(node)
    if not outer or use not in _JUDGED or _reads_arrays(node):
        return
    subquery = _Subquery(frozenset(id(column) for column in outer), use)
    if subquery.taken_out(node) is None or subquery.computes_with_outer(node):
        raise error_at(node, _WORDS)


def check_values(node: exp.Values) -> None:
    """Refuse VALUES that hold columns of the query around, as a scalar subquery or as several lateral rows."""
    use = use_of(node)
    is_judged = use == "scalar" or (use == "lateral" and len(node.expressions) > 1)
    if is_judged and any(not _in_lambda(each) for each in node.find_all(exp.Column)):
        raise error_at(node, _WORDS)


def use_of(node: exp.Expr) -> str:
    """What a query is used as: ``scalar``, ``lateral``, ``exists``, ``in``, ``quantified``, or something else."""
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
class _Rest:
    """What is left of a query once its conditions on the query around are taken out.

    Attributes:
        needed: The columns in these conditions, which must be there where they are put.
        fixed: Those that a condition makes equal to a column of the query around.
        is_correlated: Whether a condition was taken out.
        is_single: Whether there is one row at the most for each row of the query around.
        is_aggregate: Whether it is an aggregate of all rows, which nothing but columns made of it may stand over.
    """

    needed: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    is_correlated: bool = False
    is_single: bool = False
    is_aggregate: bool = False


@dataclass(frozen=True)
class _Subquery:
    """A correlated subquery, being judged.

    Attributes:
        outer: The columns in it that belong to the queries around, by their identity.
        use: What it is used as.
    """

    outer: frozenset[int]
    use: str

    def taken_out(self, node: exp.Expr, *, is_top: bool = True) -> _Rest | None:
        """Take the conditions on the query around out of a query; None where Trino cannot."""
        while isinstance(node, exp.Subquery) and not _has_own_clauses(node):
            node = node.this
        if not self._is_correlated(node):
            return _Rest()
        if not isinstance(node, exp.Select):
            return None
        rest = self._source(node)
        if rest is not None:
            rest = self._filtered(rest, node.args.get("where"))
        if rest is not None:
            rest = self._grouped(rest, node)
        if rest is None or (rest.is_correlated and any(each.find(exp.Window) for each in node.expressions)):
            return None
        is_more = _is_aggregated(node) or node.args.get("distinct") or node.args.get("limit")
        if self.use == "in" and rest.is_correlated and is_more:
            return None
        return self._limited(rest, node, is_top=is_top)

    def computes_with_outer(self, node: exp.Select) -> bool:
        """Whether a column of the query around stands beside others in the SELECT list, an aggregate or a window."""
        if self.use not in ("scalar", "in") or not node.args.get("from_"):
            return False
        is_aggregated = _is_aggregated(node)
        for item in node.expressions:
            if is_aggregated:
                calls = [each for each in item.walk() if function_name(each) in AGGREGATES]
                if any(self._sides(call)[0] for call in calls):
                    return True
            elif self._sides(item) == (True, True) or any(self._sides(each)[0] for each in item.find_all(exp.Window)):
                return True
        return False

    def _is_correlated(self, node: exp.Expr | None) -> bool:
        return node is not None and any(id(column) in self.outer for column in node.find_all(exp.Column))

    def _source(self, node: exp.Select) -> _Rest | None:
        """What FROM gives: a query in it may be correlated where it stands alone."""
        clause, joins = node.args.get("from_"), node.args.get("joins") or []
        if clause is None or not (self._is_correlated(clause) or any(map(self._is_correlated, joins))):
            return _Rest(is_single=clause is None)
        if joins or not isinstance(clause.this, exp.Subquery):
            return None
        return self.taken_out(clause.this, is_top=False)

    def _filtered(self, rest: _Rest, clause: exp.Expr | None) -> _Rest | None:
        """Take the conditions of WHERE or HAVING out that name what is around."""
        if clause is None:
            return rest
        if rest.is_aggregate:
            return None
        for part in clause.this.flatten() if isinstance(clause.this, exp.And) else [clause.this]:
            is_outer, _ = self._sides(part)
            if not is_outer:
                continue
            own = frozenset(column.name.lower() for column in _columns(part) if id(column) not in self.outer)
            fixed = own if self._is_equation(part) else frozenset[str]()
            rest = replace(rest, needed=rest.needed | own, fixed=rest.fixed | fixed, is_correlated=True)
        return rest

    def _is_equation(self, part: exp.Expr) -> bool:
        """Whether a condition makes a column of its own equal to one of the query around."""
        while isinstance(part, exp.Paren):
            part = part.this
        return (
            isinstance(part, exp.EQ)
            and isinstance(part.this, exp.Column)
            and isinstance(part.expression, exp.Column)
            and (id(part.this) in self.outer) != (id(part.expression) in self.outer)
        )

    def _grouped(self, rest: _Rest, node: exp.Select) -> _Rest | None:
        """What GROUP BY and HAVING make of it."""
        if not _is_aggregated(node):
            return rest
        group = node.args.get("group")
        if rest.is_aggregate or (group is not None and _has_sets(group)):
            return None
        if group is None or not group.expressions:
            return self._filtered(replace(_Rest(is_correlated=rest.is_correlated), is_aggregate=True),
                                  node.args.get("having"))  # fmt: skip
        keys = frozenset(column.name.lower() for each in group.expressions for column in _key_columns(each, node))
        if not rest.needed <= rest.fixed | keys:
            return None
        return self._filtered(replace(rest, is_single=keys <= rest.fixed), node.args.get("having"))

    def _limited(self, rest: _Rest, node: exp.Select, *, is_top: bool) -> _Rest | None:
        """What DISTINCT, ORDER BY, OFFSET and LIMIT make of it."""
        given = frozenset(column.name.lower() for each in node.expressions for column in _columns(each))
        if node.args.get("distinct") and not rest.needed <= rest.fixed | given:
            return None
        limit, order = node.args.get("limit"), node.args.get("order")
        if not rest.is_correlated or (limit is None and node.args.get("offset") is None):
            return rest
        if rest.is_aggregate or rest.is_single:
            return rest
        if node.args.get("offset") is not None or has_ties(limit) or self._is_correlated(order):
            return None
        if not rest.needed <= rest.fixed:
            return None
        is_first = limit is not None and limit.text("expression") == "1" and order is None
        is_read = not (self.use == "exists" and is_top)
        is_fixed = given <= rest.fixed and not any(map(has_aggregate, node.expressions))
        if is_first and not (rest.fixed and (is_fixed or not is_read)):
            return None
        return replace(rest, is_single=is_first)

    def _sides(self, node: exp.Expr) -> tuple[bool, bool]:
        """Whether an expression has columns from outside, and some of its own."""
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
    """The columns of a key of GROUP BY, also of one that is a position; an expression is no column of its own."""
    if isinstance(key, exp.Literal) and key.name.isdigit() and 0 < int(key.name) <= len(node.expressions):
        key = node.expressions[int(key.name) - 1].unalias()
    if isinstance(key, exp.Column):
        yield key


def _columns(node: exp.Expr) -> Iterator[exp.Expr]:
    """The columns of an expression, without those of subqueries in it."""
    if isinstance(node, exp.Query | exp.Subquery):
        return
    if isinstance(node, exp.Column):
        yield node
    for part in node.iter_expressions():
        yield from _columns(part)


def _in_lambda(column: exp.Expr) -> bool:
    return column.find_ancestor(exp.Lambda) is not None
