"""Maps names of tables in DuneSQL to schemas and tables of DuckDB.

Names of two parts are not changed. The word ``dune`` and the team in the name of a matview or an upload become one
schema: ``"dune.acme"."result_x"``. Parts of names cannot contain dots, so that the mapping is unique.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.sql_errors import SqlError


def duckdb_name(name: str) -> tuple[str, str]:
    """Return the schema and the table for a full name.

    Args:
        name: Such as ``dex.trades`` or ``dune.acme.result_x``, with quotes or without.

    Returns:
        Schema and table in lower case. ``information_schema`` becomes another schema, since DuckDB's has more tables.

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
    """Return a full name in the form of DuckDB.

    Examples:
        >>> quoted("dune.acme.result_x")
        '"dune.acme"."result_x"'
    """
    return ".".join('"' + part.replace('"', '""') + '"' for part in duckdb_name(name))


def table_name(table: exp.Table) -> str:
    """Return the full name of a table in a statement, in lower case and without quotes."""
    return ".".join(part.name for part in table.parts).lower()


class CteNames:
    """The names of common table expressions in a statement, which are cached for each WITH."""

    def __init__(self) -> None:
        self._names: dict[int, frozenset[str]] = {}

    def contain(self, table: exp.Table) -> bool:
        """Return whether a table is a common table expression in its scope."""
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
