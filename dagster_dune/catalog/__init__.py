"""What exists on Dune and what reads what. Pure: nothing of Dagster.

A core of objects, names, parameters, partitions, versions and the graph; `sql` finds what a text reads; `sources` read
a folder or an account; `DuneCatalog` stands on top. Next is `pipeline`, which plans a run of it.
"""
