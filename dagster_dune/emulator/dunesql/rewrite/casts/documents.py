"""Translates casts to JSON and from JSON."""

from __future__ import annotations

import json

from dagster_dune.emulator.dunesql.functions.registry import RefusedError, bound, text
from dagster_dune.emulator.dunesql.rewrite.casts.texts import varchar_sql
from dagster_dune.emulator.dunesql.types.trino import FLOATS, INTEGERS, WIDE, Type

_NUMBERS = (*INTEGERS, *FLOATS, "decimal")
JSON_SOURCES = ("boolean", *_NUMBERS, "varchar", "date", "timestamp", "array", "map", "row")
"""The types that can be cast to JSON."""


def json_sql(sql: str, source: Type) -> str:
    """Return SQL of a value as JSON text, which is NULL for NULL."""
    if source.name == "json":
        return sql
    if source.name == "unknown":
        return "CAST(NULL AS VARCHAR)"
    if source.name not in JSON_SOURCES:
        raise RefusedError(f"Cannot cast {source} to json")
    if source.name in FLOATS:
        quoted = f"py_{source.name}_plain({sql})"
        return bound(
            quoted, lambda v: f"CASE WHEN {v} IN ('NaN', 'Infinity', '-Infinity') THEN '\"' || {v} || '\"' ELSE {v} END"
        )
    if source.name in ("varchar", "date", "timestamp"):
        return f"py_json_quote({varchar_sql(sql, source)})"
    if source.name == "array":
        inside = "dune_json_" + str(depth_of(source))
        part = json_sql(inside, source.of[0])
        return bound(
            sql,
            lambda v: (
                f"'[' || array_to_string(list_transform({v}, lambda {inside}: coalesce({part}, 'null')), ',') || ']'"
            ),
        )
    if source.name == "map":
        return _map_json(sql, source)
    if source.name == "row":
        return _row_json(sql, source)
    return varchar_sql(sql, source)


def depth_of(type_: Type) -> int:
    """Return the nesting depth of a type, with which names of nested lambdas are unique."""
    return 1 + max((depth_of(part) for part in type_.of), default=0)


def _map_json(sql: str, source: Type) -> str:
    if source.of[0].name not in ("unknown", "varchar", "boolean", *_NUMBERS):
        raise RefusedError(f"Cannot cast {source} to json")
    entry = f"dune_json_{depth_of(source)}"
    written = f"{entry}.key"
    written = f"py_{source.of[0]}_plain({written})" if source.of[0].is_float else varchar_sql(written, source.of[0])
    key = f"py_json_quote({written})"
    value = f"coalesce({json_sql(f'{entry}.value', source.of[1])}, 'null')"
    made = f"list_sort(list_transform(map_entries({{v}}), lambda {entry}: {key} || ':' || {value}))"
    return bound(
        sql,
        lambda v: f"'{{' || array_to_string({made.replace('{v}', v)}, ',') || '}}'".replace("{{", "{").replace(
            "}}", "}"
        ),
    )


def _row_json(sql: str, source: Type) -> str:
    def whole(v: str) -> str:
        parts = []
        for place, (name, type_) in enumerate(zip(source.names, source.of, strict=True)):
            key = text(json.dumps(name or "", ensure_ascii=False) + ":")
            parts.append(f"{key} || coalesce({json_sql(f'struct_extract_at({v}, {place + 1})', type_)}, 'null')")
        joined = " || ',' || ".join(parts)
        return f"CASE WHEN {v} IS NOT NULL THEN '{{' || {joined} || '}}' END".replace("{{", "{").replace("}}", "}")

    return bound(sql, whole)


def _json_shape(type_: Type) -> object:
    """Return a type in the form for `runtime.documents.casts`."""
    if type_.name == "row":
        return ["row", *([name or "", _json_shape(part)] for name, part in zip(type_.names, type_.of, strict=True))]
    if type_.of:
        return [type_.name, *map(_json_shape, type_.of)]
    if type_.name not in ("json", "boolean", "varchar", *_NUMBERS, *WIDE):
        raise RefusedError(f"Cannot cast json to {type_}")
    return "varchar" if type_.name == "varchar" else str(type_)


def from_json(sql: str, target: Type) -> str:
    """Return SQL of a cast from JSON, which a function in Python parses."""
    made = f"py_json_cast({sql}, {text(json.dumps(_json_shape(target)))})"
    if not target.of:
        return _scalar_of_json(f"json_extract_string({made}, '$')", target)
    return _built(f"CAST({made} AS JSON)", target)


def _scalar_of_json(sql: str, target: Type) -> str:
    if target.name in ("varchar", "json"):
        return sql
    return f"CAST({sql} AS {target.duckdb})"


def _built(sql: str, target: Type) -> str:
    """Return SQL that builds a value from the JSON of `json_cast`."""
    name = f"dune_item_{depth_of(target)}"
    if target.name == "array":
        return f"list_transform(CAST({sql} AS JSON[]), lambda {name}: {_built(name, target.of[0])})"
    if target.name == "map":
        key = _built(f"json_extract({name}, '$[0]')", target.of[0])
        value = _built(f"json_extract({name}, '$[1]')", target.of[1])
        made = f"list_transform(CAST({sql} AS JSON[]), lambda {name}: {{'k': {key}, 'v': {value}}})"
        return f"trino_map_from_entries({made})"
    if target.name == "row":
        sources = [f"json_extract({{v}}, '$.f{place}')" for place in range(len(target.of))]
        parts = [_built(source, part) for source, part in zip(sources, target.of, strict=True)]
        fields = ", ".join(f"f{place} := {part}" for place, part in enumerate(parts))
        return bound(
            sql, lambda v: f"CASE WHEN json_type({v}) <> 'NULL' THEN struct_pack({fields.replace('{v}', v)}) END"
        )
    return _scalar_of_json(f"json_extract_string({sql}, '$')", target)
