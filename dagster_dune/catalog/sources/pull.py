"""An account together with a folder of ``.sql`` files, or some of both."""

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
    """What was read.

    Attributes:
        account: The account's own part.
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
    read: dict[int, Query] | None = None,
) -> Pulled:
    """Read an account, and merge a folder with it.

    The patterns speak of both: an object is chosen if its names or tags on Dune match, or those that the folder gives
    it. Query views that chosen objects read come along.

    Args:
        client: A client with a key of the account.
        folder: What `DuneCatalog.from_directory` read; None if there is no folder.
        select: What to take; everything if None.
        exclude: What to leave out of that.
        known: What was read of the account before.
        concurrency: How many queries are read at once.
        progress: Called with the number of queries that were read, and the number to read.
        read: What an earlier attempt has read, and where this one keeps what it reads; see `discover`.

    Returns:
        The account's catalog, and that of both.

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
        read=read,
    )
    if folder is None:
        return Pulled(account, account)
    catalog = merged(folder, account)
    if select is None and not exclude:
        return Pulled(account, catalog)
    excluded = matching(folder, exclude, strict=False)
    own = {obj.sql_name for obj in folder} if select is None else matching(folder, select, strict=False)
    kept = _with_views(catalog, {obj.sql_name for obj in account} | (own - excluded), excluded)
    return Pulled(account, _narrowed(catalog, kept, select, exclude))


def _with_views(catalog: CatalogContents, names: Collection[str], excluded: Collection[str]) -> set[str]:
    found, ahead = set[str](), list(names)
    while ahead:
        name = ahead.pop()
        if name not in found and name not in excluded:
            found.add(name)
            ahead += [read for read in catalog.graph.reads(name) if catalog.graph.is_view(read)]
    return found


def _narrowed(
    catalog: CatalogContents, kept: Collection[str], select: Sequence[str] | None, exclude: Sequence[str]
) -> CatalogContents:
    """Some objects of a catalog; what else these read is someone else's from now on."""
    objects = [obj for obj in catalog if obj.sql_name in kept]
    read = {name for obj in objects for name in catalog.graph.reads(obj.sql_name)}
    gone = {name for name in read if name in catalog and name not in kept}
    return CatalogContents(
        materialized_views=tuple(obj for obj in catalog.materialized_views if obj.sql_name in kept),
        queries=tuple(obj for obj in catalog.queries if obj.sql_name in kept),
        external=tuple(sorted({*catalog.external, *gone})),
        unidentified=tuple(
            query
            for query in catalog.unidentified
            if (select is None or matches_any(query, select)) and not matches_any(query, exclude)
        ),
        checks=tuple(check for check in catalog.checks if {check.asset, check.sql_name} - {None} <= set(kept)),
    )
