"""Rewrite: one node of a tree with its types comes in, DuckDB's form of the same meaning goes out; next is `print`."""
