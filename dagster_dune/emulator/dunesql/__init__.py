"""Compiles DuneSQL, Trino's dialect with extensions of Dune, to DuckDB's SQL.

`parse` substitutes parameters, parses the text, and rejects unsupported syntax and functions. `resolve` inlines query
views. When the tables are known, `rewrite` determines the type of each node with `types`, and translates the query. The
entries of `functions` translate calls of Trino's functions. SQL macros are in `macros`, functions in Python in
`runtime`.
"""

from dagster_dune.emulator.dunesql.compiler import Compiled, compile_sql
from dagster_dune.emulator.dunesql.resolve.views import View

__all__ = ["Compiled", "View", "compile_sql"]
