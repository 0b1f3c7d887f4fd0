"""Queries: SELECT and its clauses, what stands in FROM, set operations, common table expressions."""
