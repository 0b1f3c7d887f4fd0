"""The objects of Dune (matviews and queries) and their dependencies. Nothing here imports Dagster.

The core are the objects, their names and settings, their code versions and the dependency graph. `sql` finds the names
that SQL reads, and `sources` read a folder or an account. `DuneCatalog` uses all of these. The package
`pipeline`, which stands on this one, plans runs of a catalog's objects.
"""
