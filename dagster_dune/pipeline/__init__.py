"""One run of one pipeline: plan it, follow it, settle its nodes, cancel it. It does not import Dagster.

It takes a catalog with a selection, and yields one outcome for each node as the node ends. `_execution` turns outcomes
into Dagster's events.
"""
