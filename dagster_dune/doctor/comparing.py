"""Compares a folder or a catalog document with the account."""

from __future__ import annotations

from pathlib import Path

from dagster_dune._formatting import abbreviated, counted
from dagster_dune.api.client import DuneApiClient
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.document import read_document
from dagster_dune.catalog.sources.account import discover
from dagster_dune.catalog.sources.files.folder import read_directory
from dagster_dune.catalog.sources.merge import merged
from dagster_dune.doctor.report import Report
from dagster_dune.errors import DuneError


def compare(client: DuneApiClient, report: Report, folder: Path | None, document: Path | None) -> None:
    """Compare what a folder, a document or both say with what Dune has saved of the same objects.

    What cannot be compared is told, and keeps nothing else from being tried.
    """
    for what, path in (("folder", folder), ("document", document)):
        if path is None:
            continue
        try:
            said = read_directory(path) if path.is_dir() else read_document(path)
            account = discover(client, select=None if said.unidentified else _names(said), folder=said)
            words, is_trouble = _compared(said, account)
        except DuneError as error:
            words, is_trouble = f"cannot be compared: {error}", True
        report.fact(what, words, is_private=True, is_trouble=is_trouble)


def _names(contents: CatalogContents) -> list[str]:
    return [obj.sql_name for obj in contents]


def _compared(said: CatalogContents, account: CatalogContents) -> tuple[str, bool]:
    """In words, how the two differ, and whether something has to be done about it."""
    objects = _names(said)
    shows_queries = account.not_taken is not None
    expected = objects if shows_queries else [view.sql_name for view in said.materialized_views]
    gone = [name for name in expected if name not in account]
    different = _different(said, account) if shows_queries else []
    parts = [counted(len(objects) + len(said.unidentified), "object")]
    parts += [f"{len(said.unidentified)} of them without an id"] if said.unidentified else []
    parts += [f"not on Dune: {abbreviated(gone, most=8)}"] if gone else []
    parts += [f"other SQL on Dune: {abbreviated(different, most=8)}"] if different else []
    parts += [] if shows_queries else ["queries and SQL were not compared, since the key or the plan shows none"]
    is_trouble = len(parts) > 1
    return "; ".join(parts if is_trouble else [*parts, "all as on Dune"]), is_trouble


def _different(said: CatalogContents, account: CatalogContents) -> list[str]:
    return [obj.sql_name for obj in merged(said, account) if obj.differs is not None]
