"""Reads and writes a catalog as a JSON file. In it, the paths of SQL files are relative to the JSON file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.objects import MaterializedView, Query, SourceFile, UnidentifiedQuery
from dagster_dune.errors import DuneCatalogError


def read_document(path: Path) -> CatalogContents:
    """Read a catalog from a file.

    Args:
        path: A file that `write_document` wrote.

    Returns:
        The catalog.

    Raises:
        DuneCatalogError: The file is missing, cannot be read, or does not hold a catalog of this version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise missing_document(path) from error
    except OSError as error:
        raise DuneCatalogError(f"The catalog file {path} cannot be read: {error.strerror}.") from error
    try:
        catalog = CatalogContents.from_json(content)
    except DuneCatalogError as error:
        raise DuneCatalogError(f"{path}: {error}") from error
    folder = path.absolute().parent
    return _with_paths(catalog, lambda source: os.path.normpath(folder / source))


def missing_document(path: Path) -> DuneCatalogError:
    """Return the error for a document that does not exist."""
    return DuneCatalogError(f"There is no catalog file {path}.", hint=f"Write it: dagster-dune catalog pull -o {path}.")


def write_document(catalog: CatalogContents, path: Path) -> None:
    """Write a catalog into a file atomically: readers see either the old content or the whole new one.

    Args:
        catalog: The catalog.
        path: The file. Its folder is created if it does not exist.

    Raises:
        DuneCatalogError: The file cannot be written.
    """
    folder = path.absolute().parent
    relative = _with_paths(catalog, lambda source: Path(os.path.relpath(source, folder)).as_posix())
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(relative.to_json() + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise DuneCatalogError(f"The catalog file {path} cannot be written: {error.strerror}.") from error


def _with_paths(catalog: CatalogContents, path: Callable[[str], str]) -> CatalogContents:
    """Return a catalog in which a function has changed the paths of the SQL files."""

    def changed(obj: MaterializedView | Query | UnidentifiedQuery) -> SourceFile | None:
        return obj.source and obj.source.model_copy(update={"path": path(obj.source.path)})

    if not any(obj.source for obj in (*catalog, *catalog.unidentified)):
        return catalog
    fields = ("materialized_views", "queries", "unidentified")
    return CatalogContents(
        external=catalog.external,
        not_taken=catalog.not_taken,
        checks=catalog.checks,
        unresolved_checks=catalog.unresolved_checks,
        **{
            field: tuple(obj.model_copy(update={"source": changed(obj)}) for obj in getattr(catalog, field))
            for field in fields
        },
    )
