"""Executions and pipelines: the queue that runs them, their states and their results."""
