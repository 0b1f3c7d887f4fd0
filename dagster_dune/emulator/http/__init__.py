"""The HTTP API of the local Dune: journal, faults, authentication, rate limits, routes, pages of results.

A request passes the middleware of `journal`, `faults`, `auth` and `rate_limits`, in this order, and is answered by one
of the `routes`.
"""
