"""Translates the items of a SELECT list, and expands stars."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.queries.ordering import Item
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Scope, Translator, resolve, row_field
from dagster_dune.emulator.sql_errors import SqlError


def is_star(node: exp.Expr) -> bool:
    """Return whether an item of a SELECT list is ``*``, ``t.*`` or ``(row).*``."""
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column | exp.Dot) and isinstance(
        node.this if isinstance(node, exp.Column) else node.expression, exp.Star))  # fmt: skip


def select_items(translator: Translator, node: exp.Select, scope: Scope) -> list[Item]:
    """Return the columns of a SELECT, with their names and nodes."""
    items: list[Item] = []
    for each in node.expressions:
        if is_star(each):
            items += _star(translator, each, scope)
        elif isinstance(each, exp.Alias):
            items.append((each.alias, translator.expression(each.this, scope), each.this))
        elif isinstance(each, exp.Aliases):
            items += _renamed_star(translator, each, scope)
        else:
            items.append((_own_name(each), translator.expression(each, scope), each))
    return items


def _renamed_star(translator: Translator, node: exp.Aliases, scope: Scope) -> list[Item]:
    """Expand ``t.* AS (a, b)``, which renames all columns of a star."""
    if not is_star(node.this):
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
    if not fields and not opened_fields(node, scope) and qualifier and scope.parent is not None:
        return _star(translator, node, scope.parent)
    if not fields and not opened_fields(node, scope):
        words = (
            f"Table '{'.'.join(qualifier)}' not found"
            if qualifier
            else "SELECT * not allowed in queries without FROM clause"
        )
        raise error_at(node, words)
    return [(field.name, _visible(node, field, scope), None) for field in fields]


def opened_fields(node: exp.Expr, scope: Scope) -> tuple[Field, ...]:
    """Return fields of tables with unknown columns in a star, which can be discovered later."""
    qualifier = tuple(part.name.lower() for part in node.parts[:-1]) if isinstance(node, exp.Column) else ()
    return tuple(
        each
        for each in scope.fields
        if each.discover is not None and (not qualifier or each.qualifier[-len(qualifier) :] == qualifier)
    )


def _row_named(node: exp.Expr, scope: Scope) -> Operand | None:
    """Return the row before ``.*``, if no table has its name."""
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
