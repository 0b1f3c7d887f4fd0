"""Trino's types, their syntax and coercions, signatures of functions, and the types of DuckDB that store values."""
