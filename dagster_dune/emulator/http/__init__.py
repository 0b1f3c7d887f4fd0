"""Everything between a request and the local Dune: the key, the journal, rate limits, routes, paging."""
