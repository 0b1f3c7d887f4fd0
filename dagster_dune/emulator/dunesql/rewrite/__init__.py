"""Rewrite: a tree comes in, its names are looked up and its types told; DuckDB's SQL of the same meaning goes out.

`translator` gives each kind of node to the function that writes it; `queries`, `relations` and `aggregation` write
queries, `literals`, `operators`, `comparisons`, `conditions`, `casts`, `calls` and `documents` expressions.
"""
