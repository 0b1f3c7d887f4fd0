"""The code version of each object: a hash of everything that determines the SQL that Dune runs for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.hashing import hashed
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query


def code_versions(catalog: CatalogContents) -> dict[str, str]:
    """Compute the code version of each object whose SQL is known.

    It changes with the SQL (but not with its comments, its layout or the case of unquoted words), with the defaults and
    values of the parameters, and with each query that Dune inlines: with its SQL, with the queries that it inlines
    itself, and with its defaults for parameters to which the reader passes no value. The rows of a matview are data, so
    a change of a matview does not change the code versions of its readers.

    Args:
        catalog: The objects.

    Returns:
        The hashes by SQL name. Of a view whose SQL is not known, only the name is hashed.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query
        >>> view, changed = Query(query_id=1, sql="SELECT 1"), Query(query_id=1, sql="SELECT 2")
        >>> reader = Query(query_id=2, sql="SELECT * FROM query_1")
        >>> before, after = (code_versions(DuneCatalog(queries=[query, reader])) for query in (view, changed))
        >>> before["query_2"] == after["query_2"]
        False
    """
    graph = catalog.graph
    objects = {query: catalog[matview] for query, matview in graph.backed.items()}
    objects |= {obj.sql_name: obj for obj in catalog}
    inlined: dict[str, list[str]] = {}
    for name in graph.topological_order():
        obj = objects.get(name)
        if obj is not None and obj.fingerprint is not None:
            views = [view for view in graph.reads(name) if graph.is_view(view)]
            inlined[name] = [_inlined(obj, view, objects.get(view), inlined.get(view)) for view in views]
    return {
        obj.sql_name: hashed([obj.fingerprint or "", *_values(obj), *inlined[obj.sql_name]])
        for obj in catalog
        if obj.sql_name in inlined
    }


def _inlined(
    reader: DuneObject, name: str, view: MaterializedView | Query | None, inlined: Iterable[str] | None
) -> str:
    """Return the part of a reader's hash for one view. Passed values are left out: they are in the reader's own SQL."""
    if view is None or inlined is None:
        return f"{name} None"
    calls = reader.view_parameters.get(name, ())
    passed = set.intersection(*({key.lower() for key in call} for call in calls)) if calls else set()
    defaults = {key: value for key, value in _defaults(view).items() if key.lower() not in passed}
    return f"{name} {hashed([view.fingerprint or '', *_serialized(defaults), *inlined])}"


def _values(obj: MaterializedView | Query) -> list[str]:
    """Return the serialized parameter values of an object's executions."""
    return _serialized({**_defaults(obj), **obj.query_parameters} if isinstance(obj, Query) else {})


def _defaults(obj: MaterializedView | Query) -> dict[str, Any]:
    return {parameter.key: parameter.default for parameter in obj.parameters} if isinstance(obj, Query) else {}


def _serialized(values: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value!r}" for key, value in sorted(values.items())]
