"""Translates ORDER BY, LIMIT, OFFSET and FETCH FIRST."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import AGGREGATES
from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.functions import function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.aggregation import check_orderable, order_sql
from dagster_dune.emulator.dunesql.rewrite.expressions.comparisons import key_sql
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, Translator

Item = tuple[str | None, Operand, exp.Expr | None]


def order_item(translator: Translator, each: exp.Expr, scope: Scope, items: list[Item], *, is_distinct: bool) -> str:
    """Translate an item of ORDER BY: a position, a column of the SELECT list, or an expression."""
    inner = each.this
    place = _ordinal(inner, len(items))
    if place is None and isinstance(inner, exp.Column) and not inner.table:
        place = _named(inner, items)
    if place is None:
        order_scope = _order_scope(inner, scope, items)
        value = translator.expression(inner, order_scope)
        same = [at for at, (_, item, _) in enumerate(items) if item.sql == value.sql]
        if is_distinct and (not same or order_scope.aliases):
            raise error_at(inner, "For SELECT DISTINCT, ORDER BY expressions must appear in select list")
        place = same[0] if same else None
        if place is None:
            check_orderable(inner, [value])
            sql = f"CASE WHEN true THEN {value.sql} END" if value.literal is not None else value.sql
            return order_sql(key_sql(sql, value.type), each)
    check_orderable(inner, [items[place][1]])
    if is_distinct:
        return order_sql(str(place + 1), each)
    item = items[place][1]
    is_constant = item.is_constant or item.literal is not None
    return order_sql(str(place + 1) if is_constant else key_sql(item.sql, item.type), each)


def _named(column: exp.Column, items: list[Item]) -> int | None:
    """Return the position of the column of the SELECT list with a name."""
    places = [at for at, (name, _, _) in enumerate(items) if (name or "").lower() == column.name.lower()]
    if len({items[at][1].sql for at in places}) > 1:
        raise error_at(column, f"Column '{column.name}' is ambiguous")
    return places[0] if places else None


def _order_scope(node: exp.Expr, scope: Scope, items: list[Item]) -> Scope:
    """Return the scope of an expression in ORDER BY, in which columns of the SELECT list hide those of FROM."""
    names = {name.lower() for name, _, _ in items if name is not None}
    columns = [each for each in node.find_all(exp.Column) if not each.table and each.name.lower() in names]
    places = {each.name.lower(): _named(each, items) for each in columns}
    if scope.grouping is not None and columns:
        _check_aggregates(node, names)
    return replace(scope, aliases={name: items[at][1] for name, at in places.items() if at is not None})


def _check_aggregates(node: exp.Expr, names: set[str]) -> None:
    """Check that no aggregate in ORDER BY uses a column of the SELECT list, which is computed after it."""
    for each in node.find_all(exp.Anonymous):
        name = function_name(each)
        if (name not in AGGREGATES and name != "grouping") or isinstance(each.parent, exp.Window):
            continue
        for column in each.find_all(exp.Column):
            if not column.table and column.name.lower() in names:
                raise error_at(
                    column,
                    f"Invalid reference to output projection attribute from ORDER BY aggregation: '{column.name}' is a "
                    "column of the SELECT list; order by its name, or name the table before it",
                )


def _ordinal(node: exp.Expr, count: int) -> int | None:
    if not (isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()):
        return None
    if not 1 <= int(node.name) <= count:
        raise error_at(node, f"ORDER BY position {node.name} is not in select list")
    return int(node.name) - 1


def has_ties(limit: exp.Expr | None) -> bool:
    """Return whether a limit is FETCH FIRST WITH TIES."""
    options = limit.args.get("limit_options") if limit is not None else None
    return bool(options is not None and options.args.get("with_ties"))


def _count(node: exp.Expr) -> int:
    """Return the number of rows of a limit or an offset."""
    count = node.args.get("count") or node.args.get("expression")
    if count is None:
        return 1
    if not (isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit()):
        raise error_at(node, "A number of rows must be written out")
    return int(count.name)


def tied_rows(
    node: exp.Select, columns: list[str], fields: Sequence[Field], orders: list[str], tail: str, distinct: str
) -> str:
    """Translate FETCH FIRST n ROWS WITH TIES, which includes rows that are equal to the last one."""
    if not orders or distinct:
        raise error_at(node, "FETCH FIRST WITH TIES clause requires ORDER BY, and no DISTINCT in this emulator")
    offset = _count(node.args["offset"]) if node.args.get("offset") else 0
    by = ", ".join(orders)
    ranks = f"rank() OVER (ORDER BY {by}) AS dune_rank, row_number() OVER (ORDER BY {by}) AS dune_row"
    names = ", ".join(field.sql for field in fields)
    kept = f"dune_rank <= {offset + _count(node.args['limit'])} AND dune_row > {offset}"
    return (
        f"SELECT {names} FROM (SELECT {', '.join(columns)}, {ranks}{tail}) AS dune_tied WHERE {kept} ORDER BY dune_row"
    )


def limits(node: exp.Expr) -> str:
    """Translate LIMIT or FETCH FIRST, and OFFSET."""
    made, limit, offset = "", node.args.get("limit"), node.args.get("offset")
    if limit is not None and limit.text("expression").upper() != "ALL":
        made += f" LIMIT {_count(limit)}"
    if offset is not None:
        made += f" OFFSET {_count(offset)}"
    return made


def with_own_order(translator: Translator, node: exp.Expr, relation: Relation) -> Relation:
    """Translate ORDER BY and LIMIT of a set operation, VALUES or a query in parentheses."""
    order = node.args.get("order")
    if order is None:
        ending = limits(node)
        return (
            replace(relation, sql=f"SELECT * FROM ({relation.sql}) AS {translator.fresh('u')}{ending}")
            if ending
            else relation
        )
    alias = translator.fresh("u")
    items: list[Item] = [(field.name, Operand(f"{alias}.{field.sql}", field.type), None) for field in relation.fields]
    scope = Scope(fields=tuple(Field(name, value.sql, value.type) for name, value, _ in items))
    orders = ", ".join(order_item(translator, each, scope, items, is_distinct=False) for each in order.expressions)
    names = ", ".join(f"{alias}.{field.sql} AS {field.sql}" for field in relation.fields)
    return replace(relation, sql=f"SELECT {names} FROM ({relation.sql}) AS {alias} ORDER BY {orders}{limits(node)}")


def parenthesized(translator: Translator, node: exp.Subquery, parent: Scope | None) -> Relation:
    """Translate a query in parentheses, which may have its own ORDER BY."""
    return with_own_order(translator, node, translator.query(node.this, parent))
