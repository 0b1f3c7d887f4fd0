"""Records the requests of a command to Dune and their answers, and replays them: see docs/testing.md.

`proxy` records requests and answers, `anonymous` replaces names, SQL and rows in them, and a `Cassette` stores and
replays them.
"""
