"""Dune queries and materialized views as Dagster assets."""
