"""The options that `dagster-dune emulator start` and `exec` share, and how they run a local Dune."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from dagster_dune.cli.emulator.folders import load_folder
from dagster_dune.cli.failures import failed
from dagster_dune.errors import DuneConfigurationError, DuneError

if TYPE_CHECKING:
    from dagster_dune.emulator.server import DuneEmulator


@dataclass(frozen=True)
class ServerOptions:
    """The options of both commands: arguments of `DuneEmulator`, and data that is loaded before it answers."""

    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1"
    database: Annotated[
        Path | None, typer.Option(help="The DuckDB file that keeps the account; in memory if left out.")
    ] = None
    execution_seconds: Annotated[float, typer.Option(min=0, help="The least time that each execution takes.")] = 0.0
    queries: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A folder of .sql files to save as queries and matviews."),
    ] = None
    team: Annotated[str, typer.Option(help="The team that owns the account.")] = "acme"
    rate_limit: Annotated[
        Literal["free", "plus", "none"], typer.Option(help="The plan whose limits of requests per minute hold.")
    ] = "none"
    tables: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file of tables to make, as the command schema writes it."),
    ] = None
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Take requests with fields that the emulator does not know, as Dune does.")
    ] = False
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another name by which clients call this server. Repeatable.")
    ] = None
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=OTHER", help="What not to be as it is assumed of Dune; see docs/doctor.md. Repeatable."
        ),
    ] = None
    http_answers: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A YAML file of what http_get and http_post give, by their URLs."
        ),
    ] = None

    @contextmanager
    def running(self, port: int, api_key: str) -> Iterator[DuneEmulator]:
        """Run a local Dune, which answers when all data is loaded. An error ends the command."""
        try:
            from dagster_dune.emulator.server import DuneEmulator  # noqa: PLC0415  (help is quick without)

            emulator = DuneEmulator(
                host=self.host,
                port=port,
                api_key=api_key,
                database=self.database,
                execution_seconds=self.execution_seconds,
                team=self.team,
                rate_limit=self.rate_limit,
                lenient=self.lenient,
                allowed_hosts=self.allow_host or (),
                assume=dict(map(_assumed, self.assume or ())),
                http_answers=self.http_answers,
            )
            emulator.start(partial(_load, queries=self.queries, tables=self.tables))
            try:
                yield emulator
            finally:
                emulator.stop()
        except DuneError as error:
            raise failed(error) from error


def takes_server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the first parameter of a command, which is a `ServerOptions`, by one option for each of its fields."""
    hints = get_type_hints(ServerOptions, include_extras=True)
    names = [each.name for each in fields(ServerOptions)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(each.name, keyword, default=each.default, annotation=hints[each.name])
        for each in fields(ServerOptions)
    ]
    signature = inspect.signature(command, eval_str=True)
    own = [parameter.replace(kind=keyword) for parameter in list(signature.parameters.values())[1:]]

    @wraps(command)
    def with_options(**given: Any) -> Any:
        options = ServerOptions(**{name: given.pop(name) for name in names})
        return command(options, **given)

    with_options.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    return with_options


def _assumed(text: str) -> tuple[str, str]:
    id_, equals, other = text.partition("=")
    if not equals:
        raise DuneConfigurationError(
            f"--assume {text} does not say what holds instead.", hint="Write ID=OTHER, such as csv-null=empty."
        )
    return id_, other


def _load(emulator: DuneEmulator, queries: Path | None, tables: Path | None) -> None:
    values: dict[str, dict[str, str]] = {}
    if tables:
        from dagster_dune.cli.emulator.table_schemas import load_tables  # noqa: PLC0415  (an extra)

        values = load_tables(emulator, tables)
    if queries:
        load_folder(emulator, queries, values)
