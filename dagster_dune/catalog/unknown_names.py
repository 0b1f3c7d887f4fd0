"""Warns of names in SQL that should be objects of the catalog, but are not."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import PurePath
from typing import TypeVar

from dagster_dune._formatting import abbreviated
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.objects import MaterializedView, Query

logger = logging.getLogger(__name__)

ContentsT = TypeVar("ContentsT", bound=CatalogContents)

NAMES_SHOWN = 10
READERS_SHOWN = 3
LIKENESS = 0.85

_is_deferred = ContextVar("unknown_name_warnings_deferred", default=False)


def unknown_names(catalog: CatalogContents, elsewhere: Collection[str] = ()) -> dict[str, list[str]]:
    """Find matviews of the catalog's own teams that SQL reads and that are not in the catalog.

    A team is one of the catalog's own if the catalog holds a matview of it. The id of a query does not show its team,
    so any query that is not in the catalog may belong to another team.

    Args:
        catalog: The objects.
        elsewhere: The names of objects that other catalogs of the same code location hold.

    Returns:
        The objects that read an unknown matview, by the name of the matview. Names in `external` are left out.

    Examples:
        >>> from dagster_dune import DuneCatalog, MaterializedView, Query
        >>> catalog = DuneCatalog(
        ...     materialized_views=[MaterializedView(name="dune.acme.result_x")],
        ...     queries=[Query(query_id=1, sql="SELECT * FROM dune.acme.result_y, dune.other.result_y")],
        ... )
        >>> unknown_names(catalog)
        {'dune.acme.result_y': ['query_1']}
    """
    teams = {matview.team.lower() for matview in catalog.materialized_views}
    known = {Reference.parse(name).name for name in catalog.external}.union(elsewhere)
    found: dict[str, list[str]] = {}
    for obj in catalog:
        for name in obj.references or ():
            if _team_of_matview(name) in teams and name not in catalog and name not in known:
                found.setdefault(name, []).append(_label(obj))
    return dict(sorted(found.items()))


@contextmanager
def unknown_name_warnings_deferred() -> Iterator[None]:
    """Suppress the warnings of unknown names within a block, for callers that warn after reading several catalogs."""
    token = _is_deferred.set(True)
    try:
        yield
    finally:
        _is_deferred.reset(token)


def warn_of_unknown_names(catalog: ContentsT, elsewhere: Collection[str] = ()) -> ContentsT:
    """Warn of `unknown_names` in one message, if there are any, and return the catalog."""
    if _is_deferred.get():
        return catalog
    if unknown := unknown_names(catalog, elsewhere):
        shown = [_description(catalog, name, readers) for name, readers in list(unknown.items())[:NAMES_SHOWN]]
        more = [f"and {len(unknown) - NAMES_SHOWN} more"] if len(unknown) > NAMES_SHOWN else []
        logger.warning(
            "SQL reads materialized views of the catalog's own team that the catalog does not hold, and takes them for "
            "someone else's: %s. Correct the names, add what is missing to the catalog, or list it in external.",
            "; ".join([*shown, *more]),
        )
    return catalog


def _team_of_matview(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == "dune" and parts[2].startswith("result_") else None


def _description(catalog: CatalogContents, name: str, readers: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (needed for a warning alone)

    matviews = [matview.sql_name for matview in catalog.materialized_views]
    close = get_close_matches(name, matviews, n=1, cutoff=LIKENESS)
    text = f"{name}, read by {abbreviated(readers, READERS_SHOWN)}"
    return f"{text} (Did you mean {close[0]}?)" if close else text


def _label(obj: MaterializedView | Query) -> str:
    return f"{obj.sql_name} in {PurePath(obj.source.path).name}" if obj.source else obj.sql_name
