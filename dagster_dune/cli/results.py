"""``dagster-dune results``: the rows of an execution, or of a query's latest one, as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_dune._file_formats import CSV, NDJSON, PARQUET, format_to_write
from dagster_dune._formatting import counted, without_password
from dagster_dune.api.endpoints.base import QUERY_DIGITS
from dagster_dune.cli.environment import client_of_environment
from dagster_dune.cli.failures import check_output, failed
from dagster_dune.errors import DuneConfigurationError, DuneError

if TYPE_CHECKING:
    from dagster_dune.paging.options import Export


def results(
    source: Annotated[str, typer.Argument(help="The id of an execution, or the number of a query.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="The file, or its URL: .parquet, .csv or .ndjson.", metavar="FILE")
    ],
    columns: Annotated[str | None, typer.Option(help='Columns, as a line of CSV: day,"a, b"; all if left out.')] = None,
    filter: Annotated[  # noqa: A002  (the option's name)
        str | None, typer.Option(help="Which rows, such as \"amount > 10 AND chain = 'base'\".")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="How many rows at the most.")] = None,
    max_bytes: Annotated[int | None, typer.Option(min=0, help="Refuse to read a larger result.")] = None,
    allow_partial_results: Annotated[
        bool, typer.Option("--allow-partial-results", help="Read what there is of a result that Dune has cut short.")
    ] = False,
) -> None:
    """Write the rows of a result into a file (DUNE_API_KEY, DUNE_API_BASE_URL). Dune charges exports by size.

    The file stands under its name when it is whole.
    """
    from rich.console import Console  # noqa: PLC0415  (help is quick without)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, soft_wrap=True)
    try:
        format_ = format_to_write(output)
        _check_output_path(output)
        shown = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        bar = Progress(*shown, console=console)
        with bar if console.is_terminal else nullcontext():  # elsewhere rich 13 would print an empty line
            export = _write(
                source,
                output,
                format_,
                bar,
                columns=None if columns is None else _names(columns),
                filters=filter,
                limit=limit,
                max_bytes=max_bytes,
                allow_partial_results=allow_partial_results,
            )
    except DuneError as error:
        raise failed(error) from error
    told = f"{without_password(output)}: {counted(export.rows, 'row')}, {counted(export.bytes, 'byte')} read."
    console.print(told, highlight=False, markup=False)


def _check_output_path(output: str) -> None:
    from dagster_dune.frames.exports import local_path  # noqa: PLC0415  (pyarrow is slow to import, or not there)

    if "://" not in output:
        check_output(local_path(output))


def _names(columns: str) -> list[str]:
    if '"' not in columns:
        return [name.strip() for name in columns.split(",")]
    try:
        return next(csv.reader([columns], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise DuneConfigurationError(
            f"--columns is no line of CSV: {columns!r} ({error}).",
            hint="A name with a comma stands in double quotes, and a double quote in it is written twice.",
        ) from error


@contextmanager
def _explain_missing_result(query_id: int | None) -> Iterator[None]:
    """Replace the 404 of a query without a result by an error that says so, instead of a hint to check its id."""
    from dagster_dune.api.errors import DuneNotFoundError  # noqa: PLC0415  (help is quick without)

    try:
        yield
    except DuneNotFoundError as error:
        if "No execution found" not in str(error):
            raise
        raise DuneError(
            f"Query {query_id} has no result: it was not executed since its SQL was saved.",
            hint="Execute it on Dune, or materialize its asset, and ask again.",
        ) from error


def _query_id(source: str) -> int | None:
    """Return the id of a query, which may be a number or a name in SQL; None if the source is an execution id."""
    from dagster_dune.catalog.names import query_id_of  # noqa: PLC0415  (help is quick without)

    number = source.isascii() and source.isdigit()
    if number and len(source) > QUERY_DIGITS:
        raise DuneConfigurationError(f"A number of {len(source):,} digits is none of a query.")
    query_id = int(source) if number else query_id_of(source.replace('"', "").lower())
    if query_id is None and not {".", "/", "_"}.isdisjoint(source):
        raise DuneConfigurationError(
            f"{source!r} is neither the id of an execution nor the number of a query.",
            hint="Of an asset, the id stands in the metadata of its last materialization (dagster-dune/execution_id).",
        )
    return query_id


def _write(source: str, output: str, format_: str, bar: Any, **options: Any) -> Export:
    from dagster_dune.frames.exports import write_parquet  # noqa: PLC0415
    from dagster_dune.frames.results import open_reader  # noqa: PLC0415
    from dagster_dune.frames.text_files import write_csv, write_ndjson  # noqa: PLC0415

    query_id = _query_id(source)
    with client_of_environment() as client:
        task = bar.add_task("rows", total=None)
        with _explain_missing_result(query_id):
            reader = open_reader(
                client,
                source if query_id is None else None,
                query_id=query_id,
                on_progress=lambda export: bar.update(task, completed=export.rows),
                **options,
            )
        bar.update(task, total=reader.expected_rows)
        return {PARQUET: write_parquet, CSV: write_csv, NDJSON: write_ndjson}[format_](reader, output)
