"""Infers the columns of tables from the queries that read them, and from a schema file.

Each query is translated with tables of unknown columns: a name that nothing else has becomes a column of them, and a
value of unknown type gets the type that its use requires. This is repeated until no query adds anything. If a query
still cannot be translated, other types of the columns that it used last are tried.
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
from dagster_dune.emulator.engine.schemas.trials import resolved_by_trials
from dagster_dune.emulator.engine.schemas.usual_types import filled_type, usual_type

Schema = dict[str, dict[str, str]]
"""The columns of tables by full names: Trino types by column names."""
_MAX_ROUNDS = 8
_MAX_COMPARED_TEXTS = 5
_UNUSED = "unused"
"""The column of a table of which no column is read, since a table must have one."""


@dataclass(frozen=True)
class Inferred:
    """The inferred tables.

    Attributes:
        schema: The columns of the tables that are not declared.
        problems: The errors of queries that cannot be translated, by their positions.
        compared: By table and column, the texts that the SQL compares it with.
    """

    schema: Schema
    problems: dict[int, str]
    compared: dict[str, dict[str, list[str]]]


def infer(queries: Iterable[Compiled], known: Mapping[str, Mapping[str, str]] | None = None) -> Inferred:
    """Infer the columns of the tables that queries read.

    Args:
        queries: The queries.
        known: Tables with declared columns, to which no columns are added.

    """
    declared = {
        name: {column: read_type(type_) for column, type_ in columns.items()} for name, columns in (known or {}).items()
    }
    tables = KnownTables(dict(declared), set(declared))
    given = list(queries)
    problems = dict(enumerate([""] * len(given)))
    waiting = list(range(len(given)))
    for _ in range(_MAX_ROUNDS):
        tables.changed = set()
        for place in waiting:
            problems.pop(place, None)
            if (words := read_query(given[place], tables)) is not None:
                problems[place] = words
        if not tables.changed:
            _set_usual_types(tables)
        waiting = [place for place, query in enumerate(given) if tables.changed & query.tables]
        if not waiting:
            break
    problems = resolved_by_trials(given, tables, problems, set(problems))
    tables.changed = set()
    _set_usual_types(tables, everything=True)
    unsure = {place for place, query in enumerate(given) if place in problems or tables.changed & query.tables}
    problems = resolved_by_trials(given, tables, problems, unsure)
    schema = {
        name: _ordered(tables.columns(name) or {}, tables.orders.get(name, ()))
        for name in sorted(tables.known)
        if name not in tables.declared
    }
    return Inferred(schema, problems, _compared(tables))


def _compared(tables: KnownTables) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for (table, column), texts in sorted(tables.compared.items()):
        if fitting := [text for text in texts if _fits(text, tables.type_of((table, column)))][:_MAX_COMPARED_TEXTS]:
            found.setdefault(table, {})[column] = fitting
    return found


def _fits(text: str, type_: Type) -> bool:
    """Return whether a text can be cast to a type."""
    if type_.name == "varbinary":
        return bool(re.fullmatch(r"0x([0-9a-f]{2})*", text))
    return type_.name == "varchar" or (type_.is_number and bool(re.fullmatch(r"\d{1,9}", text)))


def _ordered(columns: Mapping[str, Type], order: Sequence[str]) -> dict[str, str]:
    """Return columns in the order of their names, unless a UNION requires another order."""
    if not columns:
        return {_UNUSED: "varchar"}
    first = [column for column in order if column in columns]
    return {column: str(columns[column]) for column in (*first, *sorted(set(columns) - set(first)))}


def translation_error(query: Compiled, schema: Schema) -> str | None:
    """Return the error of a query over tables with known columns, None if it has none."""
    known = {name: {column: read_type(type_) for column, type_ in each.items()} for name, each in schema.items()}
    return read_query(query, KnownTables(known, set(known)))


def _set_usual_types(tables: KnownTables, *, everything: bool = False) -> None:
    """Set the types of columns that do not follow from their uses by their names."""
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
