"""Runs executions and pipelines, with their states and costs.

The queue makes an `Execution` of a `Job`, whose rows the `engine` returns. `http` shows executions and pipelines to
clients.
"""
