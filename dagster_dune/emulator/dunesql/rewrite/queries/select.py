"""Translates SELECT: FROM, aggregation, and the SELECT list."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.aggregation import has_aggregate, window_sql
from dagster_dune.emulator.dunesql.rewrite.expressions.conditions import condition
from dagster_dune.emulator.dunesql.rewrite.observation import is_observed
from dagster_dune.emulator.dunesql.rewrite.queries import relations
from dagster_dune.emulator.dunesql.rewrite.queries.correlation import check_correlation
from dagster_dune.emulator.dunesql.rewrite.queries.grouping import group_by
from dagster_dune.emulator.dunesql.rewrite.queries.items import is_star, opened_fields, select_items
from dagster_dune.emulator.dunesql.rewrite.queries.ordering import (
    Item,
    has_ties,
    limits,
    order_item,
    tied_rows,
)
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Grouping, Relation, Scope, Translator
from dagster_dune.emulator.dunesql.types.trino import SKETCHES, UNKNOWN, array


def select(translator: Translator, node: exp.Select, parent: Scope | None) -> Relation:
    """Translate a SELECT."""
    _refuse_foreign(node)
    around = Scope(parent=parent)
    source = relations.from_clause(translator, node, around)
    windows = {each.this.name.lower(): each for each in node.args.get("windows") or []}
    scope = Scope(fields=source.fields, parent=parent, windows=windows, outer=around.outer)
    where = node.args.get("where")
    tail = f" FROM {source.sql}" if source.sql else ""
    if where is not None:
        tail += f" WHERE {condition(translator, where.this, scope.inside('WHERE clause'), 'WHERE clause').sql}"
    if _is_aggregated(node):
        made = _aggregated(translator, node, scope, tail)
    else:
        items = select_items(translator, node, scope)
        _check_windows(translator, scope)
        made = _finished(translator, node, scope, items, tail)
    check_correlation(node, scope.outer)
    return made


def _check_windows(translator: Translator, scope: Scope) -> None:
    """Check all windows of WINDOW, also unused ones."""
    for window in scope.windows.values():
        window_sql(translator, window, scope)


def _refuse_foreign(node: exp.Select) -> None:
    for name, words in (
        ("qualify", "QUALIFY"),
        ("laterals", "LATERAL VIEW"),
        ("kind", "SELECT AS"),
        ("into", "INTO"),
        ("prewhere", "PREWHERE"),
    ):
        if node.args.get(name):
            raise error_at(node, f"mismatched input '{words}'")
    distinct = node.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        raise error_at(node, "mismatched input 'ON': DISTINCT ON is not Trino's")


def _is_aggregated(node: exp.Select) -> bool:
    order = node.args.get("order")
    parts = [*node.expressions, *(order.expressions if order else [])]
    return bool(node.args.get("group") or node.args.get("having")) or any(map(has_aggregate, parts))


def _aggregated(translator: Translator, node: exp.Select, scope: Scope, tail: str) -> Relation:
    """Translate an aggregated query to two: an inner one with keys and aggregates, an outer one with expressions."""
    grouping = Grouping(translator.fresh("g"))
    group = node.args.get("group")
    inside = scope.inside("GROUP BY clause")
    value_of = partial(_grouped, translator, node, inside)
    sets = group_by(translator, group, grouping, value_of) if group is not None else ""
    above = replace(scope, grouping=grouping)
    items = select_items(translator, node, above)
    _check_windows(translator, above)
    having = node.args.get("having")
    test = condition(translator, having.this, above, "HAVING clause").sql if having is not None else ""
    finished = _finished(
        translator, node, above, items, f" FROM {grouping.alias}_below{' WHERE ' + test if test else ''}"
    )
    columns = [
        f"{f'any_value({sql})' if key.type.zoned else sql} AS {key.sql.partition('.')[2]}"
        for sql, key in grouping.keys.items()
    ]
    columns += [f"{sql} AS {name}" for sql, name in grouping.aggregates.items()]
    below = f"SELECT {', '.join(columns) or 'count(*)'}{tail}{sets}"
    return replace(finished, sql=finished.sql.replace(f"{grouping.alias}_below", f"({below}) AS {grouping.alias}"))


def _grouped(translator: Translator, node: exp.Select, scope: Scope, each: exp.Expr) -> Operand:
    if isinstance(each, exp.Literal) and not each.is_string:
        place = int(each.name) if each.name.isdigit() else 0
        items = node.expressions
        if not 1 <= place <= len(items) and not any(is_star(item) for item in items):
            raise error_at(each, f"GROUP BY position {each.name} is not in select list")
        if any(is_star(item) for item in items[:place]):
            expanded = select_items(translator, node, replace(scope, place=""))
            return expanded[place - 1][1]
        item = items[place - 1]
        if has_aggregate(item):
            raise error_at(each, f"GROUP BY clause cannot contain aggregations: position {place}")
        return translator.expression(item.this if isinstance(item, exp.Alias) else item, scope)
    return translator.expression(each, scope)


def _finished(translator: Translator, node: exp.Select, scope: Scope, items: list[Item], tail: str) -> Relation:
    """Translate the SELECT list, DISTINCT, ORDER BY and LIMIT over the rest of the query."""
    fields = tuple(_field(f"c{place}", each, scope) for place, each in enumerate(items))
    fields += tuple(field for each in node.expressions if is_star(each) for field in opened_fields(each, scope))
    columns = [f"{value.typed} AS c{place}" for place, (_, value, _) in enumerate(items)]
    distinct = "DISTINCT " if node.args.get("distinct") else ""
    if distinct and any(value.type.find(*SKETCHES) or value.type.has_zones for _, value, _ in items):
        raise error_at(node, "DISTINCT of times in zones is not supported by this emulator; write AT TIME ZONE 'UTC'")
    order = node.args.get("order")
    orders = (
        [order_item(translator, each, scope, items, is_distinct=bool(distinct)) for each in order.expressions]
        if order
        else []
    )
    limit = node.args.get("limit")
    if isinstance(limit, exp.Fetch) and has_ties(limit):
        return Relation(tied_rows(node, columns, fields, orders, tail, distinct), fields)
    sql = f"SELECT {distinct}{', '.join(columns)}{tail}"
    if orders:
        sql += f" ORDER BY {', '.join(orders)}"
    return Relation(sql + limits(node), fields)


def _field(sql: str, item: Item, scope: Scope) -> Field:
    """Return the field of an item of the list, which can be dropped if it is a discovered column of a star."""
    name, value, node = item
    made = Field(name, sql, value.type, origin=value.sql if value.type in (UNKNOWN, array(UNKNOWN)) else "")
    if node is not None or not is_observed():
        return made
    below = next((each for each in scope.fields if each.drop is not None and each.sql == value.sql), made)
    return replace(made, use=below.use, drop=below.drop)
