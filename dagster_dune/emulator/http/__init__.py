"""Everything between a request and the local Dune: the key, journal, rate limits, faults, routes, pages of results.

A request passes, in this order, `journal`, `faults`, `auth` and `rate_limits`, and is answered by one of the `routes`.
"""
