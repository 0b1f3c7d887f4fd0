"""Translates a syntax tree to DuckDB's SQL: names are resolved, types determined, and nodes translated.

`translator` is the entry. `queries` translates SELECT with its clauses, FROM, set operations and WITH. `expressions`
translates all other nodes, each kind by the function in `expressions.writers`, and `casts` converts values between
types. A `scopes.Scope` resolves names. With tables of unknown columns, `observation` reports the uses of values of
unknown type, and `discovery` the columns.
"""
