"""Translates casts to texts, bytes and UUIDs."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.functions.times import shown
from dagster_dune.emulator.dunesql.types.trino import DAY_TO_SECOND, SKETCHES, YEAR_TO_MONTH, ZONE, Type


def varchar_sql(sql: str, source: Type) -> str:
    """Return SQL of a value as a text of any length."""
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


def to_varchar(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a text, which fails for values that are too long, except texts, which are truncated."""
    written = varchar_sql(sql, source)
    if not target.args:
        return written
    if source.name in ("varchar", "char"):
        is_shorter = source.args and source.args[0] <= target.args[0]
        return written if is_shorter else f"left({written}, {target.args[0]})"
    return f"trino_short_text({written}, {target.args[0]})"


def to_char(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a text of a fixed length."""
    size = target.args[0]
    written = varchar_sql(sql, source)
    if source.name not in ("varchar", "char"):
        written = f"trino_short_text({written}, {size})"
    return f"rpad(left({written}, {size}), {size}, ' ')"


def to_varbinary(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to bytes."""
    del target
    if source.name == "varchar":
        return f"encode({sql})"
    if source.is_wide:
        return f"py_wide_bytes({sql})"
    if source.name in SKETCHES:
        return f"encode(CAST(to_json({sql}) AS VARCHAR))"
    return f"unhex(replace(CAST({sql} AS VARCHAR), '-', ''))" if source.name == "uuid" else sql


def to_uuid(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a UUID."""
    del target
    return f"CAST(hex({sql}) AS UUID)" if source.name == "varbinary" else f"CAST({sql} AS UUID)"
