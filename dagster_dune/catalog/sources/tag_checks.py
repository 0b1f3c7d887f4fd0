"""The checks that tags on Dune declare: ``check:<name of what it checks>``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.objects import MaterializedView, Query
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.sources.left_out import LeftOut
from dagster_dune.errors import DuneCatalogError

TAG = "check:"


def checks_of_tags(objects: Iterable[MaterializedView | Query], left_out: LeftOut) -> Iterator[DuneCheck]:
    """Yield the checks that tags declare. They are of kind ``rows``, and have the names of their queries.

    Args:
        objects: The objects of an account. A matview has the tags of its backing query, which cannot be a check.
        left_out: Records the tags that do not declare a valid check. The queries of these tags stay normal objects.
    """
    for obj in objects:
        for tag in obj.tags:
            if not tag.lower().startswith(TAG):
                continue
            check = None
            with left_out.catching(f"The tag {tag!r} of {obj.sql_name}"):
                check = _of_tag(tag[len(TAG) :], obj)
            if check:
                yield check


def checked_by(query: Query) -> Iterator[str]:
    """Yield the SQL names of the objects that a query checks, according to its tags."""
    for tag in query.tags:
        if tag.lower().startswith(TAG):
            with suppress(DuneCatalogError):
                yield Reference.parse(tag[len(TAG) :].strip()).name


def _of_tag(asset: str, obj: MaterializedView | Query) -> DuneCheck:
    if isinstance(obj, MaterializedView):
        raise DuneCatalogError(
            "a matview is refreshed, and a check is a query.",
            hint="Tag a query of its own, which may read the matview.",
        )
    return DuneCheck(asset=asset.strip(), name=obj.slug or obj.sql_name, kind="rows", query_id=obj.query_id)
