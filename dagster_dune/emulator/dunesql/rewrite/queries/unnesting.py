"""Translates UNNEST of arrays, maps and arrays of rows."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.observation import elements_of, is_observed
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, Translator
from dagster_dune.emulator.dunesql.types.trino import BIGINT, UNKNOWN, Type


def unnest(translator: Translator, node: exp.Unnest, scope: Scope, *, keeps_rows: bool = False) -> Relation:
    """Translate UNNEST: a column for each array, two for each map, one for each field of rows, padded with NULL.

    With a LEFT JOIN, rows without elements remain.
    """
    alias = translator.fresh("t")
    lists: list[tuple[str, Type]] = []
    fields: list[Field] = []
    lengths = []
    for argument in node.expressions:
        value = translator.expression(argument, scope)
        translator.note_origin(f"{alias}.c{len(lists)}", elements_of(value))
        for name, sql, type_ in _parts(node, value):
            fields.append(Field(name, f"{alias}.c{len(lists)}", type_))
            lists.append((sql, type_))
        lengths.append(
            f"coalesce(CAST({'cardinality' if value.type.name == 'map' else 'len'}({value.sql}) AS BIGINT), 0)"
        )
    count = f"greatest({', '.join(lengths)})" if len(lengths) > 1 else lengths[0]
    offset = node.args.get("offset")
    if offset:
        fields.append(Field(None, f"{alias}.c{len(lists)}", BIGINT))
        lists.append((f"range(1, {count} + 1)", BIGINT))
    if keeps_rows:
        lists = [
            (f"CASE WHEN {count} = 0 THEN CAST([NULL] AS {type_.duckdb}[]) ELSE {sql} END", type_)
            for sql, type_ in lists
        ]
    columns = [f"unnest({sql}) AS c{place}" for place, (sql, _) in enumerate(lists)]
    return Relation(f"LATERAL (SELECT {', '.join(columns)}) AS {alias}", tuple(fields))


def with_offset_name(node: exp.Unnest) -> exp.Expr:
    """Return UNNEST with the alias of the ordinality, which sqlglot stores separately."""
    offset = node.args.get("offset")
    alias = node.args.get("alias")
    if not isinstance(offset, exp.Identifier) or alias is None or not alias.columns:
        return node
    copy = node.copy()
    copy.meta.update(node.meta)
    copy.args["alias"].set("columns", [*copy.args["alias"].columns, offset.copy()])
    return copy


def _parts(node: exp.Expr, value: Operand) -> list[tuple[str | None, str, Type]]:
    if value.type.name == "map":
        key, item = value.type.of
        return [(None, f"map_keys({value.sql})", key), (None, f"map_values({value.sql})", item)]
    if value.type.name == "unknown" and is_observed():
        return [(None, value.sql, UNKNOWN)]
    if value.type.name != "array":
        raise error_at(node, f"Cannot unnest type: {value.type}")
    element = value.type.of[0]
    if element.name != "row":
        return [(None, value.sql, element)]
    return [
        (name, f"list_transform({value.sql}, lambda dune_row: struct_extract_at(dune_row, {place + 1}))", type_)
        for place, (name, type_) in enumerate(zip(element.names, element.of, strict=True))
    ]
