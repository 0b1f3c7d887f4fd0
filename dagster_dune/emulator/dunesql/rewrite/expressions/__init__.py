"""Expressions: each kind of node becomes DuckDB's SQL and a type; what writes which is listed in `writers`."""
