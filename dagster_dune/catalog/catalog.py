"""`DuneCatalog`: the matviews and queries of an account or a folder, and what each of them reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.unknown_names import warn_of_unknown_names

if TYPE_CHECKING:
    from dagster_dune.api.client import DuneApiClient

__all__ = ["DuneCatalog", "DuneObject", "MaterializedView", "Query", "UnidentifiedQuery"]


class DuneCatalog(CatalogContents):
    """What exists on Dune, and what reads what.

    Attributes:
        materialized_views: The matviews.
        queries: The queries that are objects of their own.
        external: Matviews and queries of others that `deps` may name though they are not in this catalog.
        unidentified: Queries of a folder whose ids are not known. They are no objects of the catalog; `merge` finds
            their ids in the account.

    Raises:
        DuneCatalogError: A name stands twice, a dep is unknown, or objects read each other in a circle.

    Examples:
        >>> catalog = DuneCatalog(
        ...     materialized_views=[MaterializedView(name="dune.acme.result_daily", deps=["dex.trades"])],
        ...     queries=[Query(query_id=42, deps=["dune.acme.result_daily"])],
        ... )
        >>> [obj.sql_name for obj in catalog]
        ['dune.acme.result_daily', 'query_42']
    """

    @classmethod
    def of(cls, contents: CatalogContents) -> DuneCatalog:
        """Take over what a source has read, which is consistent already."""
        return cls.model_construct(**{field: getattr(contents, field) for field in cls.model_fields})

    @classmethod
    def from_directory(cls, path: str | Path) -> DuneCatalog:
        """Read a folder of ``.sql`` files, each with a short header; see `dagster_dune.catalog.sources.folder`."""
        from dagster_dune.catalog.sources.folder import read_directory  # noqa: PLC0415  (slow to import)

        return warn_of_unknown_names(cls.of(read_directory(Path(path))))

    @classmethod
    def from_file(cls, path: str | Path) -> DuneCatalog:
        """Read the JSON document that ``dagster-dune catalog pull`` wrote; see `dagster_dune.catalog.document`."""
        from dagster_dune.catalog.document import read_document  # noqa: PLC0415  (slow to import)

        return warn_of_unknown_names(cls.of(read_document(Path(path))))

    @classmethod
    def from_api(
        cls,
        client: DuneApiClient,
        *,
        select: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str = (),
        known: CatalogContents | None = None,
        concurrency: int = 8,
        progress: Callable[[int, int], object] | None = None,
    ) -> DuneCatalog:
        """Read the matviews and queries of an account; see `dagster_dune.catalog.sources.account.discover`."""
        from dagster_dune.catalog.sources.account import discover  # noqa: PLC0415  (slow to import)

        return warn_of_unknown_names(
            cls.of(
                discover(
                    client, select=select, exclude=exclude, known=known, concurrency=concurrency, progress=progress
                )
            )
        )

    @classmethod
    def merge(cls, folder: CatalogContents, account: CatalogContents) -> DuneCatalog:
        """Join what a folder says with what the account holds; see `dagster_dune.catalog.sources.merge`."""
        from dagster_dune.catalog.sources.merge import merged  # noqa: PLC0415  (slow to import)

        return warn_of_unknown_names(cls.of(merged(folder, account)))

    def with_backing_queries(self) -> DuneCatalog:
        """Return this catalog with the query behind each matview as an object of its own."""
        listed = {query.query_id for query in self.queries}
        backing = [
            Query(query_id=matview.query_id, **matview.model_dump(include=set(DuneObject.model_fields)))
            for matview in self.materialized_views
            if matview.query_id and matview.query_id not in listed
        ]
        return DuneCatalog(
            materialized_views=self.materialized_views,
            queries=(*self.queries, *backing),
            external=self.external,
            unidentified=self.unidentified,
        )
