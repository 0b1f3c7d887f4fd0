"""Rewrite: a tree comes in, its names are looked up and its types told; DuckDB's SQL of the same meaning goes out.

`translator` begins. `queries` writes SELECT and its clauses, what stands in FROM, set operations and WITH;
`expressions` writes all else, each kind of node by the function that `expressions.writers` lists, and `casts` gets a
value from one type to another. What names mean in a place is a `scopes.Scope`; `observation` tells what values of
unknown type are taken for, and `discovery` what columns tables are found to have.
"""
