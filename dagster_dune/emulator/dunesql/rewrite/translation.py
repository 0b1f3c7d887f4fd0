"""Translates a query to DuckDB's SQL, over known tables, or over tables whose columns are discovered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from dagster_dune.emulator.dunesql.rewrite.discovery import Discovery
from dagster_dune.emulator.dunesql.rewrite.observation import OBSERVER
from dagster_dune.emulator.dunesql.rewrite.translator import QueryTranslator, Tables
from dagster_dune.emulator.dunesql.types.trino import Type
from dagster_dune.emulator.sql_errors import SqlError

MAX_SECONDS = 2.0
"""The maximum CPU time of a translation in seconds."""


# Assumption: local-incremental-parameters.
@dataclass(frozen=True)
class Translated:
    """A query in DuckDB's SQL.

    Attributes:
        sql: The SQL, whose columns are c0, c1 and so on.
        columns: The names and types of the columns.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]


def translate(
    statement: exp.Query, tables: Tables, previous: str | None = None, seconds: float = MAX_SECONDS
) -> Translated:
    """Translate a query to DuckDB's SQL.

    Args:
        statement: A compiled query, which is not changed.
        tables: Returns the columns of a table.
        previous: The full name of the table with the previous result of this query, if there is one.
        seconds: The maximum CPU time.

    Raises:
        SqlError: The query is invalid, or not supported.
    """
    translator = QueryTranslator(tables, previous, time.thread_time() + seconds, seconds)
    try:
        relation = translator.query(statement, None)
    except RecursionError:
        raise SqlError("The query is nested too deep for this emulator") from None
    names = [each.name or f"_col{place}" for place, each in enumerate(relation.fields)]
    return Translated(relation.sql, tuple(zip(names, (each.type for each in relation.fields), strict=True)))


def translate_discovering(statement: exp.Query, discovery: Discovery) -> None:
    """Translate a query over tables whose columns are discovered.

    Args:
        statement: A compiled query.
        discovery: Is notified of columns, and returns their types.

    Raises:
        SqlError: The query is invalid for all columns.
    """

    def tables(name: str) -> list[tuple[str, Type, str]] | None:
        columns = discovery.columns(name)
        if columns is None and not discovery.is_open(name):
            return None
        return [(column, type_, "$") for column, type_ in (columns or {}).items()]

    translator = QueryTranslator(tables, None, time.thread_time() + MAX_SECONDS, MAX_SECONDS, discovery=discovery)
    token = OBSERVER.set(_Observer(translator, discovery))
    try:
        translator.query(statement, None)
    except RecursionError:
        raise SqlError("The query is nested too deep for this emulator") from None
    finally:
        OBSERVER.reset(token)


@dataclass(frozen=True)
class _Observer:
    """Passes the uses of values on to a discovery, by the columns that are their origins."""

    translator: QueryTranslator
    discovery: Discovery

    def observe(self, sql: str, target: Type, *, is_exact: bool) -> None:
        """A use requires a type of a value of unknown type."""
        self.discovery.observe(self.translator.origin(sql), target, is_exact=is_exact)

    def derive(self, sql: str, origin: str) -> None:
        """A value of unknown type has the type of another value."""
        self.translator.note_origin(sql, origin)

    def link(self, sqls: Sequence[str]) -> None:
        """Values of unknown type have the same type."""
        self.discovery.link([self.translator.origin(sql) for sql in sqls])

    def elements(self, sql: str) -> str:
        """A value of unknown type is an array."""
        array = self.translator.origin(sql)
        element = self.translator.origin(f"{array}[]")
        return element if element != f"{array}[]" else self.discovery.elements(array)

    def compare(self, sql: str, text: str) -> None:
        """A value is compared with a literal."""
        self.discovery.compared(self.translator.origin(sql), text)
