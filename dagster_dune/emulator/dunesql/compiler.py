"""From the text of a query to a statement that is complete in itself."""

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
    """A query whose parameters and query views are in their places.

    Attributes:
        statement: The query; functions carry the mark that `parse` gives them.
        tables: The full lower-case names, without quotes, of every table, matview and upload that it reads.
    """

    statement: exp.Query
    tables: frozenset[str]


def compile_sql(sql: str, *, parameters: Mapping[str, str], views: Callable[[int], View | None]) -> Compiled:
    """Read a query, and put its parameters and the query views it reads in their places.

    Args:
        sql: DuneSQL.
        parameters: A value a parameter.
        views: Gives the saved query of an id, or None.

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
        if table.db or not (is_previous(table) or known.hold(table))
    }
    return Compiled(statement, frozenset(tables))
