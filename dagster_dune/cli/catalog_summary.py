"""Counts the objects of a catalog, and lists which objects read which."""

from __future__ import annotations

from typing import Any

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.catalog.objects import Query
from dagster_dune.catalog.versions import code_versions


def counts(catalog: CatalogContents) -> dict[str, int]:
    """Count the objects of a catalog, and the names that they read.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> catalog = DuneCatalog(queries=[Query(query_id=1, deps=["dex.trades"]), Query(query_id=2, deps=["query_1"])])
        >>> {name: count for name, count in counts(catalog).items() if count}
        {'queries': 2, 'query views': 1, 'tables': 1, 'reads': 2, 'longest chain': 2, 'without SQL': 2}
    """
    graph = catalog.graph
    kinds = [Reference.parse(name).kind for name in external_names(catalog)]
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


def external_names(catalog: CatalogContents) -> list[str]:
    """Return the names that objects read and that are not in the catalog, in alphabetical order."""
    read = {name for obj in catalog for name in catalog.graph.reads(obj.sql_name)} - catalog.graph.backing_queries
    return sorted(name for name in read if name not in catalog)


def files_without_id(catalog: CatalogContents) -> list[str]:
    """Return the files of queries without a known id, which are not objects of the catalog."""
    return [query.source.path if query.source else query.slug or "?" for query in catalog.unidentified]


def readers(catalog: CatalogContents) -> dict[str, list[str]]:
    """Return the readers of each object by its name. Readers of a backing query count as those of its matview."""
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
                "asset_key": None if obj.sql_name in catalog.check_queries else list(obj.key_parts),
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
        "others": external_names(catalog),
        "unidentified": files_without_id(catalog),
        "checks": [check.model_dump(mode="json", exclude_defaults=True) for check in catalog.checks],
    }


def _longest_chain(catalog: CatalogContents) -> int:
    """Return the number of objects on the longest path in the graph."""
    lengths: dict[str, int] = {}
    for name in catalog.graph.topological_order():
        longest = max((lengths.get(read, 0) for read in catalog.graph.reads(name)), default=0)
        lengths[name] = longest + (name in catalog)
    return max(lengths.values(), default=0)
