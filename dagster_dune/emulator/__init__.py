"""A local Dune: the same HTTP API, and real DuneSQL on DuckDB."""
