"""A request goes out, within its time and its plan's limits; its answer, a model or one of our errors, comes back.

`transport` decides what is sent again, `exchange` is one attempt over a connection of `wire`, and `answers` says what
came. What calls it are the methods of `dagster_dune.api.endpoints`.
"""
