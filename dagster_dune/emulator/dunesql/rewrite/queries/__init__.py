"""Translates queries: SELECT and its clauses, FROM, set operations, common table expressions."""
