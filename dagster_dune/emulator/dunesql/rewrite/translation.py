"""A query becomes DuckDB's SQL: over tables that are known, or over such as are found on the way."""

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

MOST_SECONDS = 2.0
"""How long a translation may take, in seconds of the processor."""


# Assumption: local-incremental-parameters.
@dataclass(frozen=True)
class Translated:
    """A query in DuckDB's SQL.

    Attributes:
        sql: The text; its columns are called c0, c1 and so on.
        columns: Their names and types.
    """

    sql: str
    columns: tuple[tuple[str, Type], ...]


def translate(
    statement: exp.Query, tables: Tables, previous: str | None = None, seconds: float = MOST_SECONDS
) -> Translated:
    """Write a query as DuckDB's SQL.

    Args:
        statement: A compiled query; it is not changed.
        tables: What tables there are.
        previous: The full name of the table that holds the previous result of this query, if there is one.
        seconds: How long it may take of the processor.

    Raises:
        SqlError: It means nothing, or something that is not supported.
    """
    translator = QueryTranslator(tables, previous, time.thread_time() + seconds, seconds)
    try:
        relation = translator.query(statement, None)
    except RecursionError:
        raise SqlError("The query is nested too deep for this emulator") from None
    names = [each.name or f"_col{place}" for place, each in enumerate(relation.fields)]
    return Translated(relation.sql, tuple(zip(names, (each.type for each in relation.fields), strict=True)))


def translate_discovering(statement: exp.Query, discovery: Discovery) -> None:
    """Translate a query over tables whose columns are found on the way.

    Args:
        statement: A compiled query.
        discovery: Is told of each column, and gives its type.

    Raises:
        SqlError: The query means nothing whatever the columns are.
    """

    def tables(name: str) -> list[tuple[str, Type, str]] | None:
        columns = discovery.columns(name)
        if columns is None and not discovery.is_open(name):
            return None
        return [(column, type_, "$") for column, type_ in (columns or {}).items()]

    translator = QueryTranslator(tables, None, time.thread_time() + MOST_SECONDS, MOST_SECONDS, discovery=discovery)
    token = OBSERVER.set(_Observer(translator, discovery))
    try:
        translator.query(statement, None)
    except RecursionError:
        raise SqlError("The query is nested too deep for this emulator") from None
    finally:
        OBSERVER.reset(token)


@dataclass(frozen=True)
class _Observer:
    """Passes on what values are taken for, by the columns that these are made of."""

    translator: QueryTranslator
    discovery: Discovery

    def observe(self, sql: str, target: Type, *, is_exact: bool) -> None:
        """A value of unknown type is taken for one of a type."""
        self.discovery.observe(self.translator.origin(sql), target, is_exact=is_exact)

    def derive(self, sql: str, origin: str) -> None:
        """A value of unknown type has the type of another one."""
        self.translator.note_origin(sql, origin)

    def link(self, sqls: Sequence[str]) -> None:
        """Values of unknown type must be of one type."""
        self.discovery.link([self.translator.origin(sql) for sql in sqls])

    def elements(self, sql: str) -> str:
        """A value of unknown type is an array."""
        array = self.translator.origin(sql)
        element = self.translator.origin(f"{array}[]")
        return element if element != f"{array}[]" else self.discovery.elements(array)

    def compare(self, sql: str, text: str) -> None:
        """A value is compared with one that is written out."""
        self.discovery.compared(self.translator.origin(sql), text)
