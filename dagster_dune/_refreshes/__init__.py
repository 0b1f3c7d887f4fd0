"""Polls refreshes that Dagster did not start, within a budget of requests, and reports them as events.

The latest executions of assets on Dune become materializations and observations, unless the event log has them already.
Users build the sensor with `sensors`.
"""
