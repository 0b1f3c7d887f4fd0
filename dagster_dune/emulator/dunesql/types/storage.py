"""Types of stored columns: their Trino types, and the SQL that converts their values to the form in queries.

Most follow from the types of DuckDB. Other types (int256, JSON, intervals, the precision of times) are stored in the
comments of columns.
"""

from __future__ import annotations

import re

from dagster_dune._splitting import split_at_commas
from dagster_dune.emulator.dunesql.types.parsing import read_type  # fmt: skip
from dagster_dune.emulator.dunesql.types.trino import (  # fmt: skip
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    JSON,
    MOMENT,
    REAL,
    SMALLINT,
    TINYINT,
    UINT256,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    ZONE,
    Type,
    array,
    decimal,
    row,
    timestamp,
    timestamp_tz,
)

_SIMPLE_TYPES = {
    "BOOLEAN": BOOLEAN, "TINYINT": TINYINT, "SMALLINT": SMALLINT, "INTEGER": INTEGER, "BIGINT": BIGINT, "FLOAT": REAL,
    "DOUBLE": DOUBLE, "BIGNUM": UINT256, "VARCHAR": VARCHAR, "BLOB": VARBINARY, "DATE": DATE,
    "TIME": Type("time", (3,)),
    "TIMESTAMP": timestamp(3), "TIMESTAMP WITH TIME ZONE": timestamp_tz(3), "TIMESTAMPTZ": timestamp_tz(3),
    "UUID": Type("uuid"), "INTERVAL": INTERVAL_DAY, "JSON": JSON, '"NULL"': UNKNOWN, "NULL": UNKNOWN,
    "UTINYINT": SMALLINT, "USMALLINT": INTEGER, "UINTEGER": BIGINT, "UBIGINT": decimal(20, 0),
    "HUGEINT": decimal(38, 0),
    "TIMESTAMP_S": timestamp(0), "TIMESTAMP_MS": timestamp(3), "TIMESTAMP_NS": timestamp(9),
}  # fmt: skip
_CONVERSIONS = {
    "INTERVAL": "(epoch_us(TIMESTAMP '1970-01-01' + $) // 1000)",
    "JSON": "CAST($ AS VARCHAR)",
    "TIMESTAMP_S": "CAST($ AS TIMESTAMP)",
    "TIMESTAMP_MS": "CAST($ AS TIMESTAMP)",
    "TIMESTAMP_NS": "trino_precise(CAST($ AS TIMESTAMP), epoch_ns($) % 1000 * 1000)",
}


def stored_type(name: str, comment: str | None = None) -> tuple[Type, str]:
    """Return the type of a column, and the SQL that reads its values.

    Args:
        name: The type in DuckDB's syntax.
        comment: The comment of the column, if there is one.

    Returns:
        The Trino type, and SQL of DuckDB in which ``$`` is the column.

    Examples:
        >>> str(stored_type("DECIMAL(38,2)[]")[0]), str(stored_type("MAP(VARCHAR, BIGINT)")[0])
        ('array(decimal(38,2))', 'map(varchar, bigint)')
    """
    if comment:
        try:
            written = comment.removesuffix(" zoned")
            type_ = read_type(written)
        except ValueError:
            pass
        else:
            return (timestamp_tz(type_.digits, zoned=True) if written != comment else type_), "$"
    return _parse(name, 0)


def comment_for(type_: Type) -> str | None:
    """Return the comment for a column, None if its type follows from DuckDB's."""
    if type_.zoned:
        return f"{type_} zoned"
    return None if stored_type(type_.duckdb)[0] == type_ else str(type_)


def _parse(name: str, depth: int) -> tuple[Type, str]:
    if name.endswith("[]"):
        inside, sql = _parse(name[:-2], depth + 1)
        element = f"dune_stored_{depth}"
        return array(inside), "$" if sql == "$" else f"list_transform($, lambda {element}: {sql.replace('$', element)})"
    if name.startswith("DECIMAL"):
        precision, scale = re.findall(r"\d+", name)
        return decimal(int(precision), int(scale)), "$"
    kind, _, inner = name.partition("(")
    if kind == "MAP":
        parts = [_parse(part, depth + 1) for part in split_at_commas(inner[:-1])]
        return Type("map", of=tuple(type_ for type_, _ in parts)), "$"
    if kind in ("STRUCT", "TUPLE"):
        return _parse_struct(kind, inner[:-1], depth)
    if name.startswith("ENUM"):
        return VARCHAR, "CAST($ AS VARCHAR)"
    type_ = _SIMPLE_TYPES.get(name)
    if type_ is None:
        return VARCHAR, "CAST($ AS VARCHAR)"
    return type_, _CONVERSIONS.get(
        name, f"CAST($ AS {type_.duckdb})" if name.startswith(("U", "H")) and name != "UUID" else "$"
    )


def _parse_struct(kind: str, inner: str, depth: int) -> tuple[Type, str]:
    if inner.startswith(f"{MOMENT} "):
        return timestamp_tz(
            3, zoned=True
        ), f"struct_pack({MOMENT} := struct_extract($, '{MOMENT}'), {ZONE} := struct_extract($, '{ZONE}'))"
    names: list[str | None] = []
    parts = []
    for field in split_at_commas(inner):
        quoted = re.match(r'"((?:[^"]|"")*)" ', field)
        if kind == "TUPLE":
            names.append(None)
            parts.append(_parse(field, depth + 1))
        elif quoted:
            names.append(quoted[1].replace('""', '"'))
            parts.append(_parse(field[quoted.end() :], depth + 1))
        else:
            field_name, type_name = field.split(" ", 1)
            names.append(field_name)
            parts.append(_parse(type_name, depth + 1))
    type_ = row(tuple(part for part, _ in parts), tuple(names))
    fields = ", ".join(
        f"f{place} := {sql.replace('$', f'struct_extract_at($, {place + 1})')}" for place, (_, sql) in enumerate(parts)
    )
    return type_, f"CASE WHEN $ IS NOT NULL THEN struct_pack({fields}) END"


def trino_type(name: str) -> str:
    """Return the name of a DuckDB type in results.

    Examples:
        >>> trino_type("TIMESTAMP"), trino_type("VARCHAR[]")
        ('timestamp(3)', 'array(varchar)')
    """
    return stored_type(name)[0].shown
