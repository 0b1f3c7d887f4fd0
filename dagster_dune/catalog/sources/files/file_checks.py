"""The checks that a ``.sql`` file declares: its own query as a check of another object, or checks of its object."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from dagster_dune.catalog.names import Reference, slugify
from dagster_dune.catalog.objects import MaterializedView, Query, UnidentifiedQuery
from dagster_dune.catalog.settings.checks import QUERY_KINDS, DuneCheck
from dagster_dune.catalog.sources.files.header import Header, HeaderCheck
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)

CHECKS_FOLDER = "checks"
ASSET_KEYS = ("group", "owners", "kinds", "automation", "freshness")
"""The keys of a header that only apply to assets."""


def checks_of_file(
    file: Path, folder: Path, header: Header, obj: MaterializedView | Query | UnidentifiedQuery
) -> Iterator[DuneCheck]:
    """Yield the checks that a file declares.

    Args:
        file: The file. In or below a folder named ``checks``, its query is always a check.
        folder: The folder that is read.
        header: Its header, with the settings of ``dune.yml``.
        obj: The object of the file.

    Raises:
        DuneCatalogError: A check is invalid, its query id is not known, or its asset is neither given nor clear.
    """
    if header.check is not None or CHECKS_FOLDER in (folder.name, *file.relative_to(folder).parent.parts):
        yield _query_check(file, header, obj)
    for name, check in header.checks.items():
        if check.kind in QUERY_KINDS or check.asset is not None:
            raise DuneCatalogError(
                f"the check {name} of {file.name} is one of kind {check.kind}, with a query of its own.",
                hint="Write it into a file of its own, with check: in its header.",
            )
        if isinstance(obj, UnidentifiedQuery):
            raise DuneCatalogError(f"the file has checks, and nothing says which query it is ({obj.why or 'no id'}).")
        yield check.to_check(asset=obj.sql_name, name=check.name or name)


def _query_check(file: Path, header: Header, obj: MaterializedView | Query | UnidentifiedQuery) -> DuneCheck:
    if isinstance(obj, MaterializedView):
        raise DuneCatalogError(f"{obj.name} is a matview, and a check is a query.", hint="Remove matview or check.")
    if isinstance(obj, UnidentifiedQuery):
        raise DuneCatalogError(
            f"the file is a check, and nothing says which query it is ({obj.why or 'no id'}).",
            hint="Write the id into the file's name or its header.",
        )
    if ignored := [key for key in ASSET_KEYS if getattr(header, key)]:
        logger.warning("%s is a check, and no asset: nothing heeds %s.", file.name, ", ".join(ignored))
    declared = header.check or HeaderCheck()
    if declared.kind not in QUERY_KINDS:
        raise DuneCatalogError(
            f"the file is a check of kind {declared.kind}, which has no query.",
            hint=f"Kinds: {', '.join(QUERY_KINDS)}.",
        )
    name = declared.name or obj.slug or slugify(file.stem) or obj.sql_name
    return declared.to_check(asset=declared.asset or _only_object_read(obj), name=name, query_id=obj.query_id)


def _only_object_read(query: Query) -> str:
    """Return the SQL name of the only matview or query that a query reads; raise if there is not exactly one."""
    reads = sorted({*query.deps, *(query.references or ())})
    objects = [name for name in reads if Reference.parse(name).kind.is_object]
    if len(objects) != 1:
        raise DuneCatalogError(
            f"nothing says what the check checks; it reads {', '.join(objects) or 'no matview and no query'}.",
            hint="Write check: <name in SQL> into its header.",
        )
    return objects[0]
