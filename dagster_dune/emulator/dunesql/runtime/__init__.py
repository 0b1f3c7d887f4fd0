"""Functions in Python that DuckDB calls, where its own SQL cannot express Trino's semantics."""
