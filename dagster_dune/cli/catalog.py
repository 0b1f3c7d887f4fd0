"""``dagster-dune catalog``: the account as a file, and what a catalog holds."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_dune._formatting import counted
from dagster_dune.cli.account_progress import resumable_reads, shown_progress
from dagster_dune.cli.environment import client_of_environment
from dagster_dune.cli.failures import check_output, failed
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from dagster_dune.catalog.contents import CatalogContents

catalog_app = typer.Typer(help="The catalog: what the account holds, kept in a file.", no_args_is_help=True)

PATTERNS = "names in SQL, ids, slugs, globs, tag:<tag> or kind:<kind>. May be repeated."
MAX_LINE_LENGTH = 10_000
"""The line width when the output is no terminal."""


@catalog_app.command()
def pull(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", dir_okay=False)],
    queries: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A folder of .sql files to merge with the account."),
    ] = None,
    select: Annotated[list[str] | None, typer.Option(help=f"What to take: {PATTERNS}")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help=f"What of that to leave out: {PATTERNS}")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="How many queries are read at once.")] = 8,
    full: Annotated[bool, typer.Option("--full", help="Read also what has not changed since the last pull.")] = False,
) -> None:
    """Read the account (DUNE_API_KEY, DUNE_API_BASE_URL) into a file.

    Where the file exists, only what has changed on Dune since is read, and the names of assets stay as they are. What
    an interrupted pull has read is kept beside the file, and the next one goes on from there.
    """
    from dagster_dune.catalog.document import write_document  # noqa: PLC0415
    from dagster_dune.catalog.sources.differences import (  # noqa: PLC0415
        warn_of_differences,
        warn_of_foreign_queries,
    )
    from dagster_dune.catalog.sources.files.folder import read_directory  # noqa: PLC0415
    from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415
    from dagster_dune.catalog.sources.pull import pull as pull_account  # noqa: PLC0415
    from dagster_dune.catalog.unknown_names import warn_of_unknown_names  # noqa: PLC0415

    with _report_errors() as console:
        check_output(output)
        folder = read_directory(queries) if queries else None
        known = _last_pull(output, console)
        with (
            client_of_environment() as client,
            shown_progress(console) as progress,
            resumable_reads(output, console) as read,
        ):
            account, catalog = pull_account(
                client,
                folder,
                select=select or None,
                exclude=exclude or (),
                known=_without_update_times(known) if known and full else known,
                concurrency=concurrency,
                progress=progress,
                cache=read,
            )
            write_document(catalog, output)
            if queries:
                write_document(account, _account_file(output))
            else:
                _account_file(output).unlink(missing_ok=True)
        before = {obj.sql_name for obj in known} if known else set()
        after = {obj.sql_name for obj in account}
        console.print(
            f"{output}: {counted(len(catalog.materialized_views), 'materialized view')}, "
            f"{counted(len(catalog.queries), 'query', 'queries')} "
            f"({progress.total} read, {len(after - before)} new, {len(before - after)} gone).",
            markup=False,
        )
        LeftOut().add_unresolved(catalog)
        if folder:
            warn_of_foreign_queries(folder, account)
        warn_of_unknown_names(warn_of_differences(catalog))


@catalog_app.command()
def show(
    path: Annotated[Path, typer.Argument(exists=True, help="A file that pull wrote, or a folder of .sql files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    exclude: Annotated[list[str] | None, typer.Option(help="Files and folders that are not read.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where something is left out.")] = False,
) -> None:
    """Print what a catalog holds: who reads what, and counts."""
    from rich.table import Table  # noqa: PLC0415  (slow to import)

    from dagster_dune.catalog.catalog import DuneCatalog  # noqa: PLC0415
    from dagster_dune.cli.catalog_summary import described  # noqa: PLC0415

    with _report_errors():
        if path.is_dir():
            catalog = DuneCatalog.from_directory(path, exclude=exclude or (), strict=strict)
        else:
            catalog = DuneCatalog.from_file(path, strict=strict)
        description = described(catalog)
    if as_json:
        is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        typer.echo(json.dumps(description, indent=2, ensure_ascii=not is_utf8))
        return
    console = _console(stderr=False)
    if not console.is_terminal:
        console.width = MAX_LINE_LENGTH  # what a tree has no room for is cut off
    if not any((*catalog, *catalog.unidentified)):
        typer.echo(f"{path} holds no query and no matview.")
        return
    console.print(_tree(catalog, path), soft_wrap=False, overflow="fold")
    table = Table(show_header=False, box=None)
    for name, count in description["counts"].items():
        if count:
            table.add_row(name, str(count))
    console.print(table)
    for check in catalog.checks:
        console.print(f"{check.label}: {check.kind}, {check.severity}{', blocking' if check.blocking else ''}")


@catalog_app.command()
def diff(
    queries: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder of .sql files.")],
    catalog: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="What pull wrote; the account itself if left out.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Files and folders that are not read.")] = None,
) -> None:
    """List the files whose SQL is not what Dune has saved, and would run. Exits with 1 where there are any."""
    from dagster_dune.catalog.document import read_document  # noqa: PLC0415
    from dagster_dune.catalog.sources.account import discover  # noqa: PLC0415
    from dagster_dune.catalog.sources.files.folder import read_directory  # noqa: PLC0415
    from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415
    from dagster_dune.catalog.sources.merge import merged  # noqa: PLC0415

    with _report_errors() as console:
        folder = read_directory(queries, exclude=exclude or ())
        if catalog:
            account = read_document(catalog)
        else:
            names = [obj.sql_name for obj in folder]
            with client_of_environment() as client, shown_progress(console) as progress:
                select = None if folder.unidentified else names
                account = discover(client, select=select, folder=folder, progress=progress)
        both = merged(folder, account)
        LeftOut().add_unidentified(both)
    stdout = _console(stderr=False)
    sources = {obj.source.path for obj in (*folder, *folder.unidentified) if obj.source}
    objects = [obj for obj in both if obj.source and obj.source.path in sources]
    different = [obj for obj in objects if obj.differs is not None]
    for obj in different:
        stdout.print(f"{obj.sql_name}: {obj.source} is not what Dune runs", style="bold", markup=False)
        stdout.print(obj.differs, markup=False)
    unknown = [obj.sql_name for obj in objects if not obj.is_confirmed]
    if unknown:
        stdout.print(f"Not compared, since the account shows no SQL of them: {', '.join(unknown)}.", markup=False)
    differ = "differs" if len(different) == 1 else "differ"
    stdout.print(f"{len(different)} of {counted(len(objects) - len(unknown), 'file')} {differ} from Dune.")
    if different:
        raise typer.Exit(1)


def _last_pull(output: Path, console: Console) -> CatalogContents | None:
    """Return the account at the last pull, which is a separate file if a folder was merged into the output."""
    from dagster_dune.catalog.document import read_document  # noqa: PLC0415  (slow to import)

    path = next((path for path in (_account_file(output), output) if path.exists()), None)
    if path is None:
        return None
    try:
        return read_document(path)
    except DuneError as error:
        console.print(f"Everything is read anew, and assets are named anew. {error}", style="yellow", markup=False)
        return None


def _account_file(output: Path) -> Path:
    return output.with_name(f"{output.stem}.account{output.suffix}")


def _without_update_times(catalog: CatalogContents) -> CatalogContents:
    """Return a catalog whose objects all count as changed."""
    from dagster_dune.catalog.contents import CatalogContents  # noqa: PLC0415  (slow to import)

    return CatalogContents(
        materialized_views=tuple(obj.model_copy(update={"updated_at": None}) for obj in catalog.materialized_views),
        queries=tuple(obj.model_copy(update={"updated_at": None}) for obj in catalog.queries),
    )


@contextmanager
def _report_errors() -> Iterator[Console]:
    """Print warnings and errors of the library to stderr."""
    console = _console(stderr=True)
    handler = _log_handler(console)
    logger = logging.getLogger("dagster_dune")
    logger.addHandler(handler)
    try:
        yield console
    except DuneError as error:
        raise failed(error) from error
    finally:
        logger.removeHandler(handler)


def _log_handler(console: Console) -> logging.Handler:
    """Return a handler that prints warnings in columns on a terminal, and one per line elsewhere."""
    if console.is_terminal:
        from rich.logging import RichHandler  # noqa: PLC0415  (slow to import)

        return RichHandler(console=console, show_path=False, show_time=False)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    return handler


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415  (slow to import)

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def _tree(catalog: CatalogContents, path: Path) -> Tree:
    """Return a tree in which readers are below what they read; an object is expanded only where it appears first."""
    from rich.markup import escape  # noqa: PLC0415  (slow to import)
    from rich.tree import Tree  # noqa: PLC0415

    from dagster_dune.catalog.sources.files.text_files import shown  # noqa: PLC0415
    from dagster_dune.cli.catalog_summary import files_without_id, readers  # noqa: PLC0415

    read_by = readers(catalog)
    read = {name for names in read_by.values() for name in names}
    tree = Tree(escape(shown(path)))
    unfolded = set[str]()
    pending = [(tree, name) for name in reversed(read_by) if name not in read]
    while pending:
        branch, name = pending.pop()
        is_new = name not in unfolded
        label = _label(catalog, name) if is_new or not read_by[name] else f"{_label(catalog, name)} [dim](see above)[/]"
        leaf = branch.add(label)
        if is_new:
            unfolded.add(name)
            pending += [(leaf, reader) for reader in reversed(read_by[name])]
    if nameless := files_without_id(catalog):
        branch = tree.add("[dim]no objects, for want of an id:[/]")
        for file in nameless:
            branch.add(escape(os.path.relpath(file, path if path.is_dir() else path.parent)))
    return tree


def _label(catalog: CatalogContents, name: str) -> str:
    from rich.markup import escape  # noqa: PLC0415  (slow to import)

    obj = catalog[name]
    title = getattr(obj, "name", None)
    checks = [check.label for check in (*catalog.checks, *catalog.unresolved_checks) if check.sql_name == name]
    key = escape(checks[0] if checks else "/".join(obj.key_parts))
    words = f" [dim]{escape(title)}[/]" if title and title.lower() != name else ""
    return f"{escape(name)}{words} ({key})"
