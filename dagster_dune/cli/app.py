"""The command line: ``dagster-dune``."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from dagster_dune.cli.cassettes import record, replay
from dagster_dune.cli.catalog import catalog_app
from dagster_dune.cli.doctor import doctor
from dagster_dune.cli.emulator.commands import emulator_app
from dagster_dune.cli.env_file import read_env_file
from dagster_dune.cli.failures import Commands, failed
from dagster_dune.cli.pipelines import cancel, status
from dagster_dune.cli.results import results
from dagster_dune.errors import DuneError
from dagster_dune.version import __version__

app = typer.Typer(
    cls=Commands,
    help="Dune queries and materialized views as Dagster assets.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(catalog_app, name="catalog")
app.add_typer(emulator_app, name="emulator")
app.command()(doctor)
app.command("results")(results)
app.command()(cancel)
app.command()(status)
app.command(context_settings={"ignore_unknown_options": True})(record)
app.command(context_settings={"ignore_unknown_options": True})(replay)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dagster-dune {__version__}")
        raise typer.Exit


def _escape_unencodable_output() -> None:
    """Escape characters that the encoding of the output lacks, such as emoji in titles, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


@app.callback()
def main(
    *,
    version: Annotated[  # noqa: ARG001  (its callback has printed it)
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Dune queries and materialized views as Dagster assets."""
    _escape_unencodable_output()
    try:
        read_env_file()
    except DuneError as error:
        raise failed(error) from error
