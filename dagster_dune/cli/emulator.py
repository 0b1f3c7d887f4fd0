"""``dagster-dune emulator``: a local Dune, alone or around a command."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from dagster_dune.api.key import DEFAULT_VARIABLE
from dagster_dune.cli.env_file import variables_of_env_file
from dagster_dune.cli.subprocesses import STOP_SIGNALS, run_with
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from dagster_dune.emulator.server import DuneEmulator

emulator_app = typer.Typer(help="A local Dune: the same HTTP API, real SQL on DuckDB.", no_args_is_help=True)

DEFAULT_KEY = "emulator-key"

Host = Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")]
ApiKey = Annotated[str, typer.Option(help="The key that clients must send.")]
ExecKey = Annotated[
    str | None,
    typer.Option(
        help=f"The key that clients must send. {DEFAULT_KEY} if left out, or that of a file .env: dg reads it."
    ),
]
Database = Annotated[Path | None, typer.Option(help="The DuckDB file that keeps the account; in memory if left out.")]
ExecutionSeconds = Annotated[float, typer.Option(min=0, help="The least time that each execution takes.")]
Queries = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="A folder of .sql files to save as queries and matviews."),
]
Team = Annotated[str, typer.Option(help="The team that owns the account.")]
Tables = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="A file of tables to make, as the command schema writes it."),
]
Lenient = Annotated[
    bool, typer.Option("--lenient", help="Take requests with fields that the emulator does not know, as Dune does.")
]
AllowedHosts = Annotated[
    list[str], typer.Option("--allow-host", help="Another name by which clients call this server. Repeatable.")
]
Assume = Annotated[
    list[str],
    typer.Option(metavar="ID=OTHER", help="What not to be as it is assumed of Dune; see docs/doctor.md. Repeatable."),
]
HttpAnswers = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="A YAML file of what http_get and http_post give, by their URLs."),
]
RateLimit = Annotated[
    Literal["free", "plus", "none"], typer.Option(help="The plan whose limits of requests per minute hold.")
]


@emulator_app.command()
def start(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 8787,
    api_key: ApiKey = DEFAULT_KEY,
    database: Database = None,
    execution_seconds: ExecutionSeconds = 0.0,
    queries: Queries = None,
    team: Team = "acme",
    rate_limit: RateLimit = "none",
    tables: Tables = None,
    lenient: Lenient = False,
    allow_host: AllowedHosts = [],  # noqa: B006 - how typer takes it
    assume: Assume = [],  # noqa: B006
    http_answers: HttpAnswers = None,
) -> None:
    """Run a local Dune until Ctrl-C."""
    stopped = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    with _emulator(
        queries,
        tables,
        host=host,
        port=port,
        api_key=api_key,
        database=database,
        execution_seconds=execution_seconds,
        team=team,
        rate_limit=rate_limit,
        lenient=lenient,
        allowed_hosts=allow_host,
        assume=dict(_assumed(one) for one in assume),
        http_answers=http_answers,
    ) as emulator:
        typer.echo(f"Dune is emulated at {emulator.url} for team {team}. Ctrl-C stops it. Clients need:")
        typer.echo(f"  export DUNE_API_BASE_URL={emulator.url}")
        typer.echo(f"  export DUNE_API_KEY={shlex.quote(emulator.api_key)}")
        stopped.wait()


@emulator_app.command(name="exec", context_settings={"ignore_unknown_options": True})
def execute(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 0,
    api_key: ExecKey = None,
    database: Database = None,
    execution_seconds: ExecutionSeconds = 0.0,
    queries: Queries = None,
    team: Team = "acme",
    rate_limit: RateLimit = "none",
    tables: Tables = None,
    lenient: Lenient = False,
    allow_host: AllowedHosts = [],  # noqa: B006 - how typer takes it
    assume: Assume = [],  # noqa: B006
    http_answers: HttpAnswers = None,
) -> NoReturn:
    """Run a command against a local Dune of its own, and pass on its exit code."""
    with _emulator(
        queries,
        tables,
        host=host,
        port=port,
        api_key=api_key or variables_of_env_file().get(DEFAULT_VARIABLE) or DEFAULT_KEY,
        database=database,
        execution_seconds=execution_seconds,
        team=team,
        rate_limit=rate_limit,
        lenient=lenient,
        allowed_hosts=allow_host,
        assume=dict(_assumed(one) for one in assume),
        http_answers=http_answers,
    ) as emulator:
        typer.echo(f"Dune is emulated at {emulator.url} for team {team}.", err=True)
        code = run_with(command, {DEFAULT_VARIABLE: emulator.api_key, "DUNE_API_BASE_URL": emulator.url})
    sys.exit(code)


@emulator_app.command()
def schema(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder with .sql files.")],
    declared: Annotated[
        Path | None,
        typer.Option("--schema", exists=True, dir_okay=False, help="A file of tables that are known."),
    ] = None,
) -> None:
    """Write, as YAML, the tables that a folder of SQL reads, with columns typed by how the SQL uses them.

    `start --tables FILE` makes empty tables of such a file.
    """
    from dagster_dune.cli.table_schemas import folder_schema  # noqa: PLC0415  (an extra)

    try:
        text, problems = folder_schema(folder, declared)
    except DuneError as error:
        _fail(str(error))
    typer.echo(text, nl=False)
    for problem in problems:
        typer.echo(problem, err=True)


def _assumed(text: str) -> tuple[str, str]:
    id_, equals, other = text.partition("=")
    if not equals:
        _fail(f"--assume {text}: write ID=OTHER, such as csv-null=empty.")
    return id_, other


@contextmanager
def _emulator(queries: Path | None, tables: Path | None, **settings: Any) -> Iterator[DuneEmulator]:
    """Run an emulator that answers once everything is loaded."""
    try:
        from dagster_dune.emulator.server import DuneEmulator  # noqa: PLC0415  (an extra)
    except ImportError as error:
        _fail(f"The emulator needs more packages ({error.name}): pip install 'dagster-dune[emulator]'.")
    try:
        emulator = DuneEmulator(**settings)
        emulator.start(partial(_load, queries=queries, tables=tables))
        try:
            yield emulator
        finally:
            emulator.stop()
    except DuneError as error:
        _fail(str(error))


def _load(emulator: DuneEmulator, queries: Path | None, tables: Path | None) -> None:
    if tables:
        from dagster_dune.cli.table_schemas import load_tables  # noqa: PLC0415  (an extra)

        load_tables(emulator, tables)
    if queries:
        load_folder(emulator, queries)


def load_folder(emulator: DuneEmulator, folder: Path) -> None:
    """Save a folder's queries in a running emulator, and create its matviews, which have no rows yet.

    Raises:
        DuneError: The folder is no catalog, or a matview's backing query is not known.
    """
    from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView  # noqa: PLC0415  (slow to import)

    catalog = DuneCatalog.from_directory(folder)
    if catalog.unidentified:
        raise DuneError(
            f"{catalog.unidentified[0].source} is a query without an id.", hint="Name the file <name>_<id>.sql."
        )
    for obj in catalog.with_backing_queries():
        if isinstance(obj, MaterializedView):
            if obj.query_id is None:
                raise DuneError(
                    f"The matview {obj.name} has no query id.", hint="Put it into the file's name: x_<id>.sql."
                )
            continue
        emulator.load_query(
            obj.query_id,
            obj.name or obj.slug or obj.sql_name,
            obj.sql or "",
            parameters=[
                {"key": p.key, "type": p.type, "value": p.default, "enumOptions": list(p.options)}
                for p in obj.parameters
            ],
            tags=obj.tags,
            description=obj.description,
        )
    for matview in catalog.materialized_views:
        try:
            emulator.load_materialized_view(matview.name, matview.query_id or 0)
        except DuneError as error:
            raise DuneError(f"The matview {matview.name}: {error}.", hint="Dune would not create it either.") from error


def _fail(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
