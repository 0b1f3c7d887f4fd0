"""CAST, and the coercions that need none: how a value gets from one type to another.

See https://trino.io/docs/current/functions/conversion.html. A pair of types that is not listed has no cast.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from dagster_dune.emulator.dunesql.functions.registry import Operand, bound, text
from dagster_dune.emulator.dunesql.functions.times import shown
from dagster_dune.emulator.dunesql.types.trino import (
    DAY_TO_SECOND,
    FLOATS,
    INTEGERS,
    MICROS,
    PICOS,
    SKETCHES,
    WIDE,
    YEAR_TO_MONTH,
    ZONE,
    Type,
)  # fmt: skip


class NoCastError(ValueError):
    """There is no such cast."""


_TO_NUMBERS = (*INTEGERS, *FLOATS, "decimal")
_JSON_SOURCES = ("boolean", *_TO_NUMBERS, "varchar", "date", "timestamp", "array", "map", "row")
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
"""What each type can be cast to."""


class _Observer(Protocol):
    """Wants to know which types values of unknown type are taken for: `engine.table_schemas` does."""

    def observe(self, sql: str, target: Type, *, is_exact: bool) -> None:
        """A value of unknown type is taken for one of a type, and for no wider one if it is exact."""

    def derive(self, sql: str, origin: str) -> None:
        """A value of unknown type has the type of another one."""

    def link(self, sqls: Sequence[str]) -> None:
        """Values are of one type."""

    def compare(self, sql: str, text: str) -> None:
        """A value is compared with one that is written out."""


OBSERVER: ContextVar[_Observer | None] = ContextVar("OBSERVER", default=None)


def is_observed() -> bool:
    """Whether there is an observer, which finds out what values of unknown type are."""
    return OBSERVER.get() is not None


def suppose(value: Operand, target: Type, *, is_exact: bool = False) -> None:
    """Tell the observer, if there is one, what a value of unknown type may be taken for."""
    observer = OBSERVER.get()
    if observer is not None and value.type.name == "unknown":
        observer.observe(value.sql, target, is_exact=is_exact)


def derived(value: Operand, sources: Sequence[Operand]) -> Operand:
    """Tell the observer, if there is one, that a value of unknown type has the type of others; returns the value."""
    observer = OBSERVER.get()
    if observer is not None and value.type.name == "unknown":
        for source in sources:
            if source.type.name == "unknown" and source.sql != value.sql:
                observer.derive(value.sql, source.sql)
                break
    return value


def link(values: Sequence[Operand]) -> None:
    """Tell the observer, if there is one, that values are of one type."""
    observer = OBSERVER.get()
    if observer is None or not any(value.type.name == "unknown" for value in values):
        return
    observer.link([value.sql for value in values])
    if (known := next((value.type for value in values if value.type.name != "unknown"), None)) is not None:
        for value in values:
            suppose(value, known)


def note_compared(value: Operand, others: Sequence[Operand]) -> None:
    """Tell the observer, if there is one, which texts, bytes or whole numbers a value may be equal to."""
    observer = OBSERVER.get()
    if observer is None or value.is_constant:
        return
    for other in others:
        bytes_ = re.fullmatch(r"unhex\('(.*)'\)", other.sql)
        written = f"0x{bytes_[1].lower()}" if bytes_ else other.sql if other.type.is_integer else ""
        if text_ := other.literal or (written if other.is_constant else ""):
            observer.compare(value.sql, text_)


def coerced(value: Operand, target: Type) -> Operand:
    """Bring a value to a type that it is taken for without a cast."""
    suppose(value, target)
    if value.type == target or (value.type.name == target.name == "varchar"):
        return Operand(value.sql, target, literal=value.literal, is_constant=value.is_constant)
    return Operand(
        converted(value.sql, value.type, target), target, literal=value.literal, is_constant=value.is_constant
    )


def converted(sql: str, source: Type, target: Type) -> str:
    """Write a cast.

    Args:
        sql: The value.
        source: Its type.
        target: The other type.

    Raises:
        NoCastError: There is none between the two.
    """
    if source == target:
        return sql
    if source.name == "unknown":
        return f"CAST({sql} AS {target.duckdb})" if target.duckdb == "INTEGER" else f"CAST(NULL AS {target.duckdb})"
    if target.name not in _TARGETS.get(source.name, ()):
        raise NoCastError(f"Cannot cast {source} to {target}")
    rewrite = _REWRITES.get(target.name)
    return rewrite(sql, source, target) if rewrite else f"CAST({sql} AS {target.duckdb})"


def _to_boolean(sql: str, source: Type, target: Type) -> str:
    if source.name == "varchar":
        return f"py_boolean_cast({sql})"
    if source.name == "json":
        return _from_json(sql, target)
    return f"({sql} <> 0)"


def _to_integer(sql: str, source: Type, target: Type) -> str:
    if source.name == "varchar":
        return f"CAST(trino_strict_integer({sql}, '{target.name}') AS {target.duckdb})"
    if source.name == "json":
        return _from_json(sql, target)
    if source.is_float:
        return f"CAST(trino_rounded({sql}, '{target.name}') AS {target.duckdb})"
    return f"CAST({sql} AS {target.duckdb})"


def _to_float(sql: str, source: Type, target: Type) -> str:
    if source.name == "json":
        return _from_json(sql, target)
    if source.name == "varchar":
        sql = f"py_double_cast({sql}, '{target.name}')"
    elif source.name == "decimal":
        sql = f"CAST(CAST({sql} AS VARCHAR) AS DOUBLE)"
    if target.name == "real" and source.name in ("varchar", "double", *WIDE):
        return f"py_to_real(CAST({sql} AS DOUBLE))"
    return f"CAST({sql} AS {target.duckdb})"


def _to_decimal(sql: str, source: Type, target: Type) -> str:
    precision, scale = target.args
    if source.name == "json":
        return _from_json(sql, target)
    if source.name == "double":
        sql = f"py_double_plain({sql})"
    elif source.name == "real":
        sql = f"py_real_plain({sql})"
    elif source.is_wide:
        sql = f"CAST({sql} AS VARCHAR)"
    elif source.name == "boolean":
        return f"CAST(CAST({sql} AS INTEGER) AS {target.duckdb})"
    elif source.name != "varchar":
        return f"CAST({sql} AS {target.duckdb})"
    return f"CAST(py_decimal_cast({sql}, {precision}, {scale}) AS {target.duckdb})"


def _to_wide(sql: str, source: Type, target: Type) -> str:
    signed = str(target.name == "int256").lower()
    if source.is_integer or source.name in WIDE or source.name == "varchar":
        if source.is_integer and target.name == "int256":
            return f"CAST({sql} AS BIGNUM)"
        return f"py_wide_cast(CAST({sql} AS VARCHAR), {signed})"
    if source.is_float:
        return f"py_wide_of_double(CAST({sql} AS DOUBLE), {signed})"
    whole = f"CAST({sql} AS DECIMAL({min(38, source.args[0] - source.args[1] + 1)},0))"
    return f"py_wide_cast(CAST({whole} AS VARCHAR), {signed})"


def varchar_sql(sql: str, source: Type) -> str:
    """Write a value as a text of any length."""
    if source.name in ("varchar", "char"):
        return sql
    if source.name == "json":
        return f"py_json_text({sql})"
    if source.name in _TEXTS:
        return _TEXTS[source.name].format(sql)
    if source.is_precise:
        return f"trino_precise_text({sql}, {source.digits})"
    if source.name == "decimal" and source.args[0] == source.args[1]:
        return f"trino_decimal_text({sql})"
    if source.name in ("timestamp", "time"):
        return f"trino_{source.name}_text({sql}, {source.digits})"
    if source.name == "timestamp with time zone":
        zone = f"struct_extract({sql}, '{ZONE}')" if source.zoned else "'UTC'"
        return f"(trino_timestamp_text({shown(Operand(sql, source))}, {source.digits}) || ' ' || {zone})"
    return f"CAST({sql} AS VARCHAR)"


_TEXTS = {
    "double": "py_double_text({})",
    "real": "py_real_text({})",
    "varbinary": "('0x' || lower(hex({})))",
    DAY_TO_SECOND: "trino_day_interval_text({})",
    YEAR_TO_MONTH: "trino_month_interval_text({})",
}


def _to_varchar(sql: str, source: Type, target: Type) -> str:
    written = varchar_sql(sql, source)
    if not target.args:
        return written
    if source.name in ("varchar", "char"):
        is_shorter = source.args and source.args[0] <= target.args[0]
        return written if is_shorter else f"left({written}, {target.args[0]})"
    return f"trino_short_text({written}, {target.args[0]})"


def _to_char(sql: str, source: Type, target: Type) -> str:
    size = target.args[0]
    written = varchar_sql(sql, source)
    if source.name not in ("varchar", "char"):
        written = f"trino_short_text({written}, {size})"
    return f"rpad(left({written}, {size}), {size}, ' ')"


def _to_varbinary(sql: str, source: Type, target: Type) -> str:
    del target
    if source.name == "varchar":
        return f"encode({sql})"
    if source.is_wide:
        return f"py_wide_bytes({sql})"
    if source.name in SKETCHES:
        return f"encode(CAST(to_json({sql}) AS VARCHAR))"
    return f"unhex(replace(CAST({sql} AS VARCHAR), '-', ''))" if source.name == "uuid" else sql


def _to_date(sql: str, source: Type, target: Type) -> str:
    del target
    if source.name == "varchar":
        return f"py_date_cast({sql})"
    return f"CAST({shown(Operand(sql, source))} AS DATE)"


def _to_time(sql: str, source: Type, target: Type) -> str:
    if target.digits > 6:
        raise NoCastError(f"{target} is not supported by this emulator")
    if source.name == "varchar":
        return f"py_time_cast({sql}, {target.digits})"
    if source.name == "time":
        return sql if source.digits <= target.digits else f"trino_time_rounded({sql}, {10 ** (6 - target.digits)})"
    moment = shown(Operand(sql, source))
    whole = (
        moment if source.digits <= target.digits else f"trino_timestamp_rounded({moment}, {10 ** (6 - target.digits)})"
    )
    return f"CAST({whole} AS TIME)"


def _to_timestamp(sql: str, source: Type, target: Type) -> str:
    if source.name == "varchar":
        name = "py_precise_cast" if target.is_precise else "py_timestamp_cast"
        return f"{name}({sql}, {target.digits})"
    if source.name == "date":
        sql, digits = f"CAST({sql} AS TIMESTAMP)", 0
    elif source.is_precise:
        return _from_precise(sql, source, target)
    else:
        sql, digits = shown(Operand(sql, source)), source.digits
    if target.is_precise:
        return f"trino_precise({sql}, 0)"
    return sql if digits <= target.digits else f"trino_timestamp_rounded({sql}, {10 ** (6 - target.digits)})"


def _from_precise(sql: str, source: Type, target: Type) -> str:
    if source.digits <= target.digits:
        return sql
    if target.is_precise:
        return f"trino_precise_rounded({sql}, {10 ** (12 - target.digits)})"
    whole = f"(r.{MICROS} + to_microseconds(CAST(r.{PICOS} >= 500000 AS BIGINT)))"
    if target.digits < 6:
        whole = f"trino_timestamp_rounded(r.{MICROS}, {10 ** (6 - target.digits)})"
    return f"list_extract(list_transform([{sql}], lambda r: {whole}), 1)"


def _to_timestamp_tz(sql: str, source: Type, target: Type) -> str:
    if target.digits > 6 or source.is_precise:
        raise NoCastError(f"Cast of {source} to {target} is not supported by this emulator")
    if source.name == "varchar":
        made = f"py_zoned_cast({sql}, {target.digits})"
        return f"trino_zoned_read({made})" if target.zoned else f"trino_utc_read({made})"
    if source.zoned:
        if source.digits <= target.digits:
            return sql
        return f"trino_zoned_rounded({sql}, {10 ** (6 - target.digits)})"
    moment = sql if source.name == "timestamp with time zone" else f"CAST({sql} AS TIMESTAMPTZ)"
    if source.name != "date" and source.digits > target.digits:
        moment = (
            f"CAST(trino_timestamp_rounded(CAST({moment} AS TIMESTAMP), {10 ** (6 - target.digits)}) AS TIMESTAMPTZ)"
        )
    return f"trino_zoned({moment}, 'UTC')" if target.zoned else moment


def json_sql(sql: str, source: Type) -> str:
    """Write a value as JSON text; NULL stays NULL."""
    if source.name == "json":
        return sql
    if source.name == "unknown":
        return "CAST(NULL AS VARCHAR)"
    if source.name not in _JSON_SOURCES:
        raise NoCastError(f"Cannot cast {source} to json")
    if source.name in FLOATS:
        quoted = f"py_{source.name}_plain({sql})"
        return bound(
            quoted, lambda v: f"CASE WHEN {v} IN ('NaN', 'Infinity', '-Infinity') THEN '\"' || {v} || '\"' ELSE {v} END"
        )
    if source.name in ("varchar", "date", "timestamp"):
        return f"py_json_quote({varchar_sql(sql, source)})"
    if source.name == "array":
        inside = "dune_json_" + str(_depth(source))
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


def _depth(type_: Type) -> int:
    return 1 + max((_depth(part) for part in type_.of), default=0)


def _map_json(sql: str, source: Type) -> str:
    if source.of[0].name not in ("unknown", "varchar", "boolean", *_TO_NUMBERS):
        raise NoCastError(f"Cannot cast {source} to json")
    entry = f"dune_json_{_depth(source)}"
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


def _to_json(sql: str, source: Type, target: Type) -> str:
    del target
    return json_sql(sql, source)


def _json_shape(type_: Type) -> object:
    """A type as `runtime.documents.json_cast` reads it."""
    if type_.name == "row":
        return ["row", *([name or "", _json_shape(part)] for name, part in zip(type_.names, type_.of, strict=True))]
    if type_.of:
        return [type_.name, *map(_json_shape, type_.of)]
    if type_.name not in ("json", "boolean", "varchar", *_TO_NUMBERS, *WIDE):
        raise NoCastError(f"Cannot cast json to {type_}")
    return "varchar" if type_.name == "varchar" else str(type_)


def _from_json(sql: str, target: Type) -> str:
    """Python reads the document, and writes each scalar as the type is written."""
    made = f"py_json_cast({sql}, {text(json.dumps(_json_shape(target)))})"
    if not target.of:
        return _scalar_of_json(f"json_extract_string({made}, '$')", target)
    return _built(f"CAST({made} AS JSON)", target)


def _scalar_of_json(sql: str, target: Type) -> str:
    if target.name in ("varchar", "json"):
        return sql
    return f"CAST({sql} AS {target.duckdb})"


def _built(sql: str, target: Type) -> str:
    """Build a value of JSON that `json_cast` has made."""
    name = f"dune_item_{_depth(target)}"
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


def _to_array(sql: str, source: Type, target: Type) -> str:
    if source.name == "json":
        return _from_json(sql, target)
    name = f"dune_element_{_depth(source)}"
    return f"list_transform({sql}, lambda {name}: {converted(name, source.of[0], target.of[0])})"


def _to_map(sql: str, source: Type, target: Type) -> str:
    if source.name == "json":
        return _from_json(sql, target)
    name = f"dune_element_{_depth(source)}"
    key = converted(f"{name}.key", source.of[0], target.of[0])
    value = converted(f"{name}.value", source.of[1], target.of[1])
    return f"trino_map_from_entries(list_transform(map_entries({sql}), lambda {name}: {{'k': {key}, 'v': {value}}}))"


def _to_row(sql: str, source: Type, target: Type) -> str:
    if source.name == "json":
        return _from_json(sql, target)
    if len(source.of) != len(target.of):
        raise NoCastError(f"Cannot cast {source} to {target}")
    if source.duckdb == target.duckdb:
        return sql

    def whole(v: str) -> str:
        fields = ", ".join(
            f"f{place} := {converted(f'struct_extract_at({v}, {place + 1})', one, other)}"
            for place, (one, other) in enumerate(zip(source.of, target.of, strict=True))
        )
        return f"CASE WHEN {v} IS NOT NULL THEN struct_pack({fields}) END"

    return bound(sql, whole)


def _to_sketch(sql: str, source: Type, target: Type) -> str:
    """Bytes that the cast to varbinary has made; other ones are none."""
    return sql if source.name == target.name else f"CAST(CAST(decode({sql}) AS JSON) AS {target.duckdb})"


def _to_uuid(sql: str, source: Type, target: Type) -> str:
    del target
    return f"CAST(hex({sql}) AS UUID)" if source.name == "varbinary" else f"CAST({sql} AS UUID)"


_REWRITES: dict[str, Callable[[str, Type, Type], str]] = {
    "boolean": _to_boolean,
    **dict.fromkeys(INTEGERS, _to_integer),
    **dict.fromkeys(FLOATS, _to_float),
    "decimal": _to_decimal,
    **dict.fromkeys(WIDE, _to_wide),
    "varchar": _to_varchar,
    "char": _to_char,
    "varbinary": _to_varbinary,
    "date": _to_date,
    "time": _to_time,
    "timestamp": _to_timestamp,
    "timestamp with time zone": _to_timestamp_tz,
    "json": _to_json,
    "array": _to_array,
    "map": _to_map,
    "row": _to_row,
    "uuid": _to_uuid,
    **dict.fromkeys(SKETCHES, _to_sketch),
}
