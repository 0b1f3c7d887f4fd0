"""DuneSQL, Trino's dialect with Dune's own words, made ready for DuckDB.

A query goes through these packages: `parse` puts the parameters in, reads the text, and refuses what is no query or no
listed function; `resolve` puts the saved queries in that it reads; when the engine knows the tables, `rewrite` asks
`types` for the type of each node, and writes the whole as DuckDB's SQL. A call of one of Trino's functions is written
by its entry in `functions`; what no expression of DuckDB says stands in `macros`, and in Python in `runtime`.
"""

from dagster_dune.emulator.dunesql.compiler import Compiled, compile_sql
from dagster_dune.emulator.dunesql.resolve.views import View

__all__ = ["Compiled", "View", "compile_sql"]
