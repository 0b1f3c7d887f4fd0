"""SELECT, set operations, ORDER BY and LIMIT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions.aggregation import (
    check_orderable,
    has_aggregate,
    order_sql,
    window_sql,
)
from dagster_dune.emulator.dunesql.rewrite.expressions.casts import coerced, link
from dagster_dune.emulator.dunesql.rewrite.expressions.comparisons import key_sql
from dagster_dune.emulator.dunesql.rewrite.expressions.conditions import condition
from dagster_dune.emulator.dunesql.rewrite.queries import relations
from dagster_dune.emulator.dunesql.rewrite.queries.correlation import check_correlation
from dagster_dune.emulator.dunesql.rewrite.queries.grouping import group_by
from dagster_dune.emulator.dunesql.rewrite.scopes import (
    Field,
    Grouping,
    Relation,
    Scope,
    Translator,
    closed,
    is_open,
    resolve,
    row_field,
)
from dagster_dune.emulator.dunesql.types.coercion import common_type
from dagster_dune.emulator.dunesql.types.trino import SKETCHES, UNKNOWN, Type
from dagster_dune.emulator.sql_errors import SqlError

Item = tuple[str | None, Operand, exp.Expr | None]


def select(translator: Translator, node: exp.Select, parent: Scope | None) -> Relation:
    """Write a SELECT."""
    _refuse_foreign(node)
    outer = parent or Scope()
    source = relations.from_clause(translator, node, outer)
    windows = {each.this.name.lower(): each for each in node.args.get("windows") or []}
    scope = Scope(fields=source.fields, parent=parent, windows=windows)
    where = node.args.get("where")
    tail = f" FROM {source.sql}" if source.sql else ""
    if where is not None:
        tail += f" WHERE {condition(translator, where.this, scope.inside('WHERE clause'), 'WHERE clause').sql}"
    if _is_aggregated(node):
        made = _aggregated(translator, node, scope, tail)
    else:
        items = _items(translator, node, scope)
        _check_windows(translator, scope)
        made = _finished(translator, node, scope, items, tail)
    check_correlation(node, scope.outer)
    return made


def _check_windows(translator: Translator, scope: Scope) -> None:
    """A window that nothing is computed over must mean something too."""
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
    """Two queries: below, the keys and the aggregates; above, what is made of them."""
    grouping = Grouping(translator.fresh("g"))
    group = node.args.get("group")
    inside = scope.inside("GROUP BY clause")
    value_of = partial(_grouped, translator, node, inside)
    sets = group_by(translator, group, grouping, value_of) if group is not None else ""
    above = replace(scope, grouping=grouping)
    items = _items(translator, node, above)
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
        if not 1 <= place <= len(items) and not any(_is_star(item) for item in items):
            raise error_at(each, f"GROUP BY position {each.name} is not in select list")
        if any(_is_star(item) for item in items[:place]):
            expanded = _items(translator, node, replace(scope, place=""))
            return expanded[place - 1][1]
        item = items[place - 1]
        if has_aggregate(item):
            raise error_at(each, f"GROUP BY clause cannot contain aggregations: position {place}")
        return translator.expression(item.this if isinstance(item, exp.Alias) else item, scope)
    return translator.expression(each, scope)


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column | exp.Dot) and isinstance(
        node.this if isinstance(node, exp.Column) else node.expression, exp.Star))  # fmt: skip


def _items(translator: Translator, node: exp.Select, scope: Scope) -> list[Item]:
    """The columns of a SELECT, with what they are called and where they stand."""
    items: list[Item] = []
    for each in node.expressions:
        if _is_star(each):
            items += _star(translator, each, scope)
        elif isinstance(each, exp.Alias):
            items.append((each.alias, translator.expression(each.this, scope), each.this))
        elif isinstance(each, exp.Aliases):
            items += _renamed_star(translator, each, scope)
        else:
            items.append((_own_name(each), translator.expression(each, scope), each))
    return items


def _renamed_star(translator: Translator, node: exp.Aliases, scope: Scope) -> list[Item]:
    """``t.* AS (a, b)`` names all the columns that a star stands for."""
    if not _is_star(node.this):
        raise error_at(node, "A column takes one name")
    names, items = [each.name for each in node.expressions], _star(translator, node.this, scope)
    if len(names) != len(items):
        raise error_at(
            node, f"Column alias list has {len(names)} entries but relation has {len(items)} columns available"
        )
    return [(name, value, each) for name, (_, value, each) in zip(names, items, strict=True)]


def _own_name(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Column):
        return str(node.name)
    return str(node.expression.name) if isinstance(node, exp.Dot) else None


def _star(translator: Translator, node: exp.Expr, scope: Scope) -> list[Item]:
    star = node if isinstance(node, exp.Star) else node.this if isinstance(node, exp.Column) else node.expression
    if any(star.args.get(name) for name in ("except_", "replace", "rename", "ilike")):
        raise error_at(node, "mismatched input: EXCLUDE, EXCEPT and REPLACE are not Trino's; name the columns")
    if isinstance(node, exp.Dot):
        row = translator.expression(node.this, scope)
        if row.type.name != "row":
            raise error_at(node, f"Cannot take all fields of {row.type}")
        if not all(row.type.names):
            return [(name, Operand(f"struct_extract_at({row.sql}, {place + 1})", type_), None)
                    for place, (name, type_) in enumerate(zip(row.type.names, row.type.of, strict=True))]  # fmt: skip
        return [(name, row_field(node, row, (name or "").lower()), None) for name in row.type.names]
    qualifier = tuple(part.name.lower() for part in node.parts[:-1]) if isinstance(node, exp.Column) else ()
    fields = [field for field in scope.fields if not qualifier or field.qualifier[-len(qualifier) :] == qualifier]
    fields = [field for field in fields if field.discover is None]
    if not fields and qualifier and (value := _row_named(node, scope)) is not None:
        return [
            (name, Operand(f"struct_extract_at({value.sql}, {place + 1})", type_), None)
            for place, (name, type_) in enumerate(zip(value.type.names, value.type.of, strict=True))
        ]
    if not fields and not _opened(node, scope) and qualifier and scope.parent is not None:
        return _star(translator, node, scope.parent)
    if not fields and not _opened(node, scope):
        words = (
            f"Table '{'.'.join(qualifier)}' not found"
            if qualifier
            else "SELECT * not allowed in queries without FROM clause"
        )
        raise error_at(node, words)
    return [(field.name, _visible(node, field, scope), None) for field in fields]


def _opened(node: exp.Expr, scope: Scope) -> tuple[Field, ...]:
    """What a star takes of tables whose columns are not known: any that is asked for later."""
    qualifier = tuple(part.name.lower() for part in node.parts[:-1]) if isinstance(node, exp.Column) else ()
    return tuple(
        each
        for each in scope.fields
        if each.discover is not None and (not qualifier or each.qualifier[-len(qualifier) :] == qualifier)
    )


def _row_named(node: exp.Expr, scope: Scope) -> Operand | None:
    """The row that stands before ``.*``, where no table has its name."""
    assert isinstance(node, exp.Column)  # noqa: S101 - what has a qualifier is one
    column = exp.Column(**dict(zip(("this", "table", "db", "catalog"), reversed(node.parts[:-1]), strict=False)))
    column.meta.update(node.meta)
    try:
        value = resolve(column, scope)
    except SqlError:
        return None
    return value if value.type.name == "row" else None


def _visible(node: exp.Expr, field: Field, scope: Scope) -> Operand:
    if scope.grouping is None:
        return Operand(field.sql, field.type)
    if (key := scope.grouping.keys.get(field.sql)) is None:
        raise error_at(node, f"'{field.name}' must be an aggregate expression or appear in GROUP BY clause")
    return key


def _finished(translator: Translator, node: exp.Select, scope: Scope, items: list[Item], tail: str) -> Relation:
    """Write the SELECT list, DISTINCT, ORDER BY and LIMIT around what the rows come from."""
    fields = tuple(
        Field(name, f"c{place}", value.type, origin=value.sql if value.type == UNKNOWN else "")
        for place, (name, value, _) in enumerate(items)
    )
    fields += tuple(field for each in node.expressions if _is_star(each) for field in _opened(each, scope))
    columns = [f"{_typed(value)} AS c{place}" for place, (_, value, _) in enumerate(items)]
    distinct = "DISTINCT " if node.args.get("distinct") else ""
    if distinct and any(value.type.find(*SKETCHES) or value.type.has_zones for _, value, _ in items):
        raise error_at(node, "DISTINCT of times in zones is not supported by this emulator; write AT TIME ZONE 'UTC'")
    order = node.args.get("order")
    orders = (
        [_order(translator, each, scope, items, is_distinct=bool(distinct)) for each in order.expressions]
        if order
        else []
    )
    limit = node.args.get("limit")
    if isinstance(limit, exp.Fetch) and _with_ties(limit):
        return Relation(_tied(node, columns, fields, orders, tail, distinct), fields)
    sql = f"SELECT {distinct}{', '.join(columns)}{tail}"
    if orders:
        sql += f" ORDER BY {', '.join(orders)}"
    return Relation(sql + limits(node), fields)


def _typed(value: Operand) -> str:
    return f"CAST({value.sql} AS {value.type.duckdb})" if value.is_constant else value.sql


def _order(translator: Translator, each: exp.Expr, scope: Scope, items: list[Item], *, is_distinct: bool) -> str:
    inner = each.this
    place = _ordinal(inner, len(items))
    if place is None and isinstance(inner, exp.Column) and not inner.table:
        named = [at for at, (name, _, _) in enumerate(items) if (name or "").lower() == inner.name.lower()]
        if len({items[at][1].sql for at in named}) > 1:
            raise error_at(inner, f"Column '{inner.name}' is ambiguous")
        place = named[0] if named else None
    if place is None:
        aliases = {name.lower(): value for name, value, _ in items if name is not None}
        is_source = {field.name.lower() for field in scope.fields if field.name}
        seen = replace(scope, aliases={name: value for name, value in aliases.items() if name not in is_source})
        value = translator.expression(inner, seen)
        same = [at for at, (_, item, _) in enumerate(items) if item.sql == value.sql]
        if is_distinct and not same:
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


def _ordinal(node: exp.Expr, count: int) -> int | None:
    if not (isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()):
        return None
    if not 1 <= int(node.name) <= count:
        raise error_at(node, f"ORDER BY position {node.name} is not in select list")
    return int(node.name) - 1


def _with_ties(limit: exp.Fetch) -> bool:
    options = limit.args.get("limit_options")
    return bool(options is not None and options.args.get("with_ties"))


def _count(node: exp.Expr) -> int:
    """Read a number of rows."""
    count = node.args.get("count") or node.args.get("expression")
    if count is None:
        return 1
    if not (isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit()):
        raise error_at(node, "A number of rows must be written out")
    return int(count.name)


def _tied(
    node: exp.Select, columns: list[str], fields: Sequence[Field], orders: list[str], tail: str, distinct: str
) -> str:
    """FETCH FIRST n ROWS WITH TIES: as many rows, and those that are equal to the last."""
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
    """Write LIMIT or FETCH FIRST, and OFFSET."""
    made, limit, offset = "", node.args.get("limit"), node.args.get("offset")
    if limit is not None and limit.text("expression").upper() != "ALL":
        made += f" LIMIT {_count(limit)}"
    if offset is not None:
        made += f" OFFSET {_count(offset)}"
    return made


_OPERATIONS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}


def set_operation(translator: Translator, node: exp.Expr, parent: Scope | None) -> Relation:
    """Write UNION, INTERSECT or EXCEPT."""
    name = _OPERATIONS[type(node)]
    if node.args.get("by_name"):
        raise error_at(node, f"{name} BY NAME is not Trino's")
    if any(node.this.args.get(clause) for clause in ("order", "limit", "offset")) and not _is_closed(node.this):
        raise error_at(node.this, f"mismatched input '{name}': put the query before it in parentheses")
    left, right = (translator.query(side, parent) for side in (node.this, node.expression))
    left, right = _like(left, right), _like(right, left)
    more = tuple(each for side in (left, right) if is_open(side) for each in side.fields if each.discover)
    left, right = (replace(side, fields=closed(side.fields)) for side in (left, right))
    if len(left.fields) != len(right.fields) and not more:
        raise error_at(node, f"{name} query has different number of fields: {len(left.fields)}, {len(right.fields)}")
    types = []
    for place, (one, other) in enumerate(zip(left.fields, right.fields, strict=not more), start=1):
        link([Operand(each.origin or each.sql, each.type) for each in (one, other)])
        common = common_type(one.type, other.type)
        if common is None:
            raise error_at(node, f"column {place} in {name} query has incompatible types: {one.type}, {other.type}")
        types.append(common)
    is_all = not node.args.get("distinct")
    if not is_all and any(type_.has_zones for type_ in types):
        raise error_at(node, f"{name} of times in zones is not supported by this emulator; write AT TIME ZONE 'UTC'")
    sides = [_brought(translator, side, types) for side in (left, right)]
    sql = f"({sides[0]}) {name}{' ALL' if is_all else ''} ({sides[1]})"
    fields = tuple(replace(field, type=type_) for field, type_ in zip(left.fields, types, strict=not more)) + more
    return _with_order(translator, node, Relation(sql, fields))


def _is_closed(node: exp.Expr) -> bool:
    return isinstance(node, exp.Subquery | exp.Paren)


def _like(side: Relation, other: Relation) -> Relation:
    """A table whose columns are not known has those of the other side, in their order."""
    names = [each.name.lower() for each in closed(other.fields) if each.name]
    opened = [each.discover for each in side.fields if each.discover is not None]
    if len(opened) != 1 or is_open(other) or len(names) != len(other.fields):
        return side
    opened[0].ordered(names)
    known = {(each.name or "").lower(): each for each in closed(side.fields)}
    made = []
    for name in names:
        sql, type_ = opened[0](name, is_qualified=True)
        made.append(replace(known.get(name) or Field(name, sql, type_), origin=sql, type=type_))
    return replace(side, fields=tuple(made))


def _brought(translator: Translator, side: Relation, types: Sequence[Type]) -> str:
    if all(field.type == type_ for field, type_ in zip(side.fields, types, strict=False)):
        return side.sql
    alias = translator.fresh("u")
    for field in side.fields:
        translator.note_origin(f"{alias}.{field.sql}", field.origin)
    columns = ", ".join(
        f"{coerced(Operand(f'{alias}.{field.sql}', field.type), type_).sql} AS {field.sql}"
        for field, type_ in zip(side.fields, types, strict=False)
    )
    return f"SELECT {columns} FROM ({side.sql}) AS {alias}"


def _with_order(translator: Translator, node: exp.Expr, relation: Relation) -> Relation:
    """Write the ORDER BY and the LIMIT of a set operation, VALUES or a query in parentheses."""
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
    orders = ", ".join(_order(translator, each, scope, items, is_distinct=False) for each in order.expressions)
    names = ", ".join(f"{alias}.{field.sql} AS {field.sql}" for field in relation.fields)
    return replace(relation, sql=f"SELECT {names} FROM ({relation.sql}) AS {alias} ORDER BY {orders}{limits(node)}")


def parenthesized(translator: Translator, node: exp.Subquery, parent: Scope | None) -> Relation:
    """Write a query in parentheses, with an ORDER BY of its own perhaps."""
    return _with_order(translator, node, translator.query(node.this, parent))
