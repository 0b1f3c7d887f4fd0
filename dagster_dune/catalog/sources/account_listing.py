"""What an account lists: its matviews and queries, by name and id, and which of them patterns choose."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneCreditsExhaustedError, DunePermissionError
from dagster_dune.api.models import MaterializedViewInfo, QueryOverview
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.names import query_id_of, query_name, slugify
from dagster_dune.catalog.objects import MaterializedView, Query
from dagster_dune.catalog.selection import (
    Patterns,
    UnmatchedPatternError,
    check_selection,
    matches_any,
    unmatched,
    warn_of_exclude,
)
from dagster_dune.catalog.selection import select as matching
from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.catalog.sources.tag_checks import checked_by

logger = logging.getLogger(__name__)


class AccountListing:
    """The lists of an account, read when this is made.

    Args:
        client: A client with a key of the account.
        known: What was read before, by query id: a query's slug stays.
        folder: Names and tags that patterns may match as well as those on Dune.
        left_out: Where to say what is no object.

    Attributes:
        matviews: The listed matviews, by SQL name.
        overviews: The listed queries, by id.
        has_queries: Whether the plan lets queries be read.

    Raises:
        DuneApiError: Dune could not be reached, or refused the key.
    """

    def __init__(
        self,
        client: DuneApiClient,
        known: Mapping[int, MaterializedView | Query],
        folder: CatalogContents,
        left_out: LeftOut,
    ) -> None:
        self._known = known
        self._folder = folder
        self._left_out = left_out
        self.matviews: dict[str, MaterializedViewInfo] = {
            info.sql_id.lower(): info for info in client.list_materialized_views()
        }
        self.overviews: dict[int, QueryOverview] = {}
        self.has_queries = True
        try:
            self.overviews = {overview.id: overview for overview in client.list_queries()}
        except (DunePermissionError, DuneCreditsExhaustedError) as error:
            logger.warning("The account's queries cannot be read, so its matviews have no lineage. %s", error)
            self.has_queries = False

    @cached_property
    def backing_ids(self) -> frozenset[int]:
        """The ids of the queries behind matviews."""
        return frozenset(info.query_id for info in self.matviews.values() if info.query_id)

    @cached_property
    def objects(self) -> CatalogContents:
        """What the lists tell of each object: its name and its tags."""
        tags = {query_id: overview.tags or () for query_id, overview in self.overviews.items()}
        return CatalogContents(
            materialized_views=tuple(self._matviews(tags)),
            queries=tuple(
                Query(query_id=query_id, slug=self.slug(query_id, overview.name), tags=tags[query_id])
                for query_id, overview in self.overviews.items()
                if query_id not in self.backing_ids
            ),
        )

    def wanted(
        self,
        select: Patterns | None,
        exclude: Patterns,
        warn: Callable[[UnmatchedPatternError], object] = warn_of_exclude,
    ) -> set[str]:
        """The SQL names that the patterns choose.

        Args:
            select: What to read; everything if None.
            exclude: What to leave out of that.
            warn: Told of each pattern of `exclude` that matches nothing.

        Raises:
            DuneCatalogError: A pattern of `select` matches nothing.
        """
        for error in unmatched([self._folder, self.objects], exclude) if self.has_queries else ():
            if not any(matches_any(query, error.pattern) for query in self._folder.unidentified):
                warn(error)
        if select is None:
            return {obj.sql_name for obj in self.objects} - self.matching(exclude)
        check_selection([self._folder, self.objects], select)
        return self.matching(select) - self.matching(exclude)

    def matching(self, patterns: Patterns) -> set[str]:
        """What patterns match by its names and tags on Dune, or by those that the folder gives it."""
        names = {*matching(self.objects, patterns, strict=False)}
        matviews = {query_name(info.query_id): name for name, info in self.matviews.items() if info.query_id}
        for name in matching(self._folder, patterns, strict=False):
            query_id = self._folder[name].query_id
            query = query_name(query_id) if query_id else name
            names |= {name, query, matviews.get(query, name)}
        return {name for name in names if name in self.objects}

    def checks_of(self, names: set[str]) -> set[str]:
        """The queries whose tags say that they check any of these."""
        return {query.sql_name for query in self.objects.queries if not names.isdisjoint(checked_by(query))}

    def views_among(self, references: Iterable[str]) -> set[int]:
        """The ids of the query views of this account among what SQL reads."""
        views = {query_id for name in references if (query_id := query_id_of(name))}
        return views & (self.overviews.keys() | self.backing_ids)

    def query_id(self, name: str) -> int | None:
        """The id of the query that is, or is behind, an object."""
        info = self.matviews.get(name)
        return info.query_id if info else query_id_of(name)

    def slug(self, query_id: int, title: str | None) -> str | None:
        """The slug of a query: the one that it had, else one of its title."""
        before = self._known.get(query_id)
        return before.slug if isinstance(before, Query) else slugify((title or "").lower())

    def updated_at(self, query_id: int) -> datetime | None:
        """When a query was changed last; None where the list does not say."""
        overview = self.overviews.get(query_id)
        return overview.updated_at if overview else None

    def _matviews(self, tags: Mapping[int, tuple[str, ...]]) -> Iterator[MaterializedView]:
        for info in self.matviews.values():
            matview = None
            with self._left_out.if_wrong(f"The materialized view {info.sql_id!r}"):
                matview = MaterializedView(
                    name=info.sql_id, query_id=info.query_id or None, tags=tags.get(info.query_id or 0, ())
                )
            if matview:
                yield matview
