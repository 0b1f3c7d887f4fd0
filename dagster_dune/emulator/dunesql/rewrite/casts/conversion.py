"""Translates CAST and implicit coercions.

See https://trino.io/docs/current/functions/conversion.html. Pairs of types that are not listed have no cast.
"""

from __future__ import annotations

from collections.abc import Callable

from dagster_dune.emulator.dunesql.functions.registry import Operand, RefusedError, bound
from dagster_dune.emulator.dunesql.rewrite.casts import documents, numbers, texts, times
from dagster_dune.emulator.dunesql.rewrite.observation import observe_type
from dagster_dune.emulator.dunesql.types.trino import (  # fmt: skip
    DAY_TO_SECOND,
    FLOATS,
    INTEGERS,
    SKETCHES,
    WIDE,
    YEAR_TO_MONTH,
    Type,
)

_TO_NUMBERS = (*INTEGERS, *FLOATS, "decimal")
_TARGETS: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean", *_TO_NUMBERS, "varchar", "char", "json"),
    **dict.fromkeys(INTEGERS, ("boolean", *_TO_NUMBERS, *WIDE, "varchar", "char", "json")),
    **dict.fromkeys(FLOATS, ("boolean", *_TO_NUMBERS, *WIDE, "varchar", "char", "json")),
    "decimal": ("boolean", *_TO_NUMBERS, *WIDE, "varchar", "char", "json"),
    **dict.fromkeys(WIDE, (*_TO_NUMBERS, *WIDE, "varchar", "varbinary")),
    "varchar": (
        "boolean", *_TO_NUMBERS, *WIDE, "varchar", "char", "varbinary", "date", "time", "timestamp",
        "timestamp with time zone", "json", "uuid",
    ),
    "char": ("varchar", "char"),
    "varbinary": ("varbinary", "varchar", "uuid", *SKETCHES),
    "date": ("date", "varchar", "timestamp", "timestamp with time zone", "json"),
    "time": ("time", "varchar"),
    "timestamp": ("timestamp", "date", "time", "timestamp with time zone", "varchar", "json"),
    "timestamp with time zone": ("timestamp with time zone", "timestamp", "date", "time", "varchar"),
    DAY_TO_SECOND: (DAY_TO_SECOND, "varchar"),
    YEAR_TO_MONTH: (YEAR_TO_MONTH, "varchar"),
    "json": ("json", "boolean", *_TO_NUMBERS, "varchar", "array", "map", "row"),
    "uuid": ("uuid", "varchar", "varbinary"),
    "array": ("array", "json"),
    "map": ("map", "json"),
    "row": ("row", "json"),
    "hyperloglog": ("hyperloglog", "varbinary"),
    "tdigest": ("tdigest", "varbinary"),
    "qdigest": ("qdigest", "varbinary"),
}  # fmt: skip
"""The types that each type can be cast to."""


def coerced(value: Operand, target: Type) -> Operand:
    """Return a value that is implicitly coerced to a type."""
    observe_type(value, target)
    if value.type == target or (value.type.name == target.name == "varchar"):
        return Operand(value.sql, target, literal=value.literal, is_constant=value.is_constant)
    return Operand(
        converted(value.sql, value.type, target), target, literal=value.literal, is_constant=value.is_constant
    )


def converted(sql: str, source: Type, target: Type) -> str:
    """Return the SQL of a cast.

    Args:
        sql: The value.
        source: The type of the value.
        target: The other type.

    Raises:
        RefusedError: There is no cast between the types.
    """
    if source == target:
        return sql
    if source.name == "unknown":
        return f"CAST({sql} AS {target.duckdb})" if target.duckdb == "INTEGER" else f"CAST(NULL AS {target.duckdb})"
    if target.name not in _TARGETS.get(source.name, ()):
        raise RefusedError(f"Cannot cast {source} to {target}")
    if target.name == "json":
        return documents.json_sql(sql, source)
    if source.name == "json" and target.name != "varchar":
        return documents.from_json(sql, target)
    rewrite = _REWRITES.get(target.name)
    return rewrite(sql, source, target) if rewrite else f"CAST({sql} AS {target.duckdb})"


def _to_array(sql: str, source: Type, target: Type) -> str:
    name = f"dune_element_{documents.depth_of(source)}"
    return f"list_transform({sql}, lambda {name}: {converted(name, source.of[0], target.of[0])})"


def _to_map(sql: str, source: Type, target: Type) -> str:
    name = f"dune_element_{documents.depth_of(source)}"
    key = converted(f"{name}.key", source.of[0], target.of[0])
    value = converted(f"{name}.value", source.of[1], target.of[1])
    return f"trino_map_from_entries(list_transform(map_entries({sql}), lambda {name}: {{'k': {key}, 'v': {value}}}))"


def _to_row(sql: str, source: Type, target: Type) -> str:
    if len(source.of) != len(target.of):
        raise RefusedError(f"Cannot cast {source} to {target}")
    if source.of == target.of:
        return sql

    def whole(v: str) -> str:
        fields = ", ".join(
            f"f{place} := {converted(f'struct_extract_at({v}, {place + 1})', one, other)}"
            for place, (one, other) in enumerate(zip(source.of, target.of, strict=True))
        )
        return f"CASE WHEN {v} IS NOT NULL THEN struct_pack({fields}) END"

    return bound(sql, whole)


def _to_sketch(sql: str, source: Type, target: Type) -> str:
    """Return a sketch from bytes that the cast to varbinary has returned; other bytes are invalid."""
    return sql if source.name == target.name else f"CAST(CAST(decode({sql}) AS JSON) AS {target.duckdb})"


_REWRITES: dict[str, Callable[[str, Type, Type], str]] = {
    "boolean": numbers.to_boolean,
    **dict.fromkeys(INTEGERS, numbers.to_integer),
    **dict.fromkeys(FLOATS, numbers.to_float),
    "decimal": numbers.to_decimal,
    **dict.fromkeys(WIDE, numbers.to_wide),
    "varchar": texts.to_varchar,
    "char": texts.to_char,
    "varbinary": texts.to_varbinary,
    "date": times.to_date,
    "time": times.to_time,
    "timestamp": times.to_timestamp,
    "timestamp with time zone": times.to_timestamp_tz,
    "array": _to_array,
    "map": _to_map,
    "row": _to_row,
    "uuid": texts.to_uuid,
    **dict.fromkeys(SKETCHES, _to_sketch),
}
