"""The columns of tables that a folder of SQL reads, typed by how the SQL uses them and by what a schema file says.

Each query is translated over tables whose columns are not known: a name that nothing else has is taken for a column of
them, and a value of unknown type for whatever the query takes it for. That is repeated until nothing new is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.resolve.names import duckdb_name
from dagster_dune.emulator.dunesql.rewrite.translator import translate_discovering
from dagster_dune.emulator.dunesql.types.trino import Type, read_type
from dagster_dune.emulator.sql_errors import SqlError

Schema = dict[str, dict[str, str]]
"""The columns of each table by its full name: names and Trino types."""

_ROUNDS = 8
_USUAL: tuple[tuple[str, str], ...] = (
    (r"(evt_|call_|min_|max_)?block_number|(evt_|tx_)?index|nonce|decimals", "bigint"),
    (r"(evt_|call_)?block_date|day|date|week|month", "date"),
    (r"(evt_|call_)?block_time|time|timestamp|minute|hour|created_at|updated_at", "timestamp(3) with time zone"),
    (r".*(hash|address|_contract|topic\d)|data|input|output|from|to|taker|maker|tx_from|tx_to|bytecode", "varbinary"),
    (r".*(_usd|price|_ratio|_rate|percent|fee|volume)|.*amount", "double"),
    (r".*(_raw|wad)|value|gas_price|gas_used|gas_limit", "uint256"),
    (r"success|.*_success|is_.*|has_.*", "boolean"),
)  # fmt: skip
"""What columns of such names hold on Dune, where no use tells it."""


@dataclass
class _Tables:
    """What is known so far, while queries are read."""

    known: dict[str, dict[str, Type]]
    declared: set[str] = field(default_factory=set)
    is_changed: bool = False

    def discover(self, table: str, column: str) -> Type:
        columns = self.known.setdefault(table, {})
        if column not in columns:
            columns[column] = Type("unknown")
            self.is_changed = True
        return columns[column]

    def observe(self, table: str, column: str, target: Type) -> None:
        if self.known.get(table, {}).get(column, target).name != "unknown" or target.find("unknown"):
            return
        self.known[table][column] = _widest(column, target)
        self.is_changed = True


def _widest(column: str, target: Type) -> Type:
    """The type of a column that is taken for another: a text of any length, a number that is usual for its name."""
    if target.name in ("varchar", "char"):
        return Type("varchar")
    usual = _usual(column)
    if target.name.startswith(("date", "timestamp")):
        return usual if usual is not None and usual.name.startswith(("date", "timestamp")) else target
    if not target.is_number or target.is_wide:
        return target
    return usual if usual is not None and usual.is_number else Type("double")


def _usual(column: str) -> Type | None:
    return next((read_type(usual) for pattern, usual in _USUAL if re.fullmatch(pattern, column)), None)


def infer(
    queries: Iterable[Compiled], known: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[Schema, dict[int, str]]:
    """Find the columns of the tables that queries read.

    Args:
        queries: The queries, each complete in itself.
        known: Tables whose columns are declared; nothing is added to them.

    Returns:
        The columns of all other tables, and why a query cannot be read, by its place.
    """
    declared = {
        name: {column: read_type(type_) for column, type_ in columns.items()} for name, columns in (known or {}).items()
    }
    tables = _Tables(dict(declared), set(declared))
    given = list(queries)
    problems: dict[int, str] = {}
    for _ in range(_ROUNDS):
        tables.is_changed = False
        problems = {place: words for place, query in enumerate(given) if (words := _read(query, tables)) is not None}
        if not tables.is_changed and not _settle(tables):
            break
    _settle(tables, everything=True)
    schema = {
        name: {column: str(type_) for column, type_ in sorted(columns.items())}
        for name, columns in sorted(tables.known.items())
        if name not in tables.declared
    }
    return schema, problems


def _read(query: Compiled, tables: _Tables) -> str | None:
    places: dict[str, tuple[str, str]] = {}

    def discover(table: str, column: str, sql: str) -> Type:
        places[sql] = (table, column)
        return tables.discover(table, column)

    def observe(sql: str, target: Type) -> None:
        if sql in places:
            tables.observe(*places[sql], target)

    try:
        translate_discovering(query.statement, tables.known, tables.declared, discover, observe)
    except SqlError as error:
        return str(error)
    return None


def _settle(tables: _Tables, *, everything: bool = False) -> bool:
    """Give columns of which no use tells the type the one that is usual for their name."""
    is_any = False
    for name, columns in tables.known.items():
        for column, type_ in columns.items():
            if type_.name != "unknown" or name in tables.declared:
                continue
            usual = _usual(column) or (Type("varchar") if everything else None)
            if usual is not None:
                columns[column], is_any = usual, True
    return is_any


def read_schema(path: Path) -> Schema:
    """Read a schema file: YAML with a mapping of columns for each table.

    Raises:
        SqlError: It is no such file, or names no type that there is.
    """
    import yaml  # noqa: PLC0415 - slow to import

    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SqlError(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise SqlError(f"{path} must map the full name of each table to its columns")
    schema: Schema = {}
    for table, columns in content.items():
        duckdb_name(str(table))
        if not isinstance(columns, dict):
            raise SqlError(f"{path}: {table} must map the name of each column to its type")
        for column, type_ in columns.items():
            try:
                read_type(str(type_))
            except ValueError:
                raise SqlError(f"{path}: {table}.{column} has the type {type_!r}, which is none of Trino's") from None
        schema[str(table).lower()] = {str(column): str(type_) for column, type_ in columns.items()}
    return schema


def write_schema(schema: Schema) -> str:
    """Write a schema as `read_schema` reads it."""
    import yaml  # noqa: PLC0415 - slow to import

    return str(yaml.safe_dump(schema, sort_keys=True, allow_unicode=True))
