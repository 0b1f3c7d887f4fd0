"""Converts the partitions, automation and freshness of a catalog to Dagster's.

The results are partitions definitions, automation conditions and freshness policies. `translator` puts them into asset
specs, and `_specs` compares them with each other.
"""
