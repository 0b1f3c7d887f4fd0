"""Reads and writes schema files, which declare tables: YAML, CSV with one line per column, or Parquet.

YAML has further keys, which are no names of tables: `parameters`, the values of parameters by file; `compared`, the
texts that the SQL compares columns with; `rows`, the number of rows of each table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dagster_dune.emulator.dunesql.resolve.names import duckdb_name
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.storage import stored_type
from dagster_dune.emulator.engine.schemas.inference import Schema
from dagster_dune.emulator.sql_errors import SqlError

SAVED_QUERY = re.compile(r"query_([1-9][0-9]*)")
"""The name with which a file declares the columns of a saved query instead of a table."""
_HEADER = ("table", "column", "type")


@dataclass(frozen=True)
class SchemaFile:
    """The content of a schema file.

    Attributes:
        tables: The columns of tables by full names in lower case.
        parameters: By the path of an SQL file in the folder, the values of its parameters.
        compared: By table and column, the texts that the SQL compares it with.
        rows: The number of rows of each table.
    """

    tables: Schema
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    compared: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    rows: int = 0


def read_schema(path: Path) -> SchemaFile:
    """Read a schema file.

    Args:
        path: YAML with a mapping of columns for each table; CSV with the columns ``table``, ``column`` and ``type``;
            or a Parquet file, which declares the table of its name (``ethereum.logs.parquet``).

    Raises:
        SqlError: The file is invalid, or has an unknown type.
    """
    kind = path.suffix.lower()
    if kind == ".csv":
        return SchemaFile(_checked(path, _csv_columns(path)))
    if kind == ".parquet":
        return SchemaFile(_checked(path, _parquet_columns(path)))
    return _read_yaml(path)


def write_schema(file: SchemaFile) -> str:
    """Return a schema file as YAML, which `read_schema` can read."""
    import yaml  # noqa: PLC0415 - slow to import

    more = {name: value for name, value in asdict(file).items() if name != "tables" and value}
    return str(yaml.safe_dump({**more, **dict(sorted(file.tables.items()))}, sort_keys=False, allow_unicode=True))


def _checked(path: Path, columns: Iterable[tuple[str, str, str]]) -> Schema:
    schema: Schema = {}
    for table, column, type_ in columns:
        if not SAVED_QUERY.fullmatch(table):
            _check_name(path, table)
        try:
            read_type(type_)
        except ValueError:
            raise SqlError(f"{path}: {table}.{column} has the type {type_!r}, which is none of Trino's") from None
        schema.setdefault(table.lower(), {})[column] = type_
    return schema


def _check_name(path: Path, table: str) -> None:
    try:
        duckdb_name(table)
    except SqlError as error:
        raise SqlError(f"{path}: {error}") from None


def _read_yaml(path: Path) -> SchemaFile:
    import yaml  # noqa: PLC0415 - slow to import

    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SqlError(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise SqlError(f"{path} must map the full name of each table to its columns")
    rows = content.pop("rows", 0)
    if not isinstance(rows, int) or rows < 0:
        raise SqlError(f"{path}: rows must be a number of rows, not {rows!r}")
    parameters = _nested(path, content, "parameters", "the path of each file to its parameters")
    compared = _nested(path, content, "compared", "the full name of each table to its columns")
    found = []
    for table, columns in content.items():
        if not isinstance(columns, dict):
            raise SqlError(f"{path}: {table} must map the name of each column to its type")
        found += [(str(table), str(column), str(type_)) for column, type_ in columns.items()]
    return SchemaFile(
        _checked(path, found),
        {file: {str(name): str(value) for name, value in each.items()} for file, each in parameters.items()},
        {table.lower(): {str(c): [str(v) for v in values] for c, values in each.items()}
         for table, each in compared.items()},
        rows,
    )  # fmt: skip


def _nested(path: Path, content: dict[str, Any], name: str, what: str) -> dict[str, dict[str, Any]]:
    found = content.pop(name, {})
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise SqlError(f"{path}: {name} must map {what}")
    return {str(key): each for key, each in found.items()}


def _csv_columns(path: Path) -> list[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not set(_HEADER) <= set(reader.fieldnames or ()):
                raise SqlError(f"{path} must have the columns {', '.join(_HEADER)}")
            return [(row["table"], row["column"], row["type"]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SqlError(f"{path} cannot be read as CSV: {error}") from None


def _parquet_columns(path: Path) -> list[tuple[str, str, str]]:
    import duckdb  # noqa: PLC0415 - heavy

    if path.stem.count(".") not in (1, 2):
        raise SqlError(f"{path} must be named after its table, such as ethereum.logs.parquet")
    try:
        described = duckdb.execute("DESCRIBE SELECT * FROM read_parquet($1)", [str(path)]).fetchall()
    except duckdb.Error as error:
        raise SqlError(f"{path} cannot be read as Parquet: {error}") from None
    return [(path.stem, str(name), str(stored_type(str(type_))[0])) for name, type_, *_ in described]
