"""`DuneCatalog`: the matviews and queries of an account or a folder, with the dependencies of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.objects import DuneObject, MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.settings.checks import DuneCheck, check_consistent
from dagster_dune.catalog.unknown_names import warn_of_unknown_names

if TYPE_CHECKING:
    from dagster_dune.api.client import DuneApiClient
    from dagster_dune.catalog.selection import Patterns

__all__ = ["DuneCatalog", "DuneObject", "MaterializedView", "Query", "UnidentifiedQuery"]


class DuneCatalog(CatalogContents):
    """The matviews and queries of an account or a folder, with their dependencies.

    Attributes:
        materialized_views: The matviews.
        queries: The queries, except those that only back a matview.
        external: Matviews and queries of other teams, which `deps` may name although they are not in this catalog.
        unidentified: Queries of a folder whose ids are not known. They are not objects of the catalog; `merge` finds
            their ids in the account.
        not_taken: The ids of the account's other queries, which are not in the catalog; None if they are not known.
        checks: The checks of the objects; see `DuneCheck`.
        unresolved_checks: Checks of a folder whose assets are not in the catalog. They never run; `merge` finds their
            assets in the account.

    Raises:
        DuneCatalogError: Two objects have the same name, a dep is unknown, or objects read each other in a circle.

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
        """Return a catalog with the contents that a source has read, without checking their consistency again."""
        return cls.model_construct(**{field: getattr(contents, field) for field in cls.model_fields})

    @classmethod
    def from_directory(
        cls, path: str | Path, *, exclude: Sequence[str] | str = (), strict: bool = False
    ) -> DuneCatalog:
        """Read a folder of ``.sql`` files, each with a short header; see `dagster_dune.catalog.sources.files.folder`.

        Args:
            path: The folder.
            exclude: Files and folders that are not read: names, paths relative to the folder, or globs of these.
            strict: Whether a file that must be left out raises an error instead of a warning.

        Raises:
            DuneCatalogError: The folder cannot be read, or `strict` is set and something is left out.
        """
        from dagster_dune.catalog.sources.files.folder import read_directory  # noqa: PLC0415  (slow to import)
        from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415

        left_out = LeftOut(strict=strict)
        contents = read_directory(Path(path), exclude=exclude, left_out=left_out)
        left_out.add_unresolved(contents)
        left_out.raise_errors()
        return warn_of_unknown_names(cls.of(contents))

    @classmethod
    def from_file(cls, path: str | Path, *, strict: bool = False) -> DuneCatalog:
        """Read the JSON document that ``dagster-dune catalog pull`` wrote; see `dagster_dune.catalog.document`.

        With `strict`, queries whose ids are not known, and checks of what is not in it, are an error.
        """
        from dagster_dune.catalog.document import read_document  # noqa: PLC0415  (slow to import)

        contents = read_document(Path(path))
        if contents.unidentified or contents.unresolved_checks:
            from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415

            left_out = LeftOut(strict=strict)
            left_out.add_unresolved(contents)
            left_out.raise_errors()
        return warn_of_unknown_names(cls.of(contents))

    @classmethod
    def from_api(
        cls,
        client: DuneApiClient,
        *,
        select: Patterns | None = None,
        exclude: Patterns = (),
        known: CatalogContents | None = None,
        concurrency: int = 8,
        progress: Callable[[int, int], object] | None = None,
        strict: bool = False,
    ) -> DuneCatalog:
        """Read the matviews and queries of an account; see `dagster_dune.catalog.sources.account.discover`.

        With `strict`, an object that must be left out is an error.
        """
        from dagster_dune.catalog.sources.account import discover  # noqa: PLC0415  (slow to import)
        from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415

        left_out = LeftOut(strict=strict)
        contents = discover(
            client,
            select=select,
            exclude=exclude,
            known=known,
            concurrency=concurrency,
            progress=progress,
            left_out=left_out,
        )
        left_out.raise_errors()
        return warn_of_unknown_names(cls.of(contents))

    @classmethod
    def merge(cls, folder: CatalogContents, account: CatalogContents, *, strict: bool = False) -> DuneCatalog:
        """Join the catalog of a folder with the catalog of an account; see `dagster_dune.catalog.sources.merge`.

        Args:
            folder: The catalog that `from_directory` returned, or one that was written in Python.
            account: The catalog that `from_api` returned.
            strict: Whether an object that must be left out raises an error instead of a warning.

        Raises:
            DuneCatalogError: `strict` is set and something is left out.
        """
        from dagster_dune.catalog.sources.differences import (  # noqa: PLC0415  (slow to import)
            warn_of_differences,
            warn_of_foreign_queries,
        )
        from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415
        from dagster_dune.catalog.sources.merge import merged  # noqa: PLC0415

        left_out = LeftOut(strict=strict)
        contents = merged(folder, account, left_out=left_out)
        left_out.add_unresolved(contents)
        left_out.raise_errors()
        warn_of_foreign_queries(folder, account)
        return warn_of_unknown_names(warn_of_differences(cls.of(contents)))

    def with_checks(self, checks: Iterable[DuneCheck], *, strict: bool = False) -> DuneCatalog:
        """Return this catalog with more checks. If the query of a check is missing, it is added with the asset as dep.

        Args:
            checks: The checks. Those of an asset that is not in the catalog, such as one that was deleted on Dune, are
                left out with a warning.
            strict: Whether a check that must be left out raises an error instead of a warning.

        Raises:
            DuneCatalogError: A check contradicts another one, or `strict` is set and something is left out.
        """
        from dagster_dune.catalog.sources.left_out import LeftOut, checks_that_fit  # noqa: PLC0415  (slow to import)

        left_out = LeftOut(strict=strict)
        checks = (*self.checks, *checks_that_fit(self, [("", check) for check in checks], left_out))
        left_out.raise_errors()
        names = {obj.sql_name for obj in self} | {check.sql_name for check in checks if check.sql_name}
        check_consistent(checks, names, set(self.external) - names, self.graph.backed)
        queries = [
            Query(query_id=check.query_id, deps=[check.asset])
            for check in checks
            if check.query_id and check.sql_name not in self
        ]
        return DuneCatalog(
            materialized_views=self.materialized_views,
            queries=(*self.queries, *queries),
            external=self.external,
            unidentified=self.unidentified,
            not_taken=self.not_taken,
            checks=checks,
            unresolved_checks=self.unresolved_checks,
        )

    def with_backing_queries(self) -> DuneCatalog:
        """Return this catalog with the backing query of each matview added to its `queries`."""
        listed = {query.query_id for query in self.queries}
        backed = {matview.query_id: matview for matview in reversed(self.materialized_views)}  # several may share one
        backing = [
            Query(query_id=query_id, **matview.model_dump(include=set(DuneObject.model_fields)))
            for query_id, matview in reversed(backed.items())
            if query_id and query_id not in listed
        ]
        return DuneCatalog(
            materialized_views=self.materialized_views,
            queries=(*self.queries, *backing),
            external=self.external,
            unidentified=self.unidentified,
            not_taken=self.not_taken,
            checks=self.checks,
            unresolved_checks=self.unresolved_checks,
        )
