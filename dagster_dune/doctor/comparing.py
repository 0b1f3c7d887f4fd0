"""Where a folder or a catalog document and the account differ."""

from __future__ import annotations

from pathlib import Path

from dagster_dune.api.client import DuneApiClient
from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.document import read_document
from dagster_dune.catalog.sources.account import discover
from dagster_dune.catalog.sources.files.folder import read_directory
from dagster_dune.catalog.sources.merge import merged
from dagster_dune.doctor.report import Report, in_words


def compare(client: DuneApiClient, report: Report, folder: Path | None, document: Path | None) -> None:
    """Compare what a folder, a document or both say with what Dune has saved of the same objects.

    Raises:
        DuneError: One of them cannot be read.
    """
    for what, path in (("folder", folder), ("document", document)):
        if path is None:
            continue
        said = read_directory(path) if path.is_dir() else read_document(path)
        names = [obj.sql_name for obj in said]
        account = discover(client, select=None if said.unidentified else names, folder=said)
        gone = [name for name in names if name not in account]
        different = _different(said, account)
        words = f"{len(names) + len(said.unidentified)} objects"
        words += f", {len(said.unidentified)} of them without an id" if said.unidentified else ""
        words += f"; not on Dune: {in_words(gone)}" if gone else ""
        words += f"; other SQL on Dune: {in_words(different)}" if different else ""
        words += "" if gone or different or said.unidentified else ", all as on Dune"
        report.fact(what, words, is_private=True, is_trouble=bool(gone or different or said.unidentified))


def _different(said: CatalogContents, account: CatalogContents) -> list[str]:
    return [obj.sql_name for obj in merged(said, account) if obj.differs is not None]
