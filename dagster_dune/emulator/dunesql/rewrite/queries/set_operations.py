"""Translates UNION, INTERSECT and EXCEPT, whose columns are coerced to common supertypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced
from dagster_dune.emulator.dunesql.rewrite.discovery import UnitedTables
from dagster_dune.emulator.dunesql.rewrite.observation import link
from dagster_dune.emulator.dunesql.rewrite.queries.ordering import with_own_order
from dagster_dune.emulator.dunesql.rewrite.scopes import Discover, Field, Relation, Scope, Translator, closed, is_open
from dagster_dune.emulator.dunesql.types.coercion import common_type
from dagster_dune.emulator.dunesql.types.trino import Type

_OPERATIONS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}


def set_operation(translator: Translator, node: exp.Expr, parent: Scope | None) -> Relation:
    """Translate UNION, INTERSECT or EXCEPT."""
    name = _OPERATIONS[type(node)]
    if node.args.get("by_name"):
        raise error_at(node, f"{name} BY NAME is not Trino's")
    if any(node.this.args.get(clause) for clause in ("order", "limit", "offset")) and not _is_closed(node.this):
        raise error_at(node.this, f"mismatched input '{name}': put the query before it in parentheses")
    left, right = (translator.query(side, parent) for side in (node.this, node.expression))
    left, right = _with_columns_of(left, right), _with_columns_of(right, left)
    left, right, more = _united(left, right)
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
    sides = [_coerced(translator, side, types) for side in (left, right)]
    sql = f"({sides[0]}) {name}{' ALL' if is_all else ''} ({sides[1]})"
    fields = tuple(replace(field, type=type_) for field, type_ in zip(left.fields, types, strict=not more)) + more
    return with_own_order(translator, node, Relation(sql, fields))


def _united(left: Relation, right: Relation) -> tuple[Relation, Relation, tuple[Field, ...]]:
    """Unite two tables with unknown columns that stars select, which have the same columns in the same order.

    A column that only one side selects besides its star is one of the other table.

    Returns:
        The sides with their known columns, and the fields from which later columns are discovered.
    """
    sides = (left, right)
    opened = [[each for each in side.fields if each.discover is not None] for side in sides]
    tables = tuple(each.discover for side in opened for each in side if each.discover is not None)
    beside = [_own_columns(side) for side in sides]
    if [len(side) for side in opened] != [1, 1]:
        one, other = (replace(side, fields=closed(side.fields)) for side in sides)
        return one, other, tuple(each for side in opened for each in side)
    names = [{(each.name or "").lower() for each in own} for own in beside]
    alone: list[frozenset[str]] = [frozenset(), frozenset()]
    if len(beside[0]) != len(beside[1]):
        alone = [frozenset(names[place] - names[1 - place] - {""}) for place in (0, 1)]
    united = UnitedTables(tables, tuple(alone))
    columns = tuple(dict.fromkeys((*united.order, *sorted(united.names))))
    if united.order:
        united.ordered(columns)
    one, other = (
        replace(side, fields=_aligned(table, columns, own, lacking))
        for side, table, own, lacking in zip(sides, tables, beside, alone, strict=True)
    )
    return one, other, (replace(opened[0][0], discover=united),)


def _own_columns(side: Relation) -> list[Field]:
    """Return the columns of a side that are not those of the table with unknown columns."""
    known = {name for each in side.fields if each.discover is not None for name in each.discover.names}
    return [each for each in closed(side.fields) if (each.name or "").lower() not in known]


def _aligned(
    table: Discover, columns: Sequence[str], own: Sequence[Field], lacking: frozenset[str]
) -> tuple[Field, ...]:
    """Return the columns of a side in the common order: those of its table, or its own columns in place of them."""
    standing = {(each.name or "").lower(): each for each in own if (each.name or "").lower() in lacking}
    made = []
    for name in columns:
        if name in standing:
            made.append(standing[name])
            continue
        sql, type_ = table(name, is_qualified=True)
        made.append(Field(name, sql, type_, origin=sql))
    return (*made, *(each for each in own if each not in standing.values()))


def _is_closed(node: exp.Expr) -> bool:
    return isinstance(node, exp.Subquery | exp.Paren)


def _with_columns_of(side: Relation, other: Relation) -> Relation:
    """Return a side with unknown columns with the columns of the other side, in their order."""
    names = [each.name.lower() for each in closed(other.fields) if each.name]
    opened = [each.discover for each in side.fields if each.discover is not None]
    if len(opened) != 1 or is_open(other) or len(names) != len(other.fields):
        return side
    known = {(each.name or "").lower(): each for each in closed(side.fields)}
    own = set(known) - set(opened[0].names)
    opened[0].ordered([name for name in names if name not in own])
    made = []
    for name in names:
        if name in own:
            made.append(known[name])
            continue
        sql, type_ = opened[0](name, is_qualified=True)
        made.append(replace(known.get(name) or Field(name, sql, type_), origin=sql, type=type_))
    return replace(side, fields=tuple(made))


def _coerced(translator: Translator, side: Relation, types: Sequence[Type]) -> str:
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
