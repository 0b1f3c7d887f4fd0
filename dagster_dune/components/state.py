"""Reads a component's catalog from a folder, a document or the account, and stores the last one as a fallback."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.document import read_document
from dagster_dune.catalog.selectable import KeyOf, SelectableCatalog
from dagster_dune.catalog.selection import Patterns, UnmatchedPatternError, unmatched
from dagster_dune.catalog.selection import select as matching
from dagster_dune.components.account_reader import AccountUnreadableError
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)


def document_catalog(path: Path, max_age: float | None, *, strict: bool = False) -> CatalogContents:
    """Read a document, and warn if it is old.

    Args:
        path: The file that ``dagster-dune catalog pull`` wrote.
        max_age: The age of the file in seconds after which it is old; never if None. A checkout or a copy of the file
            makes it new.
        strict: Whether a query whose id is not known raises an error.

    Returns:
        Its catalog.

    Raises:
        DuneCatalogError: The file is missing, or is not a catalog document.
    """
    catalog = DuneCatalog.from_file(path, strict=strict)
    if max_age is not None and time.time() - path.stat().st_mtime > max_age:
        logger.warning(
            "The catalog file %s is old: it was written on %s. Write it again: dagster-dune catalog pull -o %s.",
            path,
            _written_on(path),
            path,
        )
    return catalog


def catalog_of_files(
    folder: Path | None, document: Path | None, max_age: float | None, *, strict: bool = False
) -> DuneCatalog | None:
    """Read a folder, a document or both; return None if neither is given.

    Raises:
        DuneCatalogError: One of them cannot be read, or they contradict each other; or something is left out, and
            `strict` is set.
    """
    if document is not None:
        return merged_catalog(folder, document_catalog(document, max_age, strict=strict), strict=strict)
    return None if folder is None else DuneCatalog.from_directory(folder, strict=strict)


def merged_catalog(folder: Path | None, account: CatalogContents, *, strict: bool = False) -> DuneCatalog:
    """Return the catalog of an account, merged with a folder if there is one.

    Raises:
        DuneCatalogError: The folder cannot be read, or they contradict each other; or something is left out, and
            `strict` is set.
    """
    from dagster_dune.catalog.sources.files.folder import read_directory  # noqa: PLC0415  (slow to import)
    from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415

    if folder is None:
        return DuneCatalog.of(account)
    left_out = LeftOut(strict=strict)
    contents = read_directory(folder, left_out=left_out)
    left_out.raise_errors()
    return DuneCatalog.merge(contents, account, strict=strict)


def selected_names(
    catalog: CatalogContents,
    select: Patterns | None,
    exclude: Patterns,
    key_of: KeyOf,
    warn: Callable[[UnmatchedPatternError], object] | None = None,
) -> list[str] | None:
    """Return the sorted SQL names of the selected objects; None if there are no patterns.

    Args:
        catalog: The catalog to search.
        select: The patterns of selected objects; all objects if None.
        exclude: The patterns of the objects to exclude from the selection.
        key_of: Returns the key of the asset of an object, as Dagster's UI shows it.
        warn: Called with an error for each pattern of `exclude` that matches nothing, if given.

    Raises:
        DuneCatalogError: A pattern of `select` matches nothing.
    """
    if select is None and not exclude:
        return None
    selectable = SelectableCatalog(catalog, key_of)
    if warn:
        for error in unmatched([selectable], exclude):
            warn(error)
    names = selectable.names if select is None else matching(selectable, select)
    return sorted(names - matching(selectable, exclude, strict=False))


def refreshed(
    read: Callable[[CatalogContents | None], CatalogContents], *, document: Path | None, state_path: Path
) -> CatalogContents:
    """Read the account, or return an older catalog if that fails.

    Without a document, queries have no slugs, so that their asset keys only contain their ids. Slugs come from titles,
    and a new title would make another asset, without the history of the first.

    Args:
        read: Reads the account, given the catalog of an earlier read.
        document: The user's file with an earlier catalog, if there is one.
        state_path: The file in which Dagster stores an earlier catalog.

    Returns:
        The account's catalog.

    Raises:
        DuneCatalogError: The account cannot be read and there is no older catalog, or the document cannot be read.
    """
    known = DuneCatalog.from_file(document) if document else _earlier_state(state_path)
    try:
        account = read(known)
    except AccountUnreadableError as error:
        if known is None:
            raise
        older = document or state_path
        logger.warning("The Dune assets are those of %s, which was written on %s. %s", older, _written_on(older), error)
        account = known
    return account if document else _without_slugs(account)


def write_state(catalog: CatalogContents, state_path: Path) -> None:
    """Write a catalog for Dagster, in ASCII, since Dagster reads the file in the machine's default encoding."""
    state_path.write_text(json.dumps(json.loads(catalog.to_json())), encoding="ascii")


def read_state(state_path: Path) -> CatalogContents:
    """Read a catalog that `write_state` wrote.

    Raises:
        DuneCatalogError: The file is damaged, or was written by an incompatible version of this library.
    """
    try:
        return read_document(state_path)
    except DuneCatalogError as error:
        raise DuneCatalogError(
            "What Dagster keeps of the Dune account cannot be read.",
            hint="Read the account again: reload the code location, or run dg utils refresh-defs-state.",
        ) from error


def _earlier_state(state_path: Path) -> CatalogContents | None:
    if not state_path.is_file():
        return None
    try:
        return read_state(state_path)
    except DuneCatalogError as error:
        logger.warning("All of the account is read again. %s", error)
        return None


def _without_slugs(catalog: CatalogContents) -> CatalogContents:
    return CatalogContents(
        materialized_views=catalog.materialized_views,
        queries=tuple(query.model_copy(update={"slug": None}) for query in catalog.queries),
        external=catalog.external,
        checks=catalog.checks,
    )


def _written_on(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d at %H:%M UTC")
