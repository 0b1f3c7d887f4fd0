"""Names in SQL that should be objects of the catalog, and are not."""

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

_is_told_later = ContextVar("unknown_names_told_later", default=False)


def unknown_names(catalog: CatalogContents, elsewhere: Collection[str] = ()) -> dict[str, list[str]]:
    """Find what SQL reads of the catalog's own teams, and the catalog does not hold.

    A team is the catalog's own if it holds a matview of it. A query's id says nothing of its team, so every query that
    is not in the catalog may be someone else's.

    Args:
        catalog: The objects.
        elsewhere: The names of objects that other catalogs of the same code hold.

    Returns:
        By the name of a matview, the objects that read it. What stands in `external` is left out.

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
def unknown_names_told_later() -> Iterator[None]:
    """Let nothing within the block warn of unknown names: who reads several catalogs warns when all are read."""
    token = _is_told_later.set(True)
    try:
        yield
    finally:
        _is_told_later.reset(token)


def warn_of_unknown_names(catalog: ContentsT, elsewhere: Collection[str] = ()) -> ContentsT:
    """Warn of `unknown_names` in one message, if there are any, and return the catalog."""
    if _is_told_later.get():
        return catalog
    if unknown := unknown_names(catalog, elsewhere):
        shown = [_described(catalog, name, readers) for name, readers in list(unknown.items())[:NAMES_SHOWN]]
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


def _described(catalog: CatalogContents, name: str, readers: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (needed for a warning alone)

    matviews = [matview.sql_name for matview in catalog.materialized_views]
    close = get_close_matches(name, matviews, n=1, cutoff=LIKENESS)
    text = f"{name}, read by {abbreviated(readers, READERS_SHOWN)}"
    return f"{text} (Did you mean {close[0]}?)" if close else text


def _label(obj: MaterializedView | Query) -> str:
    return f"{obj.sql_name} in {PurePath(obj.source.path).name}" if obj.source else obj.sql_name
