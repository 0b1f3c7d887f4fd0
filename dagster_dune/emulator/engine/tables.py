"""Creates tables with a schema, inserts rows, and describes columns."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_dune.emulator.dunesql.resolve.names import duckdb_name
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.storage import comment_for, stored_type
from dagster_dune.emulator.dunesql.types.trino import INT256_MIN, UINT256_MAX, Type
from dagster_dune.emulator.sql_errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TYPES = (
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "integer",
    "bigint",
    "real",
    "double",
    "uint256",
    "int256",
    "varchar",
    "varbinary",
    "date",
    "timestamp",
    "timestamp(3)",
    "timestamp with time zone",
    "timestamp(3) with time zone",
)
"""The types of uploads, besides decimals."""
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_COLUMN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_COLUMNS = (
    "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
    "WHERE NOT internal AND schema_name = $1 AND table_name = $2 ORDER BY column_index"
)
_SAMPLES = (
    "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
    "WHERE NOT internal AND NOT temporary AND schema_name <> 'main' AND NOT starts_with(schema_name, 'dune.') "
    "ORDER BY ALL"
)
_CONTRACTS = (
    "SELECT schema_name, table_name FROM duckdb_columns() "
    "WHERE NOT internal AND column_name = 'contract_address' AND data_type = 'BLOB'"
)
_INTEGER = re.compile(r"-?\d+")

Record = dict[str, str | None]


# Assumption: local-contract-tables.
@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes:
        name: The name.
        type: The Trino type.
        nullable: Whether it can contain NULL.
    """

    name: str
    type: str
    nullable: bool = True


def create(cursor: DuckDBPyConnection, table: str, columns: Sequence[TableColumn]) -> None:
    """Create an empty table.

    Args:
        cursor: A cursor of the database.
        table: The quoted name in DuckDB.
        columns: The columns.

    Raises:
        SqlError: The name or the type of a column is invalid.
    """
    names = [column.name.lower() for column in columns]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SqlError(f"Column {twice!r} is defined twice")
    definitions = ", ".join(
        f'"{_checked_name(column.name)}" {_duckdb_type(column)}{"" if column.nullable else " NOT NULL"}'
        for column in columns
    )
    cursor.execute(f"CREATE TABLE {table} ({definitions})")
    store_types(cursor, table, [(column.name, read_type(column.type.strip().lower())) for column in columns])


def create_typed(cursor: DuckDBPyConnection, table: str, columns: Sequence[TableColumn]) -> None:
    """Create a table in place of an existing one, with columns of any names and types.

    Args:
        cursor: A cursor in a transaction.
        table: The quoted name in DuckDB.
        columns: The columns.

    Raises:
        SqlError: A type is none of Trino's.
    """
    typed = []
    for column in columns:
        try:
            typed.append((column.name, read_type(column.type)))
        except ValueError:
            raise SqlError(f"Column {column.name!r} has the type {column.type!r}, which is none of Trino's") from None
    definitions = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}" {type_.duckdb}' for name, type_ in typed)
    cursor.execute(f"CREATE OR REPLACE TABLE {table} ({definitions})")
    store_types(cursor, table, typed)


def insert(cursor: DuckDBPyConnection, table: str, columns: Sequence[TableColumn], records: Sequence[Record]) -> None:
    """Insert rows into a table, all or none.

    Args:
        cursor: A cursor in a transaction.
        table: The quoted name in DuckDB.
        columns: The columns.
        records: Texts by column, None for NULL.

    Raises:
        SqlError: A value is not of the type of its column.
    """
    rows = [[_text(record[column.name], column) for column in columns] for record in records]
    fields = ", ".join(_read_sql(column, position) for position, column in enumerate(columns, start=1))
    source = "SELECT unnest(from_json($1, '[[\"VARCHAR\"]]')) AS row"
    cursor.execute(f"INSERT INTO {table} SELECT {fields} FROM ({source})", [json.dumps(rows)])  # noqa: S608


def clear(cursor: DuckDBPyConnection, table: str) -> None:
    """Remove the rows of a table."""
    cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - quoted by us


def describe(cursor: DuckDBPyConnection, name: str) -> list[TableColumn]:
    """Return the columns of a table by its full name; none if it does not exist."""
    rows = cursor.execute(_COLUMNS, list(duckdb_name(name))).fetchall()
    return [TableColumn(each, stored_type(type_, comment)[0].shown, bool(null)) for each, type_, null, comment in rows]


def stored_columns(cursor: DuckDBPyConnection, name: str) -> list[tuple[str, Type, str]] | None:
    """Return the columns of a table with their types and the SQL that reads them; None if it does not exist."""
    schema, table = duckdb_name(name)
    rows = cursor.execute(_COLUMNS, [schema, table]).fetchall() if schema != "main" else []
    return [(each, *stored_type(type_, comment)) for each, type_, _, comment in rows] or None


