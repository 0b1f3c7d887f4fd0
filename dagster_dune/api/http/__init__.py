"""Sends a request within its deadline and its plan's limits, and turns the answer into a model or one of our errors.

`transport` decides what is sent again, `exchange` makes one attempt over a connection of `wire`, and `answers` reads
the answer. The callers are the methods of `dagster_dune.api.endpoints`.
"""
