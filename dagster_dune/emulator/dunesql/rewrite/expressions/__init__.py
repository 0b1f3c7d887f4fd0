"""Translates expressions to DuckDB's SQL with types; `writers` lists the function for each kind of node."""
