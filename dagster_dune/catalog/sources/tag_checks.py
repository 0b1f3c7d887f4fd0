"""The checks that tags on Dune declare: ``check:<name of what it checks>``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dagster_dune.catalog.objects import Query
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.sources.left_out import LeftOut

TAG = "check:"


def checks_of_tags(queries: Iterable[Query], left_out: LeftOut) -> Iterator[DuneCheck]:
    """Find the checks among some queries: of kind rows, named as their queries are.

    Args:
        queries: Queries of an account.
        left_out: Where to say which tags name nothing; the query of such a tag stays an object like any other.
    """
    for query in queries:
        for tag in query.tags:
            if tag.lower().startswith(TAG):
                check = None
                with left_out.if_wrong(f"The tag {tag!r} of {query.sql_name}"):
                    name = query.slug or query.sql_name
                    check = DuneCheck(asset=tag[len(TAG) :], name=name, kind="rows", query_id=query.query_id)
                if check:
                    yield check
