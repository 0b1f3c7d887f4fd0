"""DuckDB as the engine of DuneSQL: it stores tables and executes compiled queries.

A query that `dunesql` has compiled becomes a `ResultSet`, or an error with Trino's message. `execution` runs it.
"""
