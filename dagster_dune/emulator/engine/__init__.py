"""DuckDB under DuneSQL: it keeps tables, and turns a compiled query into the rows that Dune would answer.

A query compiled by `dunesql` comes in, a `ResultSet` goes out, or an error in Trino's words. `execution` runs it.
"""
