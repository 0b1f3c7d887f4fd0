"""Resolves names of tables, common table expressions and query views."""