def store_types(cursor: DuckDBPyConnection, table: str, columns: Sequence[tuple[str, Type]]) -> None:
    """Store the types of columns that DuckDB's own types do not determine as comments of the columns.

    Args:
        cursor: A cursor in a transaction.
        table: The quoted name in DuckDB.
        columns: The names and types of the columns.
    """
    for name, type_ in columns:
        if comment := comment_for(type_):
            quoted = '"' + name.replace('"', '""') + '"'
            cursor.execute(f"COMMENT ON COLUMN {table}.{quoted} IS '{comment.replace(chr(39), chr(39) * 2)}'")


def sample_table_names(cursor: DuckDBPyConnection) -> list[str]:
    """Return the full names of the sample tables, which belong to no team."""
    return [name for (name,) in cursor.execute(_SAMPLES).fetchall()]


def tables_of_contract(cursor: DuckDBPyConnection, address: bytes) -> set[str]:
    """Return the full names of the tables whose column ``contract_address`` contains an address."""
    tables = cursor.execute(_CONTRACTS).fetchall()
    holds = "SELECT 1 FROM {} WHERE contract_address = $1 LIMIT 1"
    return {
        f"{schema}.{table}"
        for schema, table in tables
        if cursor.execute(holds.format(f'"{schema}"."{table}"'), [address]).fetchone()
    }


def _checked_name(name: str) -> str:
    if not _COLUMN_NAME.fullmatch(name):
        raise SqlError(f"{name!r} is no name of a column: write letters, digits and underscores, a letter first")
    return name


def _duckdb_type(column: TableColumn) -> str:
    name = column.type.strip().lower()
    is_valid = name in _TYPES
    if match := _DECIMAL.fullmatch(name):
        width, scale = int(match[1]), int(match[2])
        is_valid = 1 <= width <= 38 and scale <= width
    if not is_valid:
        raise SqlError(
            f"Column {column.name!r} has the type {column.type!r}, which is none of {', '.join(_TYPES)}, decimal(p,s)"
        )
    return read_type(name).duckdb


def _text(value: str | None, column: TableColumn) -> str | None:
    """Check values that DuckDB would read differently than Dune, and convert bytes to hexadecimal digits."""
    if value is None:
        if not column.nullable:
            raise SqlError(f"Column {column.name!r} takes no NULL")
        return None
    if column.type == "varbinary":
        return _hexadecimal(value, column)
    if column.type in ("tinyint", "smallint", "integer", "bigint", "uint256"):
        in_range = _INTEGER.fullmatch(value) and INT256_MIN <= int(value) <= UINT256_MAX
        if not in_range:
            raise SqlError(f"{value!r} is no {column.type}, which column {column.name!r} takes")
    return value


def _hexadecimal(value: str, column: TableColumn) -> str:
    try:
        if value.startswith("0x"):
            return bytes.fromhex(value[2:]).hex()
        return base64.b64decode(value, validate=True).hex()
    except (ValueError, binascii.Error):
        raise SqlError(f"{value!r} in column {column.name!r} is neither 0x and hexadecimal digits nor base64") from None


def _read_sql(column: TableColumn, position: int) -> str:
    type_ = read_type(column.type.strip().lower())
    if type_.of:
        return _read_nested_sql(f"CAST(row[{position}] AS JSON)", type_, 0)
    if type_.name == "varbinary":
        return f"unhex(row[{position}])"
    return f"CAST(row[{position}] AS {type_.duckdb})"


def _read_nested_sql(sql: str, type_: Type, depth: int) -> str:
    """Return SQL that reads JSON in which scalars are texts, maps lists of pairs, and rows lists."""
    name = f"dune_x{depth}"
    if type_.name == "array":
        return f"list_transform(CAST({sql} AS JSON[]), lambda {name}: {_read_nested_sql(name, type_.of[0], depth + 1)})"
    if type_.name in ("map", "row"):
        parts = [_read_nested_sql(f"json_extract({name}, '$[{at}]')", of, depth + 1) for at, of in enumerate(type_.of)]
        if type_.name == "map":
            pairs = f"list_transform(CAST({sql} AS JSON[]), lambda {name}: {{'k': {parts[0]}, 'v': {parts[1]}}})"
            return f"map_from_entries({pairs})"
        fields = ", ".join(f"f{at} := {part}" for at, part in enumerate(parts))
        whole = f"CASE WHEN json_type({name}) = 'ARRAY' THEN struct_pack({fields}) END"
        return f"list_extract(list_transform([{sql}], lambda {name}: {whole}), 1)"
    scalar = f"json_extract_string({sql}, '$')"
    return f"unhex(replace({scalar}, '0x', ''))" if type_.name == "varbinary" else f"CAST({scalar} AS {type_.duckdb})"
