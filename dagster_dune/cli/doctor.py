"""``dagster-dune doctor``: checks the assumptions about Dune on the user's account."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_dune.cli.environment import client_of_environment
from dagster_dune.cli.failures import check_output
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dagster_dune.api.client import DuneApiClient
    from dagster_dune.doctor.report import Report

TERMINATION_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
STYLES = {"holds": "green", "does not hold": "bold red", "not tried": "dim"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write it, with requests and answers, without keys, names, SQL and rows."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A folder of .sql files to compare with Dune.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A catalog document to compare with Dune.")
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Make private queries and a matview, execute them, and take them away.")
    ] = False,
    max_credits: Annotated[float, typer.Option(min=0, help="What all executions together may cost.")] = 100.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before anything is executed.")] = False,
    interval: Annotated[float, typer.Option(min=0.01, help="The seconds between two looks at what runs.")] = 1.0,
) -> None:
    """Ask the account whether what is assumed about Dune holds (DUNE_API_KEY, DUNE_API_BASE_URL).

    It reads alone, and costs no credits, unless --execute is given, which asks first. Exits with 0 where all that was
    tried holds, with 1 where something does not, and with 2 where it could not do its work.
    """
    from rich.console import Console  # noqa: PLC0415  (help is quick without)

    from dagster_dune.doctor.report import Report  # noqa: PLC0415

    if save:
        _check_save_path(save)
    report = Report()
    try:
        with _client(report) as client:
            _examine(client, report, folder, catalog)
            if execute:
                _execute(client, report, max_credits, interval, yes=yes)
    except DuneError as error:
        report.failure = str(error)
    except KeyboardInterrupt:
        report.failure = "It was stopped."
    report.close(executes=execute)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _show(report, Console(highlight=False))
    if save:
        _save(report, save)
    raise typer.Exit(report.exit_code)


def _check_save_path(file: Path) -> None:
    """Check that the report can be saved, before any request is sent.

    Raises:
        typer.BadParameter: It cannot.
    """
    try:
        check_output(file)
    except DuneError as error:
        raise typer.BadParameter(str(error)) from error


def _client(report: Report) -> DuneApiClient:
    from dagster_dune.doctor.account import append_exchanges, described_address  # noqa: PLC0415

    client = client_of_environment(max_retries=2, observe=append_exchanges(report))
    report.fact("address", described_address(client.base_url), is_private=True)  # now that it is known to hold no key
    return client


def _examine(client: DuneApiClient, report: Report, folder: Path | None, catalog: Path | None) -> None:
    from dagster_dune.doctor.account import AccountReads  # noqa: PLC0415

    AccountReads(client, report).examine()
    if folder or catalog:
        from dagster_dune.doctor.comparing import compare  # noqa: PLC0415

        compare(client, report, folder, catalog)


def _execute(client: DuneApiClient, report: Report, max_credits: float, interval: float, *, yes: bool) -> None:
    """Run the experiments if the user agrees. Termination signals interrupt them as Ctrl-C does."""
    from dagster_dune.doctor.executing import EXECUTIONS, execute  # noqa: PLC0415
    from dagster_dune.doctor.temporary_objects import TemporaryObjects  # noqa: PLC0415

    typer.echo(
        f"About {EXECUTIONS} small executions follow, which your plan charges; nothing more begins after "
        f"{max_credits:g} credits (--max-credits). Five private queries and a matview are made, and taken away at the "
        "end. Nothing that you have is changed.",
        err=True,
    )
    if not yes and not _confirmed():
        report.failure = "Nothing was executed, since nobody has agreed to it; --yes does not ask."
        return
    for number in TERMINATION_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    objects = TemporaryObjects(client, max_credits=max_credits, interval=interval)
    execute(report, objects, lambda words: typer.echo(words, err=True))


def _save(report: Report, file: Path) -> None:
    try:
        file.write_text(json.dumps(report.to_save(), indent=2) + "\n", "utf-8")
    except OSError as error:
        typer.echo(f"{file} cannot be written: {error.strerror}.", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{file} holds requests and answers without keys, names, SQL and rows.", err=True)


def _confirmed() -> bool:
    try:
        return typer.confirm("Go on?", err=True)
    except typer.Abort:  # nobody can be asked, or Ctrl-C
        return False


def _show(report: Report, console: Console) -> None:
    from rich.table import Table  # noqa: PLC0415  (help is quick without)
    from rich.text import Text  # noqa: PLC0415

    facts = Table(title="The account", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for _ in ("what", "said"):
        facts.add_column(overflow="fold")
    for fact in report.facts:
        facts.add_row(Text(fact.what), Text(fact.said), style="yellow" if fact.is_trouble else None)
    if report.facts:
        console.print(facts)
    if not report.failure or report.has_tried:
        console.print(_findings(report))
    if report.failure:
        console.print(report.failure, style="red", markup=False, soft_wrap=True)


def _findings(report: Report) -> Table:
    from rich.table import Table  # noqa: PLC0415  (help is quick without)
    from rich.text import Text  # noqa: PLC0415

    from dagster_dune.doctor.assumptions import BY_ID  # noqa: PLC0415

    table = Table(title="What is assumed about Dune (docs/assumptions.md)", title_justify="left")
    for heading in ("assumption", "verdict", "seen, and what to do"):
        table.add_column(heading, overflow="fold")
    for finding in report.findings.values():
        words = [finding.seen, finding.changes, finding.setting and f"Set {finding.setting}"]
        table.add_row(
            Text(f"{finding.id}\n{BY_ID[finding.id].says}"),
            Text(finding.verdict.value, style=STYLES[finding.verdict.value]),
            Text("\n".join(word for word in words if word)),
        )
    return table
