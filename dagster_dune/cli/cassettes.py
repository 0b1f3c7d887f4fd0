"""``dagster-dune record`` and ``dagster-dune replay``: record and replay a command's requests to Dune."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dagster_dune._formatting import counted
from dagster_dune.cli.failures import check_output, failed
from dagster_dune.cli.subprocesses import run_with
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.cassettes.proxy import Recorder

Command = Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")]
ANY_KEY = "replay-key"


def record(
    command: Command,
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="The cassette to write.")],
    keep: Annotated[bool, typer.Option("--keep", help="Keep owners, names, SQL and rows as they are.")] = False,
) -> NoReturn:
    """Run a command, and write what it asks of Dune and is answered into a file, without keys.

    It stands between the command and DUNE_API_BASE_URL. Exits as the command does; with 1 where nothing was recorded.
    """
    from dagster_dune.api.address import address_in_force, checked_base_url  # noqa: PLC0415  (help is quick without)
    from dagster_dune.cassettes.proxy import recording  # noqa: PLC0415

    try:
        check_output(output)
        base_url = checked_base_url(address_in_force(None))
        with recording(base_url, keeps_names=keep) as (address, recorder):
            code = run_with(command, {"DUNE_API_BASE_URL": address})
        recorder.cassette().write(output)
        _check_recorded(recorder)
    except (DuneError, OSError) as error:
        raise failed(error) from error
    typer.echo(
        f"{output}: {counted(recorder.count, 'request and its answer', 'requests and their answers')}, without keys.",
        err=True,
    )
    sys.exit(code)


def replay(
    cassette: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that record has written.")],
    command: Command,
    fall_back: Annotated[
        bool, typer.Option("--fall-back", help="Let a local Dune answer what was not recorded, which is an error else.")
    ] = False,
) -> NoReturn:
    """Run a command against what was recorded, and pass on its exit code. Any key will do; none is compared."""
    try:
        from dagster_dune.emulator.server import DuneEmulator  # noqa: PLC0415  (help is quick without)

        with DuneEmulator(cassette=cassette, strict=not fall_back) as emulator:
            key = os.environ.get("DUNE_API_KEY") or ANY_KEY
            code = run_with(command, {"DUNE_API_BASE_URL": emulator.url, "DUNE_API_KEY": key})
            asked = len(emulator.journal())
    except (DuneError, OSError) as error:
        raise failed(error) from error
    if not asked:
        typer.echo("No request came to the replay: a base_url in code wins over DUNE_API_BASE_URL.", err=True)
    sys.exit(code)


def _check_recorded(recorder: Recorder) -> None:
    if not recorder.count:
        raise DuneError(
            "No request came through the recording: the command asks Dune for nothing, or it has a base_url of its own "
            "in its code or configuration, which wins over DUNE_API_BASE_URL.",
            hint="Take it out to record.",
        )
