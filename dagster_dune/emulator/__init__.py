"""A local Dune: the same HTTP API, and real DuneSQL on DuckDB.

A request comes in at `http`, reads or changes the `account`, starts an `execution`, whose SQL `dunesql` compiles for
the `engine`. `server.DuneEmulator` is what users start; `storage` keeps it all in a file; `faults` break it on demand.
"""
