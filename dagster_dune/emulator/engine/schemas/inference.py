"""The columns of tables that a folder of SQL reads, typed by how the SQL uses them and by what a schema file says.

Each query is translated over tables whose columns are not known: a name that nothing else has is taken for a column of
them, and a value of unknown type for whatever the query takes it for. That is repeated until nothing new is found.
Where a query still means nothing, other types of the columns that it has used last are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.types.parsing import read_type
from dagster_dune.emulator.dunesql.types.trino import UNKNOWN, VARCHAR, Type, array
from dagster_dune.emulator.engine.schemas.found_columns import KnownTables
from dagster_dune.emulator.engine.schemas.table_reads import read_query
from dagster_dune.emulator.engine.schemas.trials import mended_by_trials
from dagster_dune.emulator.engine.schemas.usual_types import filled_type, usual_type

Schema = dict[str, dict[str, str]]
"""The columns of each table by its full name: names and Trino types."""
_ROUNDS = 8
_KEPT_TEXTS = 5
_UNUSED = "unused"
"""The column of a table of which no column is read, since a table has one."""


@dataclass(frozen=True)
class Inferred:
    """What queries tell of the tables that they read.

    Attributes:
        schema: The columns of the tables that are not declared.
        problems: Why a query cannot be read, by its place.
        compared: Texts that columns are compared with.
    """

    schema: Schema
    problems: dict[int, str]
    compared: dict[str, dict[str, list[str]]]


def infer(queries: Iterable[Compiled], known: Mapping[str, Mapping[str, str]] | None = None) -> Inferred:
    """Find the columns of the tables that queries read.

    Args:
        queries: The queries, each complete in itself.
        known: Tables whose columns are declared; nothing is added to them.

    """
    declared = {
        name: {column: read_type(type_) for column, type_ in columns.items()} for name, columns in (known or {}).items()
    }
    tables = KnownTables(dict(declared), set(declared))
    given = list(queries)
    problems = dict(enumerate([""] * len(given)))
    waiting = list(range(len(given)))
    for _ in range(_ROUNDS):
        tables.changed = set()
        for place in waiting:
            problems.pop(place, None)
            if (words := read_query(given[place], tables)) is not None:
                problems[place] = words
        if not tables.changed:
            _settle(tables)
        waiting = [place for place, query in enumerate(given) if tables.changed & query.tables]
        if not waiting:
            break
    problems = mended_by_trials(given, tables, problems, set(problems))
    tables.changed = set()
    _settle(tables, everything=True)
    unsure = {place for place, query in enumerate(given) if place in problems or tables.changed & query.tables}
    problems = mended_by_trials(given, tables, problems, unsure)
    schema = {
        name: _shown(tables.columns(name) or {}, tables.orders.get(name, ()))
        for name in sorted(tables.known)
        if name not in tables.declared
    }
    return Inferred(schema, problems, _compared(tables))


def _compared(tables: KnownTables) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for (table, column), texts in sorted(tables.compared.items()):
        if fitting := [text for text in texts if _fits(text, tables.type_of((table, column)))][:_KEPT_TEXTS]:
            found.setdefault(table, {})[column] = fitting
    return found


def _fits(text: str, type_: Type) -> bool:
    """Whether a text can be a value of a type."""
    if type_.name == "varbinary":
        return bool(re.fullmatch(r"0x([0-9a-f]{2})*", text))
    return type_.name == "varchar" or (type_.is_number and bool(re.fullmatch(r"\d{1,9}", text)))


def _shown(columns: Mapping[str, Type], order: Sequence[str]) -> dict[str, str]:
    """Columns by their names, but in the order in which a UNION needs them."""
    if not columns:
        return {_UNUSED: "varchar"}
    first = [column for column in order if column in columns]
    return {column: str(columns[column]) for column in (*first, *sorted(set(columns) - set(first)))}


def unreadable(query: Compiled, schema: Schema) -> str | None:
    """Why a query cannot be read over tables whose columns are all known, None where it can."""
    known = {name: {column: read_type(type_) for column, type_ in each.items()} for name, each in schema.items()}
    return read_query(query, KnownTables(known, set(known)))


def _settle(tables: KnownTables, *, everything: bool = False) -> None:
    """Give columns of which no use tells the type the one that is usual for their name."""
    for name, columns in tables.known.items():
        for column, type_ in columns.items():
            if type_.name != "unknown" or name in tables.declared:
                continue
            is_array = (name, column) in tables.arrays
            usual = filled_type(array(UNKNOWN), column) if is_array else usual_type(column)
            if not everything and usual == array(VARCHAR):
                usual = None
            elif everything and usual is None:
                usual = VARCHAR
            if usual is not None:
                tables.fill((name, column), usual)
