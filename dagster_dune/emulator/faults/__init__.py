"""Fault injection: the kinds of faults, and the rules that determine when one is applied.

`http` looks for a fault before it answers a request, and `execution` before it runs a query.
"""
