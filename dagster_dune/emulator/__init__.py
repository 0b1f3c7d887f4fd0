"""A local Dune: the same HTTP API, and DuneSQL on DuckDB.

`http` answers requests, which read or change the `account` and start an `execution`. `dunesql` compiles its SQL for the
`engine`. Users start a `server.DuneEmulator`; `storage` saves its state in a file, and `faults` are injected by tests.
"""
