"""DuneSQL, Trino's dialect with Dune's own words, made ready for DuckDB.

A query goes through these steps, a module each: `parameters` puts the values in, `parsing` reads the text and refuses
what is no query or no listed function, `views` puts the saved queries in that it reads, and, when the engine knows the
tables, `lowering` rewrites what Trino and DuckDB understand differently.
"""

from dagster_dune.emulator.dunesql.compiler import Compiled, compile_sql
from dagster_dune.emulator.dunesql.views import View

__all__ = ["Compiled", "View", "compile_sql"]
