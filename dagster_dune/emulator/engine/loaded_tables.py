"""Creates tables of any name from Python values or files, in place of tables of Dune."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_dune._csv_lines import csv_lines
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import Type
from dagster_dune.emulator.engine.tables import Record, TableColumn, create_typed, insert
from dagster_dune.emulator.sql_errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BIGINTS = range(-(2**63), 2**63)
_TYPES = {bool: "boolean", float: "double", bytes: "varbinary", date: "date", str: "varchar"}
_REGISTRY = "main.loaded_tables"
_PARQUET_TYPES = {
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "uint256",
    "HUGEINT": "int256",
    "UHUGEINT": "uint256",
    "FLOAT": "real",
    "BLOB": "varbinary",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
}
"""The Trino types of DuckDB types in Parquet files, unless they are the same in lower case."""


def read_file(path: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Read the rows of a file, and the types of columns that it declares.

    Args:
        path: CSV with a header, in which an empty field is NULL; NDJSON; or Parquet.

    Raises:
        SqlError: The file cannot be read, or is of another type.
    """
    readers = {".csv": _read_csv, ".ndjson": _read_ndjson, ".jsonl": _read_ndjson, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise SqlError(f"{path} is none of {', '.join(readers)}")
    try:
        return readers[path.suffix.lower()](path)
    except (OSError, ValueError, csv.Error) as error:
        raise SqlError(f"{path} cannot be read: {error}") from error


def _read_csv(path: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = csv_lines(file)
    rows = [dict(zip(header, (value or None for value in line), strict=True)) for line in lines if line]
    return rows, {} if rows else dict.fromkeys(header, "varchar")


def _read_ndjson(path: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()], {}


def _read_parquet(path: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    import duckdb  # noqa: PLC0415 - heavy

    with duckdb.connect() as connection:  # the engine's own connection cannot read files
        try:
            answer = connection.execute("SELECT * FROM read_parquet($1)", [str(path)])
        except duckdb.Error as error:
            raise SqlError(f"{path} is no Parquet file: {error}") from error
        types = {name: _parquet_type(str(type_)) for name, type_, *_ in answer.description or ()}
        return [dict(zip(types, row, strict=True)) for row in answer.fetchall()], types


def _parquet_type(name: str) -> str:
    if name.endswith("[]"):
        return f"array({_parquet_type(name.removesuffix('[]'))})"
    return _PARQUET_TYPES.get(name, name.lower())


def table_columns(rows: Sequence[Mapping[str, Any]], declared: Mapping[str, str]) -> list[TableColumn]:
    """Return the columns of a table: the declared ones, then others in the rows.

    Args:
        rows: Python values by column; what a row leaves out is NULL.
        declared: The Trino types of columns.

    Raises:
        SqlError: There is no column, or a column has values of several types.
    """
    names = list(declared) + [name for row in rows for name in row if name not in declared]
    columns = [
        TableColumn(name, declared.get(name) or _type_of(name, [row.get(name) for row in rows]))
        for name in dict.fromkeys(names)
    ]
    if not columns:
        raise SqlError("The table has neither rows nor columns; declare its columns")
    return columns


def _type_of(name: str, values: Iterable[Any]) -> str:
    types = {_value_type(value) for value in values if value is not None}
    if types <= {"bigint", "uint256"} and "uint256" in types:
        return "uint256"
    if types <= {"bigint", "double"} and "double" in types:
        return "double"
    if len(types) > 1:
        raise SqlError(f"Column {name!r} holds values of several types ({', '.join(sorted(types))}); declare its type")
    return types.pop() if types else "varchar"


def _value_type(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "bigint" if value in BIGINTS else "uint256"
    if isinstance(value, Decimal):
        return f"decimal(38,{max(0, -int(value.as_tuple().exponent))})"
    if isinstance(value, datetime):
        return "timestamp with time zone" if value.tzinfo else "timestamp"
    if isinstance(value, list | tuple):
        return f"array({_type_of('element', value)})"
    if type(value) not in _TYPES:
        raise SqlError(f"A value of type {type(value).__name__} is of no type that a table takes")
    return _TYPES[type(value)]


def load(
    cursor: DuckDBPyConnection,
    table: str,
    name: tuple[str, str],
    columns: Sequence[TableColumn],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Create a table in place of an existing one, and record that it is no sample table.

    Args:
        cursor: A cursor in a transaction.
        table: The quoted name in DuckDB.
        name: The schema and the name.
        columns: The columns.
        rows: Python values by column; missing values are NULL.

    Raises:
        SqlError: A value is not of the type of its column.
    """
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {_REGISTRY} (schema_name VARCHAR, table_name VARCHAR)")
    create_typed(cursor, table, columns)
    types = {column.name: read_type(column.type) for column in columns}
    records: list[Record] = [{name: _text(row.get(name), type_) for name, type_ in types.items()} for row in rows]
    insert(cursor, table, columns, records)
    cursor.execute(f"INSERT INTO {_REGISTRY} VALUES ($1, $2)", list(name))  # noqa: S608 - a constant


def remove_all(cursor: DuckDBPyConnection) -> bool:
    """Remove all loaded tables, and return whether there were any, which may have replaced sample tables."""
    if not cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'loaded_tables'").fetchone():
        return False
    loaded = cursor.execute(f"SELECT DISTINCT schema_name, table_name FROM {_REGISTRY}").fetchall()  # noqa: S608
    for schema, table in loaded:
        cursor.execute(f'DROP TABLE IF EXISTS "{schema}"."{table}"')
    cursor.execute(f"DROP TABLE {_REGISTRY}")
    return bool(loaded)


def _text(value: Any, type_: Type) -> str | None:
    if type_.of and not isinstance(value, str | None):
        return json.dumps(_nested(value, type_))
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case bytes():
            return "0x" + value.hex()
    return str(value)


def _nested(value: Any, type_: Type) -> Any:
    """Return nested lists of texts, as `tables.insert` reads them: pairs of a map, and fields of a row in order."""
    if value is None or not type_.of:
        return _text(value, type_)
    if type_.name == "map":
        return [[_nested(part, of) for part, of in zip(pair, type_.of, strict=True)] for pair in value.items()]
    if type_.name == "row":
        parts = [value.get(name) for name in type_.names] if isinstance(value, Mapping) else value
        return [_nested(part, of) for part, of in zip(parts, type_.of, strict=True)]
    return [_nested(item, type_.of[0]) for item in value]
