"""The code version of each object: a hash of everything that decides which SQL Dune runs for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dagster_dune.catalog.models import DuneCatalog
from dagster_dune.catalog.objects import MaterializedView, Query


def code_versions(catalog: DuneCatalog) -> dict[str, str]:
    """Work out the code version of each object whose SQL is known.

    It changes with the SQL (not with its comments, its layout or the case of unquoted words), with the parameters'
    defaults and values, and with the same of each query that Dune inlines. What a matview stored is data, so a change
    of a matview does not change its readers.

    Args:
        catalog: The objects.

    Returns:
        By SQL name, a hash. A view whose SQL is not known counts by its name alone.

    Examples:
        >>> view, changed = Query(query_id=1, sql="SELECT 1"), Query(query_id=1, sql="SELECT 2")
        >>> reader = Query(query_id=2, sql="SELECT * FROM query_1")
        >>> before, after = (code_versions(DuneCatalog(queries=[query, reader])) for query in (view, changed))
        >>> before["query_2"] == after["query_2"]
        False
    """
    graph = catalog.graph
    objects: dict[str, MaterializedView | Query] = {
        f"query_{matview.query_id}": matview for matview in catalog.materialized_views if matview.query_id
    }
    objects |= {obj.sql_name: obj for obj in catalog}
    versions: dict[str, str] = {}
    for name in graph.upstream_first():
        obj = objects.get(name)
        if obj is not None and obj.fingerprint is not None:
            views = [f"{view} {versions.get(view)}" for view in graph.reads(name) if graph.is_view(view)]
            versions[name] = hashed([obj.fingerprint, *_parameters(obj), *views])
    return {obj.sql_name: versions[obj.sql_name] for obj in catalog if obj.sql_name in versions}


def hashed(parts: Iterable[str]) -> str:
    """Hash a few texts, in their order: 16 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parameters(obj: MaterializedView | Query) -> list[str]:
    if isinstance(obj, MaterializedView):
        return []
    defaults = {parameter.key: parameter.default for parameter in obj.parameters}
    return [f"{key}={value!r}" for key, value in sorted({**defaults, **obj.query_parameters}.items())]
