"""When and in which parts assets run: the catalog's partitions, automation and freshness as Dagster has them.

In come the objects of a catalog, out go Dagster's partitions definitions, automation conditions and freshness policies.
`translator` puts them into specs, `_specs` checks them against each other.
"""
