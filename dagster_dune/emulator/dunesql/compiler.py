"""Compiles the text of a query to a statement with all parameters and query views inlined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.incremental import is_previous
from dagster_dune.emulator.dunesql.parse.parameters import substitute
from dagster_dune.emulator.dunesql.parse.parser import parse
from dagster_dune.emulator.dunesql.resolve.names import CteNames, table_name
from dagster_dune.emulator.dunesql.resolve.views import View, inline_views


@dataclass(frozen=True)
class Compiled:
    """A query with all parameters and query views inlined.

    Attributes:
        statement: The query; names of functions have the prefix of `parse.functions`.
        tables: The full names of all tables, matviews and uploads that it reads, in lower case and without quotes.
    """

    statement: exp.Query
    tables: frozenset[str]


def compile_sql(sql: str, *, parameters: Mapping[str, str], views: Callable[[int], View | None]) -> Compiled:
    """Parse a query, and inline its parameters and the query views that it reads.

    Args:
        sql: The text in DuneSQL.
        parameters: The values of parameters.
        views: Returns the saved query with an id, or None.

    Returns:
        The query for `dagster_dune.emulator.engine.engine.Engine`.

    Raises:
        SqlError: The text is no single query, calls a function that is not supported, lacks the value of a parameter,
            or reads a query that does not exist.

    Examples:
        >>> saved = {7: View("SELECT * FROM dex.trades WHERE blockchain = '{{chain}}'", {"chain": "base"})}
        >>> compiled = compile_sql("SELECT count(*) FROM query_7", parameters={}, views=saved.get)
        >>> sorted(compiled.tables)
        ['dex.trades']
    """
    statement = inline_views(parse(substitute(sql, parameters)), views)
    known = CteNames()
    tables = {
        table_name(table)
        for table in statement.find_all(exp.Table)
        if table.db or not (is_previous(table) or known.contain(table))
    }
    return Compiled(statement, frozenset(tables))
