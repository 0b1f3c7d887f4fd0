"""Where a component's catalog comes from: a folder, a document, the account, and what is known when that fails."""

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
from dagster_dune.catalog.selection import Patterns, UnmatchedPatternError, unmatched
from dagster_dune.catalog.selection import select as matching
from dagster_dune.components.account_reader import AccountUnreadableError
from dagster_dune.errors import DuneCatalogError

logger = logging.getLogger(__name__)


def document_catalog(path: Path, max_age: float | None, *, strict: bool = False) -> CatalogContents:
    """Read a document, and say so if it is old.

    Args:
        path: What ``dagster-dune catalog pull`` wrote.
        max_age: The seconds after which it is old, counted from when the file was written; never if None. Where a file
            is checked out or copied, that is when it was.
        strict: Whether a query whose id is not known is an error.

    Returns:
        Its catalog.

    Raises:
        DuneCatalogError: It is missing, or no such document.
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
    """Read a folder, a document or both; None where neither is named.

    Raises:
        DuneCatalogError: One of them cannot be read, or they contradict each other; or something is left out, and
            `strict` is set.
    """
    if document is not None:
        return merged_catalog(folder, document_catalog(document, max_age, strict=strict), strict=strict)
    return None if folder is None else DuneCatalog.from_directory(folder, strict=strict)


def merged_catalog(folder: Path | None, account: CatalogContents, *, strict: bool = False) -> DuneCatalog:
    """What an account and, where there is one, a folder of its queries say together.

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
    warn: Callable[[UnmatchedPatternError], object] | None = None,
) -> list[str] | None:
    """Return the SQL names that the patterns leave, in order; None if they leave everything.

    Args:
        catalog: What there is.
        select: What of it is meant; everything if None.
        exclude: What to leave out of that.
        warn: Told of each pattern of `exclude` that matches nothing, if given.

    Raises:
        DuneCatalogError: A pattern of `select` matches nothing.
    """
    if select is None and not exclude:
        return None
    if warn:
        for error in unmatched([catalog], exclude):
            warn(error)
    names = {obj.sql_name for obj in catalog} if select is None else matching(catalog, select)
    return sorted(names - matching(catalog, exclude, strict=False))


def refreshed(
    read: Callable[[CatalogContents | None], CatalogContents], *, document: Path | None, state_path: Path
) -> CatalogContents:
    """Read the account, or take what is known of it where that fails.

    Without a document, queries go by their ids: a title is no name to rely on as long as nothing pins it, since a new
    one would make another asset, without the history of the first.

    Args:
        read: Reads the account, given what was read before.
        document: What was read before, in a file of the user's.
        state_path: What was read before, where Dagster keeps that.

    Returns:
        The account's catalog.

    Raises:
        DuneCatalogError: The account cannot be read and nothing older is known, or the document cannot be read.
    """
    known = DuneCatalog.from_file(document) if document else _older_state(state_path)
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
    """Write a catalog for Dagster: in ASCII, since Dagster reads it in whatever encoding the machine has."""
    state_path.write_text(json.dumps(json.loads(catalog.to_json())), encoding="ascii")


def read_state(state_path: Path) -> CatalogContents:
    """Read what `write_state` wrote.

    Raises:
        DuneCatalogError: It is broken, or of another version of this library.
    """
    try:
        return read_document(state_path)
    except DuneCatalogError as error:
        raise DuneCatalogError(
            "What Dagster keeps of the Dune account cannot be read.",
            hint="Read the account again: reload the code location, or run dg utils refresh-defs-state.",
        ) from error


def _older_state(state_path: Path) -> CatalogContents | None:
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
