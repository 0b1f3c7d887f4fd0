"""The checks that a ``.sql`` file declares: itself as one of another object, and some of its own object."""

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

FOLDER = "checks"
OF_ASSETS = ("group", "owners", "kinds", "automation", "freshness")
"""What a header says of assets alone."""


def checks_of_file(
    file: Path, folder: Path, header: Header, obj: MaterializedView | Query | UnidentifiedQuery
) -> Iterator[DuneCheck]:
    """Find what a file says about checks.

    Args:
        file: The file; in or below a folder named ``checks`` it is a check in any case.
        folder: The folder that is read.
        header: Its header and ``dune.yml``.
        obj: What it is otherwise.

    Raises:
        DuneCatalogError: A check is wrong, or nothing says what it checks.
    """
    if header.check is not None or FOLDER in (folder.name, *file.relative_to(folder).parent.parts):
        yield _of_query(file, header, obj)
    for name, check in header.checks.items():
        if check.kind in QUERY_KINDS or check.asset is not None:
            raise DuneCatalogError(
                f"the check {name} of {file.name} is one of kind {check.kind}, with a query of its own.",
                hint="Write it into a file of its own, with check: in its header.",
            )
        if isinstance(obj, UnidentifiedQuery):
            raise DuneCatalogError(f"the file has checks, and nothing says which query it is ({obj.why or 'no id'}).")
        yield check.made(asset=obj.sql_name, name=check.name or name)


def _of_query(file: Path, header: Header, obj: MaterializedView | Query | UnidentifiedQuery) -> DuneCheck:
    if isinstance(obj, MaterializedView):
        raise DuneCatalogError(f"{obj.name} is a matview, and a check is a query.", hint="Remove matview or check.")
    if isinstance(obj, UnidentifiedQuery):
        raise DuneCatalogError(
            f"the file is a check, and nothing says which query it is ({obj.why or 'no id'}).",
            hint="Write the id into the file's name or its header.",
        )
    if unheeded := [key for key in OF_ASSETS if getattr(header, key)]:
        logger.warning("%s is a check, and no asset: nothing heeds %s.", file.name, ", ".join(unheeded))
    said = header.check or HeaderCheck()
    if said.kind not in QUERY_KINDS:
        raise DuneCatalogError(
            f"the file is a check of kind {said.kind}, which has no query.", hint=f"Kinds: {', '.join(QUERY_KINDS)}."
        )
    name = said.name or obj.slug or slugify(file.stem) or obj.sql_name
    return said.made(asset=said.asset or _only_read(obj), name=name, query_id=obj.query_id)


def _only_read(query: Query) -> str:
    reads = sorted({*query.deps, *(query.references or ())})
    objects = [name for name in reads if Reference.parse(name).kind.is_object]
    if len(objects) != 1:
        raise DuneCatalogError(
            f"nothing says what the check checks; it reads {', '.join(objects) or 'no matview and no query'}.",
            hint="Write check: <name in SQL> into its header.",
        )
    return objects[0]
