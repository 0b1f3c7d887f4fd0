"""The commands of ``dagster-dune emulator``, which run a local Dune, alone or for the duration of a command."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dagster_dune.api.key import DEFAULT_VARIABLE
from dagster_dune.api.waiting import INTERRUPT_SECONDS
from dagster_dune.cli.emulator.server_options import ServerOptions, takes_server_options
from dagster_dune.cli.env_file import variables_of_env_file
from dagster_dune.cli.failures import failed
from dagster_dune.cli.subprocesses import STOP_SIGNALS, run_with
from dagster_dune.errors import DuneError

emulator_app = typer.Typer(help="A local Dune: the same HTTP API, real SQL on DuckDB.", no_args_is_help=True)

DEFAULT_KEY = "emulator-key"


@emulator_app.command()
@takes_server_options
def start(
    options: ServerOptions,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8787,
    api_key: Annotated[str, typer.Option(help="The key that clients must send.")] = DEFAULT_KEY,
) -> None:
    """Run a local Dune until Ctrl-C."""
    stopped = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    with options.running(port, api_key) as emulator:
        typer.echo(f"Dune is emulated at {emulator.url} for team {emulator.team}. Ctrl-C stops it. Clients need:")
        typer.echo(f"  export DUNE_API_BASE_URL={emulator.url}")
        typer.echo(f"  export DUNE_API_KEY={shlex.quote(emulator.api_key)}")
        while not stopped.wait(INTERRUPT_SECONDS):
            pass


@emulator_app.command(name="exec", context_settings={"ignore_unknown_options": True})
@takes_server_options
def execute(
    options: ServerOptions,
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 0,
    api_key: Annotated[
        str | None,
        typer.Option(
            help=f"The key that clients must send. {DEFAULT_KEY} if left out, or that of a file .env: dg reads it."
        ),
    ] = None,
) -> NoReturn:
    """Run a command against a local Dune of its own, and pass on its exit code."""
    key = api_key or variables_of_env_file().get(DEFAULT_VARIABLE) or DEFAULT_KEY
    with options.running(port, key) as emulator:
        typer.echo(f"Dune is emulated at {emulator.url} for team {emulator.team}.", err=True)
        code = run_with(command, {DEFAULT_VARIABLE: emulator.api_key, "DUNE_API_BASE_URL": emulator.url})
    sys.exit(code)


@emulator_app.command()
def schema(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder with .sql files.")],
    declared: Annotated[
        Path | None,
        typer.Option("--schema", exists=True, dir_okay=False, help="A file of tables that are known."),
    ] = None,
    rows: Annotated[int, typer.Option(min=0, max=100_000, help="How many rows to draw for each table.")] = 0,
) -> None:
    """Write, as YAML, the tables that a folder of SQL reads, with columns typed by how the SQL uses them.

    `start --tables FILE` makes tables of such a file, empty or with rows that are drawn.
    """
    from dagster_dune.cli.emulator.table_schemas import folder_schema  # noqa: PLC0415  (an extra)

    try:
        text, problems = folder_schema(folder, declared, rows)
    except DuneError as error:
        raise failed(error) from error
    typer.echo(text, nl=False)
    for problem in problems:
        typer.echo(problem, err=True)
