"""One run of one pipeline: plan, submit, follow, settle, cancel. Pure of Dagster.

In comes a catalog with a selection, out goes an outcome a node, as each ends. `_execution` makes Dagster's
events of them.
"""
