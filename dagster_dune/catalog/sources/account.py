"""An account on Dune as a catalog: its matviews, each joined with its backing query, and its other queries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed

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
    read: dict[int, Query] | None = None,
    warn: Callable[[UnmatchedPatternError], object] = warn_of_exclude,
) -> CatalogContents:
    """Read the matviews and queries that the client's key can see.

    Backing queries are part of their matviews, archived queries are left out, and the names of other teams' objects in
    the SQL are references. What cannot be read is left out too, with a warning: a query that is forbidden or gone, and
    all of them where the plan has no query endpoints; matviews then come without SQL, so without lineage. So are
    objects that read each other in a circle.

    Args:
        client: A client with a key of the account.
        select: What to read, in the patterns of `build_dune_assets`; everything if None. The query views that the
            selected objects read come along: they are part of what these run.
        exclude: What to leave out of that.
        folder: Names and tags that the patterns may match as well as those on Dune.
        known: What was read before. What has not changed on Dune since is not read again, and the slug of each query
            in it stays, whatever its title is now.
        concurrency: How many queries are read at once. Dune's rate limits are waited for.
        progress: Called with the number of queries that were read, and the number to read.
        left_out: Where to say what is left out; a warning each if None.
        read: By id, queries that an earlier attempt has read, backing ones too; those that have not changed since are
            not read again. Each query that is read now joins it, so that it holds what there is if this ends early.
        warn: Told of each pattern of `exclude` that matches nothing.

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
    reading = _Reading(client, listing, known_queries, concurrency, progress, left_out, {} if read is None else read)
    if listing.has_queries:
        reading.read(wanted, exclude)
    return reading.catalog(wanted)


class _Reading:
    """What was read of the account so far.

    Attributes:
        queries: What was read of queries, backing ones too, by id.
    """

    def __init__(
        self,
        client: DuneApiClient,
        listing: AccountListing,
        known: Mapping[int, MaterializedView | Query],
        concurrency: int,
        progress: Callable[[int, int], object] | None,
        left_out: LeftOut,
        read: dict[int, Query],
    ) -> None:
        self._client = client
        self._listing = listing
        self._known = known
        self._concurrency = concurrency
        self._progress = progress
        self._left_out = left_out
        self._read = read
        self.queries: dict[int, Query] = {}

    def read(self, wanted: set[str], exclude: Patterns) -> None:
        """Read the wanted objects' queries, and in turn the query views that they read.

        These join the wanted, and so does what checks any of them.
        """
        listing = self._listing
        excluded = listing.matching(exclude)
        wanted |= listing.checks_of(wanted) - excluded
        ahead = {query_id for name in wanted if (query_id := listing.query_id(name))}
        tried = set[int]()
        while ahead:
            self._read_all(sorted(ahead))
            tried |= ahead
            views = self._views_of(ahead) - tried
            joining = {query_name(view) for view in views} - excluded
            joining |= listing.checks_of(joining) - excluded - wanted
            wanted |= joining
            ahead = {query_id for name in joining if (query_id := query_id_of(name))}

    def _views_of(self, query_ids: Iterable[int]) -> set[int]:
        queries = [query for query_id in query_ids if (query := self.queries.get(query_id))]
        return self._listing.views_among({name for query in queries for name in query.references or ()})

    def _read_all(self, query_ids: Sequence[int]) -> None:
        changed = [query_id for query_id in query_ids if not self._keep_unchanged(query_id)]
        self._report(0, len(changed))
        with RequestPool(self._concurrency, "dune-queries") as pool:
            reads = as_completed([pool.start(self._saved_query, query_id) for query_id in changed])
            for done, (query_id, saved) in enumerate((read.result() for read in reads), start=1):
                if saved is not None and not (saved.is_archived and query_id not in self._listing.backing_ids):
                    self._keep(saved)
                self._report(done, len(changed))

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)

    def _keep_unchanged(self, query_id: int) -> bool:
        updated_at = self._listing.updated_at(query_id)
        early = self._read.get(query_id)
        if early is not None and updated_at is not None and early.updated_at == updated_at:
            self.queries[query_id] = early
            return True
        before = self._known.get(query_id)
        is_same = before is not None and updated_at is not None and before.updated_at == updated_at
        return is_same and self._keep_known(query_id)

    def _keep_known(self, query_id: int) -> bool:
        """Take a query as it was read before, if it was; of a matview's query that is not all that a query needs."""
        before = self._known.get(query_id)
        if before is None or isinstance(before, MaterializedView) != (query_id in self._listing.backing_ids):
            return False
        if isinstance(before, MaterializedView):
            before = Query(query_id=query_id, **{field: getattr(before, field) for field in DuneObject.model_fields})
        self.queries[query_id] = before
        return True

    def _keep(self, saved: SavedQuery) -> None:
        slug = self._listing.slug(saved.query_id, saved.name)
        try:
            query = as_query(saved, slug, self._listing.updated_at(saved.query_id))
            self._read[saved.query_id] = self.queries[saved.query_id] = query
        except (DuneCatalogError, ValidationError) as error:
            self._keep_or_leave_out(saved.query_id, error)

    def _saved_query(self, query_id: int) -> tuple[int, SavedQuery | None]:
        try:
            return query_id, self._query(query_id)
        except (DunePermissionError, DuneServerError) as error:
            self._keep_or_leave_out(query_id, error)
        except DuneNotFoundError as error:
            self._left_out.add(f"Query {query_id}: {error}", [query_name(query_id)])
        return query_id, None

    def _keep_or_leave_out(self, query_id: int, error: DuneError | ValidationError) -> None:
        if self._keep_known(query_id):
            logger.warning("Query %s stays as it was read before. %s", query_id, error)
        else:
            self._left_out.add(f"Query {query_id}: {error}", [query_name(query_id)])

    def _query(self, query_id: int) -> SavedQuery:
        """Read a query; where the client's own retries end, a rate limit is waited for some more."""
        for _ in range(RATE_LIMIT_ATTEMPTS):
            try:
                return self._client.get_query(query_id)
            except DuneRateLimitError as error:
                seconds = error.retry_after or RATE_LIMIT_SECONDS
                log_rate_limit(seconds)
                pause(seconds)
        return self._client.get_query(query_id)

    def catalog(self, wanted: set[str]) -> CatalogContents:
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
            checks=checks_of_tags([*views, *queries], self._left_out),
            left_out=self._left_out,
        )
        return self._with_the_rest_as_external(catalog)

    def _with_the_rest_as_external(self, catalog: CatalogContents) -> CatalogContents:
        """What is read and was not wanted exists all the same; it is no mistake in the SQL."""
        read = {name for obj in catalog for name in obj.references or ()}
        external = sorted(name for name in read if name in self._listing.objects and name not in catalog)
        held = {obj.query_id for obj in catalog}
        listed = self._listing.overviews.keys() | self._listing.backing_ids
        not_taken = tuple(sorted(listed - held)) if self._listing.has_queries else None
        return catalog.model_copy(update={"external": tuple(external), "not_taken": not_taken})
