"""DuneSQL, Trino's dialect with Dune's own words, made ready for DuckDB.

A query goes through these rooms: `parse` puts the parameters in, reads the text, and refuses what is no query or no
listed function; `resolve` puts the saved queries in that it reads; when the engine knows the tables, `print` asks for
the `types`, has each node written anew by `rewrite`, and writes the whole. What one of Trino's functions means in SQL
stands in `macros`.
"""

from dagster_dune.emulator.dunesql.compiler import Compiled, compile_sql
from dagster_dune.emulator.dunesql.resolve.views import View

__all__ = ["Compiled", "View", "compile_sql"]
