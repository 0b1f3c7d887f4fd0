"""The lists of an account's matviews and queries, and the selection of objects among them by patterns."""

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
    """The lists of an account's matviews and queries, which the constructor reads.

    Args:
        client: A client with a key of the account.
        known: The objects of an earlier read by query id, whose slugs are kept.
        folder: A catalog whose names and tags the patterns may match too.
        left_out: Records what is left out.

    Attributes:
        matviews: The listed matviews, by SQL name.
        overviews: The listed queries, by id.
        has_queries: Whether the plan allows reading queries.

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
        """The ids of the backing queries of matviews."""
        return frozenset(info.query_id for info in self.matviews.values() if info.query_id)

    @cached_property
    def objects(self) -> CatalogContents:
        """The listed objects, with only their names and tags."""
        tags = {query_id: overview.tags or () for query_id, overview in self.overviews.items()}
        return CatalogContents(
            materialized_views=tuple(self._matviews(tags)),
            queries=tuple(
                Query(query_id=query_id, slug=self._selectable_slug(query_id, overview.name), tags=tags[query_id])
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
        """Return the SQL names of the selected objects.

        Args:
            select: The patterns of the objects to read; all objects if None.
            exclude: The patterns of the objects to exclude from the selection.
            warn: Called with an error for each pattern of `exclude` that matches nothing.

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
        """Return the SQL names of the listed objects whose names or tags, on Dune or in the folder, match patterns."""
        names = {*matching(self.objects, patterns, strict=False)}
        matviews = {query_name(info.query_id): name for name, info in self.matviews.items() if info.query_id}
        for name in matching(self._folder, patterns, strict=False):
            query_id = self._folder[name].query_id
            query = query_name(query_id) if query_id else name
            names |= {name, query, matviews.get(query, name)}
        return {name for name in names if name in self.objects}

    def checks_of(self, names: set[str]) -> set[str]:
        """Return the SQL names of the queries that check any of some objects, according to their tags."""
        return {query.sql_name for query in self.objects.queries if not names.isdisjoint(checked_by(query))}

    def views_among(self, references: Iterable[str]) -> set[int]:
        """Return the ids of the account's queries among references."""
        views = {query_id for name in references if (query_id := query_id_of(name))}
        return views & (self.overviews.keys() | self.backing_ids)

    def query_id(self, name: str) -> int | None:
        """Return the id of a query, or of the backing query of a matview, by SQL name."""
        info = self.matviews.get(name)
        return info.query_id if info else query_id_of(name)

    def slug(self, query_id: int, title: str | None) -> str | None:
        """Return the slug of a query: the one in the earlier read, or else one from its title."""
        before = self._known.get(query_id)
        return before.slug if isinstance(before, Query) else slugify((title or "").lower())

    def _selectable_slug(self, query_id: int, title: str | None) -> str | None:
        """Return the slug by which patterns match a query.

        The state of a component has no slugs, so that a query is matched as in the first read, which knew no state.
        """
        return self.slug(query_id, title) or slugify((title or "").lower())

    def updated_at(self, query_id: int) -> datetime | None:
        """Return when a query was last changed; None if the list does not contain it."""
        overview = self.overviews.get(query_id)
        return overview.updated_at if overview else None

    def _matviews(self, tags: Mapping[int, tuple[str, ...]]) -> Iterator[MaterializedView]:
        for info in self.matviews.values():
            matview = None
            with self._left_out.catching(f"The materialized view {info.sql_id!r}"):
                matview = MaterializedView(
                    name=info.sql_id, query_id=info.query_id or None, tags=tags.get(info.query_id or 0, ())
                )
            if matview:
                yield matview
