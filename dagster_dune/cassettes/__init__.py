"""Recording what a command asks of Dune, and answering the same again: see docs/testing.md.

A `Cassette` holds requests and answers; `anonymous` takes names, SQL and rows out of both; `proxy` records.
"""
