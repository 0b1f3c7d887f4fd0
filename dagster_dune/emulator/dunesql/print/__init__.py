"""Print: a whole tree comes in, DuckDB's SQL goes out; the binder is asked for the types on the way."""
