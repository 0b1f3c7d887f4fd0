"""Compares the SQL of files with the SQL on Dune. Dune runs its own SQL, so differences are worth a warning."""

from __future__ import annotations

import logging
from difflib import unified_diff
from typing import TypeVar

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.objects import DuneObject

logger = logging.getLogger(__name__)

LINES_SHOWN = 20
CHARACTERS_SHOWN = 160
LINES_COMPARED = 2_000

ContentsT = TypeVar("ContentsT", bound=CatalogContents)


def difference(local: DuneObject, remote: DuneObject) -> str | None:
    """Compare the SQL of a file with that of the account.

    Args:
        local: The object in the folder.
        remote: The same object in the account.

    Returns:
        The first lines of a diff from Dune's SQL to the file's SQL; None if they differ only in comments, layout and
        line ends, or if one of them is not known.

    Examples:
        >>> from dagster_dune import Query
        >>> print(difference(Query(query_id=1, sql="SELECT 2"), Query(query_id=1, sql="SELECT 1")))
        -SELECT 1
        +SELECT 2
        >>> difference(Query(query_id=1, sql="select 1 -- one"), Query(query_id=1, sql="SELECT 1")) is None
        True
    """
    if None in (local.fingerprint, remote.fingerprint) or local.fingerprint == remote.fingerprint:
        return None
    before, after = (remote.sql or "").strip().splitlines(), (local.sql or "").strip().splitlines()
    if not (before and after) or max(len(before), len(after)) > LINES_COMPARED:
        return "(too long to compare line by line)"
    lines = [
        line for line in unified_diff(before, after, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))
    ]
    if not lines:
        return None
    shown = [line if len(line) <= CHARACTERS_SHOWN else f"{line[:CHARACTERS_SHOWN]}..." for line in lines[:LINES_SHOWN]]
    more = [f"... {len(lines) - LINES_SHOWN} more lines"] if len(lines) > LINES_SHOWN else []
    return "\n".join([*shown, *more])


def warn_of_differences(catalog: ContentsT) -> ContentsT:
    """Warn of each object whose file has other SQL than Dune, and return the catalog."""
    for obj in catalog:
        if obj.differs is not None:
            logger.warning(
                "%s runs as it is saved on Dune%s, and not as %s has it. Save the file's SQL there, or take Dune's: "
                "dagster-dune catalog diff shows both.",
                obj.sql_name,
                f" (https://dune.com/queries/{obj.query_id})" if obj.query_id else "",
                obj.source or "the catalog",
            )
    return catalog


def warn_of_foreign_queries(folder: CatalogContents, account: CatalogContents) -> None:
    """Warn of each query id of a folder that is not in the account, if all ids of the account are known."""
    owned = owned_ids(account)
    for obj in folder if owned is not None else ():
        if obj.query_id and obj.query_id not in (owned or ()):
            logger.warning(
                "%s is taken for query %s, which is not among the queries of the account: running it runs, and pays "
                "for, someone else's query. Correct the id if it is wrong.",
                obj.source or obj.sql_name,
                obj.query_id,
            )


def owned_ids(account: CatalogContents) -> set[int] | None:
    """Return the ids of all queries of an account; None if they are not known."""
    if account.not_taken is None:
        return None
    return {obj.query_id for obj in account if obj.query_id and obj.is_confirmed is not False} | {*account.not_taken}
