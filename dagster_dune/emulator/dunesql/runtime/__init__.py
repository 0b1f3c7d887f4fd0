"""Functions in Python that DuckDB calls, for what its own SQL cannot say as Trino means it."""
