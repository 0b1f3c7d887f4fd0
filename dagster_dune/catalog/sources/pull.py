"""Reads an account and merges a folder of ``.sql`` files with it, or a selection of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.selection import matches_any
from dagster_dune.catalog.selection import select as matching
from dagster_dune.catalog.sources.account import discover
from dagster_dune.catalog.sources.merge import merged

if TYPE_CHECKING:
    from dagster_dune.api.client import DuneApiClient
    from dagster_dune.catalog.objects import Query


class Pulled(NamedTuple):
    """The catalogs that `pull` returns.

    Attributes:
        account: The catalog of the account alone.
        catalog: The account merged with the folder.
    """

    account: CatalogContents
    catalog: CatalogContents


def pull(
    client: DuneApiClient,
    folder: CatalogContents | None,
    *,
    select: Sequence[str] | None,
    exclude: Sequence[str],
    known: CatalogContents | None,
    concurrency: int,
    progress: Callable[[int, int], object] | None = None,
    cache: dict[int, Query] | None = None,
) -> Pulled:
    """Read an account, and merge a folder with it.

    The patterns apply to both: an object is selected if its names or tags on Dune or in the folder match. The query
    views that selected objects read are included.

    Args:
        client: A client with a key of the account.
        folder: The catalog that `DuneCatalog.from_directory` returned; None if there is no folder.
        select: The patterns of the objects to include; all objects if None.
        exclude: The patterns of the objects to exclude from the selection.
        known: The catalog of an earlier read of the account.
        concurrency: How many queries are read at once.
        progress: Called with the number of queries that were read, and the number of queries to read.
        cache: The queries that an interrupted read has read, to which this read adds its own; see `discover`.

    Returns:
        The catalog of the account, and the merged catalog.

    Raises:
        DuneApiError: Dune could not be reached, or refused the key.
        DuneCatalogError: A pattern of `select` matches nothing in either, or the two contradict each other.
    """
    account = discover(
        client,
        select=select,
        exclude=exclude,
        folder=folder,
        known=known,
        concurrency=concurrency,
        progress=progress,
        cache=cache,
    )
    if folder is None:
        return Pulled(account, account)
    catalog = merged(folder, account)
    if select is None and not exclude:
        return Pulled(account, catalog)
    excluded = matching(folder, exclude, strict=False)
    own = {obj.sql_name for obj in folder} if select is None else matching(folder, select, strict=False)
    selected = _with_views(catalog, {obj.sql_name for obj in account} | (own - excluded), excluded)
    return Pulled(account, _narrowed(catalog, selected, select, exclude))


def _with_views(catalog: CatalogContents, names: Collection[str], excluded: Collection[str]) -> set[str]:
    """Return names and, recursively, the query views that their objects read, without the excluded ones."""
    found, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name not in found and name not in excluded:
            found.add(name)
            pending += [read for read in catalog.graph.reads(name) if catalog.graph.is_view(read)]
    return found


def _narrowed(
    catalog: CatalogContents, selected: Collection[str], select: Sequence[str] | None, exclude: Sequence[str]
) -> CatalogContents:
    """Return a catalog of the selected objects. Other objects that they read become external."""
    checks = tuple(check for check in catalog.checks if {check.asset, check.sql_name} - {None} <= set(selected))
    selected = set(selected) - catalog.check_queries.difference(check.sql_name for check in checks if check.sql_name)
    objects = [obj for obj in catalog if obj.sql_name in selected]
    read = {name for obj in objects for name in catalog.graph.reads(obj.sql_name)}
    external = {name for name in read if name in catalog and name not in selected}
    return CatalogContents(
        materialized_views=tuple(obj for obj in catalog.materialized_views if obj.sql_name in selected),
        queries=tuple(obj for obj in catalog.queries if obj.sql_name in selected),
        external=tuple(sorted({*catalog.external, *external})),
        unidentified=tuple(
            query
            for query in catalog.unidentified
            if (select is None or matches_any(query, select)) and not matches_any(query, exclude)
        ),
        checks=checks,
    )
