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
    """Compare a folder, a document, or both with the same objects on Dune, and report the differences.

    An error of one of them is reported, and the other is still compared.
    """
    for what, path in (("folder", folder), ("document", document)):
        if path is None:
            continue
        try:
            local = read_directory(path) if path.is_dir() else read_document(path)
            account = discover(client, select=None if local.unidentified else _names(local), folder=local)
            words, is_trouble = _differences(local, account)
        except DuneError as error:
            words, is_trouble = f"cannot be compared: {error}", True
        report.fact(what, words, is_private=True, is_trouble=is_trouble)


def _names(contents: CatalogContents) -> list[str]:
    return [obj.sql_name for obj in contents]


def _differences(local: CatalogContents, account: CatalogContents) -> tuple[str, bool]:
    """Return a description of the differences, and whether there are any."""
    objects = _names(local)
    shows_queries = account.not_taken is not None
    expected = objects if shows_queries else [view.sql_name for view in local.materialized_views]
    gone = [name for name in expected if name not in account]
    different = _with_other_sql(local, account) if shows_queries else []
    parts = [counted(len(objects) + len(local.unidentified), "object")]
    parts += [f"{len(local.unidentified)} of them without an id"] if local.unidentified else []
    parts += [f"not on Dune: {abbreviated(gone, most=8)}"] if gone else []
    parts += [f"other SQL on Dune: {abbreviated(different, most=8)}"] if different else []
    parts += [] if shows_queries else ["queries and SQL were not compared, since the key or the plan shows none"]
    is_trouble = len(parts) > 1
    return "; ".join(parts if is_trouble else [*parts, "all as on Dune"]), is_trouble


def _with_other_sql(local: CatalogContents, account: CatalogContents) -> list[str]:
    return [obj.sql_name for obj in merged(local, account) if obj.differs is not None]
