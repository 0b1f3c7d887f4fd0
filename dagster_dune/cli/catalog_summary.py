"""Counts the objects of a catalog, and lists which objects read which."""

from __future__ import annotations

from typing import Any

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.catalog.objects import Query
from dagster_dune.catalog.versions import code_versions


def counts(catalog: CatalogContents) -> dict[str, int]:
    """Count a catalog's objects, and what they read beside each other.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> catalog = DuneCatalog(queries=[Query(query_id=1, deps=["dex.trades"]), Query(query_id=2, deps=["query_1"])])
        >>> {name: count for name, count in counts(catalog).items() if count}
        {'queries': 2, 'query views': 1, 'tables': 1, 'reads': 2, 'longest chain': 2, 'without SQL': 2}
    """
    graph = catalog.graph
    kinds = [Reference.parse(name).kind for name in others(catalog)]
    return {
        "materialized views": len(catalog.materialized_views),
        "queries": len(catalog.queries),
        "query views": sum(graph.read_by_others(query.sql_name) for query in catalog.queries),
        "tables": kinds.count(ReferenceKind.TABLE),
        "uploads": kinds.count(ReferenceKind.UPLOAD),
        "materialized views of others": kinds.count(ReferenceKind.MATERIALIZED_VIEW),
        "queries of others": kinds.count(ReferenceKind.QUERY),
        "reads": sum(len(graph.reads(obj.sql_name)) for obj in catalog),
        "longest chain": _longest_chain(catalog),
        "without SQL": sum(obj.sql is None for obj in catalog),
        "without id": len(catalog.unidentified),
        "checks": len(catalog.checks),
    }


def others(catalog: CatalogContents) -> list[str]:
    """The names that objects read and the catalog does not hold, in alphabetical order."""
    read = {name for obj in catalog for name in catalog.graph.reads(obj.sql_name)} - catalog.graph.backing_queries
    return sorted(name for name in read if name not in catalog)


def files_without_id(catalog: CatalogContents) -> list[str]:
    """Where the queries stand that are no objects, because their ids are not known."""
    return [query.source.path if query.source else query.slug or "?" for query in catalog.unidentified]


def readers(catalog: CatalogContents) -> dict[str, list[str]]:
    """By the name of each object, the objects that read it; where they read its backing query, that counts too."""
    found: dict[str, list[str]] = {obj.sql_name: [] for obj in catalog}
    for obj in catalog:
        reads = {catalog.graph.backed.get(name, name) for name in catalog.graph.reads(obj.sql_name)}
        for name in sorted(reads & found.keys() - {obj.sql_name}):
            found[name].append(obj.sql_name)
    return found


def described(catalog: CatalogContents) -> dict[str, Any]:
    """Describe a catalog for programs: its counts, and its objects with what each reads and is read by."""
    read_by, versions = readers(catalog), code_versions(catalog)
    return {
        "counts": counts(catalog),
        "objects": [
            {
                "name": obj.sql_name,
                "kind": obj.kind,
                "asset_key": list(obj.key_parts),
                "query_id": obj.query_id,
                "title": obj.name if isinstance(obj, Query) else None,
                "slug": obj.slug if isinstance(obj, Query) else None,
                "tags": list(obj.tags),
                "code_version": versions.get(obj.sql_name),
                "reads": list(catalog.graph.reads(obj.sql_name)),
                "read_by": read_by[obj.sql_name],
                "view_parameters": obj.view_parameters,
            }
            for obj in catalog
        ],
        "others": others(catalog),
        "unidentified": files_without_id(catalog),
        "checks": [check.model_dump(mode="json", exclude_defaults=True) for check in catalog.checks],
    }


def _longest_chain(catalog: CatalogContents) -> int:
    """The number of objects on the longest way through the catalog."""
    lengths: dict[str, int] = {}
    for name in catalog.graph.topological_order():
        longest = max((lengths.get(read, 0) for read in catalog.graph.reads(name)), default=0)
        lengths[name] = longest + (name in catalog)
    return max(lengths.values(), default=0)
