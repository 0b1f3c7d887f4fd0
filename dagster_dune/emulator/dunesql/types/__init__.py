"""Types: which of Trino's a type of DuckDB's stands for, and how they are written; `rewrite` asks for them."""
