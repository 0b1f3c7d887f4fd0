"""Executions and pipelines: the queue that runs them, their states and their costs.

A `Job` comes in, an `Execution` goes out; its rows are made by the `engine`. `http` shows both to clients.
"""
