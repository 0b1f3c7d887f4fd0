"""Parses DuneSQL to a syntax tree of sqlglot that has only supported syntax and functions."""
