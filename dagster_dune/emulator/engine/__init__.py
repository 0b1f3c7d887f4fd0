"""DuckDB under DuneSQL: it runs compiled statements, keeps tables, and says in Trino's words what failed."""
