"""Names of tables: as DuneSQL writes them, and where DuckDB keeps them.

DuckDB has two levels, schema and table. A name of two parts is kept as it is; the word ``dune`` and the team of a
matview or an upload make one schema: ``"dune.acme"."result_x"``. A dot cannot stand in a part of a name, so no two
names meet.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.sql_errors import SqlError


def duckdb_name(name: str) -> tuple[str, str]:
    """Find the schema and the table that keep a full name.

    Args:
        name: Such as ``dex.trades`` or ``dune.acme.result_x``, with quotes or without.

    Returns:
        Schema and table, lower case. ``information_schema`` is a schema of our own: DuckDB's tells of more.

    Raises:
        SqlError: The name has not two or three parts.

    Examples:
        >>> duckdb_name('dune."21co".result_x')
        ('dune.21co', 'result_x')
    """
    schema, _, table = name.replace('"', "").lower().rpartition(".")
    if not schema or not table or schema.count(".") > 1:
        raise SqlError(f"'{name}' is not the name of a table: write <schema>.<table> or dune.<team>.<table>")
    return "readable" if schema == "information_schema" else schema, table


def quoted(name: str) -> str:
    """Write a full name as DuckDB reads it.

    Examples:
        >>> quoted("dune.acme.result_x")
        '"dune.acme"."result_x"'
    """
    return ".".join('"' + part.replace('"', '""') + '"' for part in duckdb_name(name))


def table_name(table: exp.Table) -> str:
    """Write the full name of a table in a statement, lower case and without quotes."""
    return ".".join(part.name for part in table.parts).lower()


class CteNames:
    """The common table expressions of a statement; what each WITH names is read once."""

    def __init__(self) -> None:
        self._names: dict[int, frozenset[str]] = {}

    def hold(self, table: exp.Table) -> bool:
        """Whether a table without a schema is one of those that it can see."""
        name = table.name.lower()
        parent: exp.Expr | None = table
        while parent is not None:
            if isinstance(parent, exp.Query) and name in self._of(parent):
                return True
            parent = parent.parent
        return False

    def _of(self, query: exp.Query) -> frozenset[str]:
        if id(query) not in self._names:
            self._names[id(query)] = frozenset(cte.alias.lower() for cte in query.ctes)
        return self._names[id(query)]
