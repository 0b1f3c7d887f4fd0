"""Reads an account on Dune as a catalog: its matviews with their backing queries, and its other queries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import ValidationError

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import pause
from dagster_dune.api.errors import (
    DuneNotFoundError,
    DunePermissionError,
    DuneRateLimitError,
    DuneServerError,
)
from dagster_dune.api.http.retries import log_rate_limit
from dagster_dune.api.models import SavedQuery
from dagster_dune.api.pool import RequestPool
from dagster_dune.api.waiting import in_order_of_ends
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import query_id_of, query_name
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query
from dagster_dune.catalog.selection import Patterns, UnmatchedPatternError, warn_of_exclude
from dagster_dune.catalog.sources.account_listing import AccountListing
from dagster_dune.catalog.sources.api_objects import as_materialized_view, as_query
from dagster_dune.catalog.sources.left_out import LeftOut, consistent
from dagster_dune.catalog.sources.tag_checks import checks_of_tags
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError, DuneError

RATE_LIMIT_SECONDS = 15.0
RATE_LIMIT_ATTEMPTS = 20

logger = logging.getLogger(__name__)


def discover(
    client: DuneApiClient,
    *,
    select: Patterns | None = None,
    exclude: Patterns = (),
    folder: CatalogContents | None = None,
    known: CatalogContents | None = None,
    concurrency: int = 8,
    progress: Callable[[int, int], object] | None = None,
    left_out: LeftOut | None = None,
    cache: dict[int, Query] | None = None,
    warn: Callable[[UnmatchedPatternError], object] = warn_of_exclude,
) -> CatalogContents:
    """Read the matviews and queries that the client's key can see.

    Backing queries are part of their matviews, archived queries are left out, and the names of other teams' objects in
    the SQL are references. Left out with a warning are queries that are forbidden or deleted, and objects that read
    each other in a circle. If the plan has no query endpoints, all queries are left out with a warning, and matviews
    have no SQL, and so no lineage.

    Args:
        client: A client with a key of the account.
        select: The patterns of the objects to read, as for `build_dune_assets`, but with default asset keys; all
            objects if None. The query views that the selected objects read are read too, since the executions of these
            inline them.
        exclude: The patterns of the objects to exclude from the selection.
        folder: A catalog whose names and tags the patterns may match too.
        known: The catalog of an earlier read. Objects that have not changed on Dune since are not read again, and
            queries keep their slugs even if their titles have changed.
        concurrency: How many queries are read at once. If Dune limits the rate, the requests wait.
        progress: Called with the number of queries that were read, and the number of queries to read.
        left_out: Records what is left out; each is a warning if None.
        cache: The queries, including backing queries, that an interrupted read has read, by id. Those that have not
            changed since are not read again. Every query that is read is added, for the next read if this one fails.
        warn: Called with an error for each pattern of `exclude` that matches nothing.

    Returns:
        The account's catalog.

    Raises:
        DuneApiError: Dune could not be reached, or refused the key.
        DuneCatalogError: A pattern of `select` matches nothing.
    """
    if concurrency < 1:
        raise DuneConfigurationError(f"concurrency must be at least 1, not {concurrency}.")
    left_out = left_out or LeftOut()
    known_queries = {obj.query_id: obj for obj in known or () if obj.query_id}
    listing = AccountListing(client, known_queries, folder or CatalogContents(), left_out)
    wanted = listing.wanted(select, exclude, warn)
    cache = {} if cache is None else cache
    reader = _AccountReader(client, listing, known_queries, concurrency, progress, left_out, cache)
    if listing.has_queries:
        reader.read(wanted, exclude)
    return reader.catalog(wanted)


class _AccountReader:
    """Reads the queries of an account.

    Attributes:
        queries: The queries that were read or reused, including backing queries, by id.
    """

    def __init__(
        self,
        client: DuneApiClient,
        listing: AccountListing,
        known: Mapping[int, MaterializedView | Query],
        concurrency: int,
        progress: Callable[[int, int], object] | None,
        left_out: LeftOut,
        cache: dict[int, Query],
    ) -> None:
        self._client = client
        self._listing = listing
        self._known = known
        self._concurrency = concurrency
        self._progress = progress
        self._left_out = left_out
        self._cache = cache
        self.queries: dict[int, Query] = {}

    def read(self, wanted: set[str], exclude: Patterns) -> None:
        """Read the queries of the wanted objects, and recursively the query views that they read.

        The names of these views and of the checks of all wanted objects are added to `wanted`.
        """
        listing = self._listing
        excluded = listing.matching(exclude)
        wanted |= listing.checks_of(wanted) - excluded
        pending = {query_id for name in wanted if (query_id := listing.query_id(name))}
        seen = set[int]()
        while pending:
            self._read_all(sorted(pending))
            seen |= pending
            views = self._views_of(pending) - seen
            added = {query_name(view) for view in views} - excluded
            added |= listing.checks_of(added) - excluded - wanted
            wanted |= added
            pending = {query_id for name in added if (query_id := query_id_of(name))}

    def _views_of(self, query_ids: Iterable[int]) -> set[int]:
        queries = [query for query_id in query_ids if (query := self.queries.get(query_id))]
        return self._listing.views_among({name for query in queries for name in query.references or ()})

    def _read_all(self, query_ids: Sequence[int]) -> None:
        changed = [query_id for query_id in query_ids if not self._reuse_unchanged(query_id)]
        self._report(0, len(changed))
        with RequestPool(self._concurrency, "dune-queries") as pool:
            reads = [pool.start(self._saved_query, query_id) for query_id in changed]
            for done, (query_id, saved) in enumerate(in_order_of_ends(reads), start=1):
                if saved is not None and not (saved.is_archived and query_id not in self._listing.backing_ids):
                    self._add(saved)
                self._report(done, len(changed))

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)

    def _reuse_unchanged(self, query_id: int) -> bool:
        """Reuse a query from the cache or the known catalog if it has not changed on Dune; return whether it was."""
        updated_at = self._listing.updated_at(query_id)
        cached = self._cache.get(query_id)
        if cached is not None and updated_at is not None and cached.updated_at == updated_at:
            self.queries[query_id] = cached
            return True
        before = self._known.get(query_id)
        is_same = before is not None and updated_at is not None and before.updated_at == updated_at
        return is_same and self._reuse_known(query_id)

    def _reuse_known(self, query_id: int) -> bool:
        """Reuse a query of the known catalog, unless it began or ceased to back a matview; return whether it was."""
        before = self._known.get(query_id)
        if before is None or isinstance(before, MaterializedView) != (query_id in self._listing.backing_ids):
            return False
        if isinstance(before, MaterializedView):
            before = Query(query_id=query_id, **{field: getattr(before, field) for field in DuneObject.model_fields})
        self.queries[query_id] = before
        return True

    def _add(self, saved: SavedQuery) -> None:
        slug = self._listing.slug(saved.query_id, saved.name)
        try:
            query = as_query(saved, slug, self._listing.updated_at(saved.query_id))
            self._cache[saved.query_id] = self.queries[saved.query_id] = query
        except (DuneCatalogError, ValidationError) as error:
            self._reuse_or_leave_out(saved.query_id, error)

    def _saved_query(self, query_id: int) -> tuple[int, SavedQuery | None]:
        try:
            return query_id, self._query(query_id)
        except (DunePermissionError, DuneServerError) as error:
            self._reuse_or_leave_out(query_id, error)
        except DuneNotFoundError as error:
            self._left_out.add(f"Query {query_id}: {error}", [query_name(query_id)])
        return query_id, None

    def _reuse_or_leave_out(self, query_id: int, error: DuneError | ValidationError) -> None:
        if self._reuse_known(query_id):
            logger.warning("Query %s stays as it was read before. %s", query_id, error)
        else:
            self._left_out.add(f"Query {query_id}: {error}", [query_name(query_id)])

    def _query(self, query_id: int) -> SavedQuery:
        """Read a query. After the client's own retries, wait longer for the end of a rate limit."""
        for _ in range(RATE_LIMIT_ATTEMPTS):
            try:
                return self._client.get_query(query_id)
            except DuneRateLimitError as error:
                seconds = error.retry_after or RATE_LIMIT_SECONDS
                log_rate_limit(seconds)
                pause(seconds)
        return self._client.get_query(query_id)

    def catalog(self, wanted: set[str]) -> CatalogContents:
        """Return the catalog of the wanted objects."""
        listed = self._listing.matviews
        matviews = [listed[name] for name in sorted(wanted & listed.keys())]
        backing_ids = {info.query_id for info in matviews}
        queries = [
            query
            for query_id, query in sorted(self.queries.items())
            if query.sql_name in wanted and query_id not in backing_ids
        ]
        views = [as_materialized_view(info, self.queries.get(info.query_id or 0)) for info in matviews]
        catalog = consistent(
            views,
            queries,
            tag_checks=checks_of_tags([*views, *queries], self._left_out),
            left_out=self._left_out,
        )
        return self._with_unselected_as_external(catalog)

    def _with_unselected_as_external(self, catalog: CatalogContents) -> CatalogContents:
        """Add the account's other objects that the SQL reads as external, since they exist but were not selected."""
        read = {name for obj in catalog for name in obj.references or ()}
        external = sorted(name for name in read if name in self._listing.objects and name not in catalog)
        included = {obj.query_id for obj in catalog}
        listed = self._listing.overviews.keys() | self._listing.backing_ids
        not_taken = tuple(sorted(listed - included)) if self._listing.has_queries else None
        return catalog.model_copy(update={"external": tuple(external), "not_taken": not_taken})
