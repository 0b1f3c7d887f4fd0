"""What was refreshed outside Dagster: polled within a budget of requests, and told as events.

In come assets and Dune's answers about their latest executions, out go materializations and observations that the event
log does not have yet. `sensors` is what users see of it.
"""
