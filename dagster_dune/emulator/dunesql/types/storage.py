"""Columns of tables: which of Trino's types one has, and how values come into the form that queries work with.

DuckDB's own type tells most; where it does not (int256, JSON, intervals, digits of a time), the type is written in the
comment of the column.
"""

from __future__ import annotations

import re

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

_PLAIN = {
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
    """Tell the type of a column, and how its values are read.

    Args:
        name: The type as DuckDB describes it.
        comment: The comment of the column, if there is one.

    Returns:
        Trino's type, and DuckDB's SQL in which ``$`` stands for the column.

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
    return _read(name, 0)


def comment_for(type_: Type) -> str | None:
    """What must be written in the comment of a column, None where DuckDB's type says it all."""
    if type_.zoned:
        return f"{type_} zoned"
    return None if stored_type(type_.duckdb)[0] == type_ else str(type_)


def _read(name: str, depth: int) -> tuple[Type, str]:
    if name.endswith("[]"):
        inside, sql = _read(name[:-2], depth + 1)
        element = f"dune_stored_{depth}"
        return array(inside), "$" if sql == "$" else f"list_transform($, lambda {element}: {sql.replace('$', element)})"
    if name.startswith("DECIMAL"):
        precision, scale = re.findall(r"\d+", name)
        return decimal(int(precision), int(scale)), "$"
    kind, _, inner = name.partition("(")
    if kind == "MAP":
        parts = [_read(part, depth + 1) for part in split_types(inner[:-1])]
        return Type("map", of=tuple(type_ for type_, _ in parts)), "$"
    if kind in ("STRUCT", "TUPLE"):
        return _read_struct(kind, inner[:-1], depth)
    if name.startswith("ENUM"):
        return VARCHAR, "CAST($ AS VARCHAR)"
    type_ = _PLAIN.get(name)
    if type_ is None:
        return VARCHAR, "CAST($ AS VARCHAR)"
    return type_, _CONVERSIONS.get(
        name, f"CAST($ AS {type_.duckdb})" if name.startswith(("U", "H")) and name != "UUID" else "$"
    )


def _read_struct(kind: str, inner: str, depth: int) -> tuple[Type, str]:
    if inner.startswith(f"{MOMENT} "):
        return timestamp_tz(
            3, zoned=True
        ), f"struct_pack({MOMENT} := struct_extract($, '{MOMENT}'), {ZONE} := struct_extract($, '{ZONE}'))"
    names: list[str | None] = []
    parts = []
    for field in split_types(inner):
        quoted = re.match(r'"((?:[^"]|"")*)" ', field)
        if kind == "TUPLE":
            names.append(None)
            parts.append(_read(field, depth + 1))
        elif quoted:
            names.append(quoted[1].replace('""', '"'))
            parts.append(_read(field[quoted.end() :], depth + 1))
        else:
            field_name, type_name = field.split(" ", 1)
            names.append(field_name)
            parts.append(_read(type_name, depth + 1))
    type_ = row(tuple(part for part, _ in parts), tuple(names))
    fields = ", ".join(
        f"f{place} := {sql.replace('$', f'struct_extract_at($, {place + 1})')}" for place, (_, sql) in enumerate(parts)
    )
    return type_, f"CASE WHEN $ IS NOT NULL THEN struct_pack({fields}) END"


def trino_type(name: str) -> str:
    """Find the name that results have for a type of DuckDB's.

    Examples:
        >>> trino_type("TIMESTAMP"), trino_type("VARCHAR[]")
        ('timestamp(3)', 'array(varchar)')
    """
    return stored_type(name)[0].shown


def split_types(text: str) -> list[str]:
    """Split a list of DuckDB's types at the commas that stand in no parentheses and no quotes."""
    parts, depth, is_quoted = [""], 0, False
    for character in text:
        is_quoted ^= character == '"'
        depth += 0 if is_quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0 and not is_quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
