"""Creates tables from CSV files. The type of a column is the narrowest that represents all its values exactly."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from dagster_dune._csv_lines import csv_lines
from dagster_dune.emulator.dunesql.types.trino import INT256_MIN, UINT256_MAX
from dagster_dune.emulator.sql_errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_INTEGER = "regexp_full_match({0}, '-?(0|[1-9][0-9]*)')"
_NUMBER = "regexp_full_match({0}, '-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?')"
_DATE = "regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
_TIMESTAMP = "regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T][0-9]{{2}}:.*')"


def _bignum(value: int) -> str:
    return f"CAST('{value}' AS BIGNUM)"


_TYPES = (
    ("BOOLEAN", "lower({0}) IN ('true', 'false')"),
    ("BIGINT", _INTEGER + " AND TRY_CAST({0} AS BIGINT) IS NOT NULL"),
    ("BIGNUM", f"{_INTEGER} AND TRY_CAST({{0}} AS BIGNUM) BETWEEN {_bignum(INT256_MIN)} AND {_bignum(UINT256_MAX)}"),
    ("DOUBLE", _NUMBER + " AND NOT (" + _INTEGER + " AND TRY_CAST({0} AS BIGINT) IS NULL)"),
    ("DATE", _DATE + " AND TRY_CAST({0} AS DATE) IS NOT NULL"),
    ("TIMESTAMPTZ", _TIMESTAMP + " AND TRY_CAST({0} AS TIMESTAMPTZ) IS NOT NULL"),
)
"""The candidate types, narrowest first, each with the condition for its values; other columns are texts."""


def store(cursor: DuckDBPyConnection, table: str, data: bytes) -> None:
    """Create a table from a CSV file, in place of an existing one.

    Args:
        cursor: A cursor of the database.
        table: The quoted name in DuckDB.
        data: The file in UTF-8: a header, then the rows; an empty field is NULL.

    Raises:
        SqlError: The file is invalid.
    """
    header, rows = _read(data)
    fields = [f"row[{position}]" for position in range(1, len(header) + 1)]
    source = "SELECT unnest(from_json($1, '[[\"VARCHAR\"]]')) AS row"
    texts = json.dumps(rows)
    types = _infer(cursor, source, texts, fields)
    columns = ", ".join(
        f'CAST({field} AS {type_}) AS "{name.replace(chr(34), chr(34) * 2)}"'
        for field, type_, name in zip(fields, types, header, strict=True)
    )
    cursor.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {columns} FROM ({source})", [texts])  # noqa: S608
    for type_, name in zip(types, header, strict=True):
        quoted = '"' + name.replace('"', '""') + '"'
        negative = f"SELECT count(*) FROM {table} WHERE {quoted} < CAST(0 AS BIGNUM)"  # noqa: S608
        if type_ == "BIGNUM" and (cursor.execute(negative).fetchone() or (0,))[0]:
            cursor.execute(f"COMMENT ON COLUMN {table}.{quoted} IS 'int256'")


def _infer(cursor: DuckDBPyConnection, source: str, texts: str, fields: list[str]) -> list[str]:
    """Return the type of each column, with one query for all columns and types."""
    checks = [
        f"coalesce(bool_and({condition.format(field)}) FILTER ({field} IS NOT NULL), false)"
        for field in fields
        for _, condition in _TYPES
    ]
    row = cursor.execute(f"SELECT {', '.join(checks)} FROM ({source})", [texts]).fetchone() or ()  # noqa: S608
    answers = [row[start : start + len(_TYPES)] for start in range(0, len(checks), len(_TYPES))]
    names = [name for name, _ in _TYPES]
    return [next((name for name, fits in zip(names, answer, strict=True) if fits), "VARCHAR") for answer in answers]


def _read(data: bytes) -> tuple[list[str], list[list[str | None]]]:
    try:
        lines = list(csv_lines(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SqlError(f"The file is no CSV in UTF-8: {error}") from None
    if not lines:
        raise SqlError("The CSV file is empty: its first line must name the columns")
    header = [name.strip() for name in lines[0]]
    while len(header) > 1 and not header[-1]:  # trailing commas, as in the example of Dune's manual
        header.pop()
    lowered = [name.lower() for name in header]
    if not all(header) or len(set(lowered)) < len(lowered):
        raise SqlError("The first line of the CSV file must name every column, each with a name of its own")
    for name in header:
        if not re.match(r"[^\W\d]", name):
            raise SqlError(f"Column name {name!r} begins with a digit or a special character; begin it with a letter")
    rows: list[list[str | None]] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if len(line) < len(header) or any(line[len(header) :]):
            raise SqlError(f"Row {number} of the CSV file has {len(line)} fields, its header {len(header)}")
        rows.append([value or None for value in line[: len(header)]])
    return header, rows
