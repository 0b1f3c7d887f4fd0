"""`DuneEmulator`: starts, loads, observes and stops a local Dune."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from dagster_dune.cassettes.cassette import Cassette
from dagster_dune.emulator.engine.http_answers import answers_of, read_answers
from dagster_dune.emulator.engine.loaded_tables import read_file
from dagster_dune.emulator.engine.statements import interrupts
from dagster_dune.emulator.execution.execution import ResultLimits
from dagster_dune.emulator.execution.limits import ResourceLimits
from dagster_dune.emulator.faults.assumptions import Assumed
from dagster_dune.emulator.faults.rules import Rule
from dagster_dune.emulator.http.auth import Access
from dagster_dune.emulator.http.journal import Journal
from dagster_dune.emulator.http.rate_limits import LIMITS, WINDOW_SECONDS, RateLimit, RateLimiter
from dagster_dune.emulator.http.server_thread import ServerThread, listen
from dagster_dune.emulator.http.state import ServerState
from dagster_dune.emulator.local_dune import LocalDune
from dagster_dune.emulator.requests import BodyT, NewQuery, RequestError, UpsertMaterializedView, first_problem
from dagster_dune.errors import DuneConfigurationError

DEFAULT_API_KEY = "emulator-key"


class DuneEmulator:
    """A local Dune: the HTTP API of dune.com over real SQL on DuckDB. Use it as a context manager.

    It listens on this machine's loopback, unless another host is named. Every request needs the key, and a ``Host``
    that is this server's; those that another web page sends are refused. Its own endpoints under ``/_emulator/`` answer
    clients on this machine alone.

    Args:
        host: The address to listen on; ``"0.0.0.0"`` lets every machine in.
        port: The port to listen on; 0 takes a free one.
        api_key: The key that clients must send.
        database: The DuckDB file that keeps everything but journal and faults from one start to the next; in memory
            if None.
        execution_seconds: The least time that an execution takes, unless its SQL does not even compile.
        team: The handle of the team that owns everything.
        workers: How many executions run at once.
        rate_limit: The plan whose limits of requests per minute hold: ``"free"``, ``"plus"``, or ``"none"``.
        rate_limit_seconds: How long a minute of these limits is, for tests that do not wait for a real one.
        rate_limit_headers: Whether answers tell what is left of them in ``X-RateLimit-*``. Dune's Go client reads these
            headers, and no page of Dune shows them: without, a client learns from 429 alone.
        result_seconds: How long the rows of an execution can be read; on Dune, 90 days.
        max_result_bytes: The size beyond which the rows of an execution are cut off; on Dune, 32 GB.
        max_execution_seconds: How long the SQL of an execution may run; on Dune, 30 minutes.
        max_execution_bytes: How much memory one execution may take.
        max_bytes: How much memory all executions together may take.
        lenient: Whether bodies may have fields that the emulator does not know, as on Dune. It refuses them otherwise,
            so that a client's slip shows.
        allowed_hosts: More names by which clients call this server, where it listens on more than loopback.
        assume: What to be instead of what is assumed of Dune, by the ids of docs/assumptions.md, such as
            ``{"csv-null": "empty"}``; docs/doctor.md has all others.
        http_answers: What `http_get` and `http_post` of SQL give: texts, or what becomes JSON, by their URLs, or a YAML
            file of them. SQL of the local Dune reaches no network.
        cassette: A file that ``dagster-dune record`` made, to answer from; any key will do then. See docs/testing.md.
        strict: Whether a request that the cassette does not have is an error, and not answered by the local Dune.

    Raises:
        DuneConfigurationError: A setting is wrong, or the address cannot be listened on.

    Examples:
        >>> with DuneEmulator() as dune:
        ...     dune.load_query(1, "one", "SELECT 1 AS one")
        ...     dune.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = DEFAULT_API_KEY,
        database: Path | None = None,
        execution_seconds: float = 0.0,
        team: str = "acme",
        workers: int = 16,
        rate_limit: RateLimit = "none",
        rate_limit_seconds: float = WINDOW_SECONDS,
        rate_limit_headers: bool = True,
        result_seconds: float = ResultLimits.seconds,
        max_result_bytes: int = ResultLimits.max_bytes,
        max_execution_seconds: float = ResourceLimits.seconds,
        max_execution_bytes: int = ResourceLimits.bytes_each,
        max_bytes: int = ResourceLimits.bytes_in_all,
        lenient: bool = False,
        allowed_hosts: Sequence[str] = (),
        assume: Mapping[str, str] | None = None,
        http_answers: Mapping[str, object] | str | PathLike[str] | None = None,
        cassette: str | PathLike[str] | None = None,
        strict: bool = True,
    ) -> None:
        if not api_key.strip():
            raise DuneConfigurationError("The emulator's API key is empty.", hint="Leave it out to take the default.")
        if not re.fullmatch(r"[a-z0-9_-]+", team):
            raise DuneConfigurationError(
                f"{team!r} is no team handle.", hint="Use lower-case letters, digits, _ and - alone."
            )
        if execution_seconds < 0 or workers < 1:
            raise DuneConfigurationError("execution_seconds must not be negative, and workers must be at least 1.")
        if rate_limit not in LIMITS:
            raise DuneConfigurationError(
                f"There are no rate limits of a plan {rate_limit!r}.", hint=f"Choose one of {', '.join(LIMITS)}."
            )
        if result_seconds <= 0 or max_result_bytes < 1:
            raise DuneConfigurationError("result_seconds and max_result_bytes must be positive.")
        if max_execution_seconds <= 0 or not 1 <= max_execution_bytes <= max_bytes:
            raise DuneConfigurationError(
                "max_execution_seconds and max_execution_bytes must be positive, and max_bytes no less than the latter."
            )
        self._assumed = Assumed(assume or {})
        self._http_answers = _http_answers(http_answers)
        self._cassette = None if cassette is None else Cassette.read(Path(cassette))
        self._is_strict = strict
        self.host = host
        self.port = port
        self.api_key = api_key
        self.team = team
        self._database = database
        self._execution_seconds = execution_seconds
        self._workers = workers
        self._rate_limit = rate_limit
        self._rate_limit_seconds = rate_limit_seconds
        self._shows_rate_limit_headers = rate_limit_headers
        self._result_limits = ResultLimits(max_result_bytes, result_seconds)
        self._resource_limits = ResourceLimits(max_execution_seconds, max_execution_bytes, max_bytes)
        self._is_lenient = lenient
        self._allowed_hosts = frozenset(name.lower() for name in allowed_hosts)
        self._server: ServerThread | None = None

    def __repr__(self) -> str:
        return f"DuneEmulator(url={self.url!r}, team={self.team!r})"

    def __enter__(self) -> DuneEmulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self, prepare: Callable[[DuneEmulator], None] | None = None) -> None:
        """Start the server, and return when it answers requests.

        Args:
            prepare: Called before the first request is answered, to load data; requests wait meanwhile.
        """
        listener = listen(self.host, self.port)
        try:
            with interrupts():
                dune = LocalDune(
                    database=self._database,
                    execution_seconds=self._execution_seconds,
                    workers=self._workers,
                    team=self.team,
                    result_limits=self._result_limits,
                    resource_limits=self._resource_limits,
                    assumed=self._assumed,
                    http_answers=self._http_answers,
                )
        except BaseException:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        state = ServerState(
            dune,
            Access(self.api_key, self.host, self._allowed_hosts),
            Journal(self.api_key),
            RateLimiter(self._rate_limit, window_seconds=self._rate_limit_seconds),
            self._is_lenient,
            self._shows_rate_limit_headers,
            self._cassette,
            self._is_strict,
        )
        self._server = ServerThread(state, listener)
        try:
            if prepare:
                prepare(self)
        except BaseException:
            self.stop()
            raise
        self._running.call(state.is_ready.set)

    def stop(self) -> None:
        """Stop all executions and the server. All threads have ended when this returns."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def journal(self) -> list[dict[str, Any]]:
        """Return all requests since the last reset: method, path, status, at, body; never the key."""
        return self._state.journal.entries()

    def executions(self) -> list[dict[str, Any]]:
        """Return all executions that were submitted since the last reset, the oldest first.

        Each has its ``execution_id``, ``query_id`` (0 for SQL that is not saved), ``materialized_view`` (the full name,
        or None), ``parameters``, ``state``, and the ``pipeline_execution_id`` of the pipeline that started it, or None.
        """
        return self._state.dune.executions.overview()

    def inject(
        self, kind: str, *, method: str = "*", path: str = "*", times: int | None = 1, after: int = 0, **settings: Any
    ) -> None:
        """Inject a fault into future requests or executions.

        Args:
            kind: ``status``, ``reset``, ``delay``, ``truncated`` or ``malformed`` for a request; ``young_pipeline``,
                ``wrong_word``, ``lost_node`` or ``null_nodes`` for the status of a pipeline; ``stuck_node``,
                ``held_node``, ``slow_node`` or ``failing_node`` for an execution.
            method: The method of the requests, any if it is ``"*"``. Only for faults of requests.
            path: A pattern for the path of the requests, in which ``*`` matches any text. Only for faults of requests.
            times: How often the fault is applied; always if None.
            after: The number of matching requests or executions before the first that it is applied to.
            settings: The settings of the kind: see docs/emulator.md.

        Raises:
            RequestError: There is no such kind, or it has no such setting.
        """
        given = {name: value for name, value in (("method", method), ("path", path)) if value != "*"}
        rule = _body(Rule, **given, times=times, after=after, fault={"kind": kind, **settings})
        self._running.call(partial(self._state.dune.faults.inject, rule))

    def hold(self, node: int | str, *, times: int | None = None) -> None:
        """Hold the executions of a node, in pipelines or on their own: each starts, and continues after `release`.

        So a test of an order needs no clock: it holds the node that is to be late, waits with `wait_until_held` or for
        what it expects meanwhile, and releases the node. A held execution can be cancelled, and occupies a worker.

        Args:
            node: A query's id, or a matview's full name.
            times: The number of executions that are held; all until `release` if None.

        Examples:
            >>> from dagster_dune import DuneApiClient
            >>> with DuneEmulator() as dune, DuneApiClient(dune.api_key, dune.url) as client:
            ...     dune.load_query(1, "one", "SELECT 1 AS one")
            ...     dune.hold(1)
            ...     execution = client.execute_query(1).execution_id
            ...     dune.wait_until_held(1)
            ...     print(client.get_execution_status(execution).state)
            ...     dune.release(1)
            QUERY_STATE_EXECUTING
        """
        self.inject("held_node", node=node, times=times)

    def wait_until_held(self, node: int | str, *, executions: int = 1, timeout: float = 60.0) -> None:
        """Wait until executions of a node are held: they have started, and wait for `release`.

        Args:
            node: The node, as for `hold`.
            executions: The number of executions that must be held at the same time.
            timeout: The maximum time to wait in seconds.

        Raises:
            TimeoutError: Fewer executions were held in that time.
        """
        wait = partial(self._state.dune.faults.wait_until_held, node, executions)
        try:
            self._running.call(wait, timeout)
        except TimeoutError:
            raise TimeoutError(
                f"In {timeout:g} seconds, {executions} executions of {node!r} were never held at once."
            ) from None

    def release(self, node: int | str | None = None) -> None:
        """Let held executions continue, and hold no further ones.

        Args:
            node: The node, as for `hold`; all nodes if None.
        """
        self._running.call(partial(self._state.dune.faults.release, node))

    def faults(self) -> list[dict[str, Any]]:
        """Return all injected faults, each with the number of its ``matches`` and of its applications, ``struck``."""
        return self._state.dune.faults.rules()

    def clear_faults(self) -> None:
        """Remove all injected faults. Delayed requests lose their connections, held executions continue."""
        self._running.call(self._state.dune.faults.clear)

    def reset(self) -> None:
        """Stop all executions, and restore an empty account with the sample tables, without journal and faults."""
        self._running.call(self._state.reset)

    def load_query(
        self,
        query_id: int,
        name: str,
        sql: str,
        *,
        parameters: Sequence[Mapping[str, Any]] = (),
        tags: Sequence[str] = (),
        is_private: bool = False,
        description: str | None = None,
    ) -> None:
        """Save a query under a given id, in place of an existing one.

        Args:
            query_id: A positive number.
            name: The title.
            sql: The SQL.
            parameters: The parameters as in Dune's API: ``{"key": "day", "type": "datetime", "value": "2026-01-01"}``.
            tags: The tags.
            is_private: Whether only the team may read it.
            description: The description.

        Raises:
            RequestError: Dune would refuse to save it.
        """
        if query_id < 1:
            raise RequestError(400, f"A query's id is a positive number, not {query_id}")
        fields = _body(
            NewQuery,
            name=name,
            query_sql=sql,
            parameters=[dict(parameter) for parameter in parameters],
            tags=list(tags),
            is_private=is_private,
            description=description,
        )
        self._running.call(partial(self._state.dune.account.save_query, fields, query_id))

    def load_materialized_view(self, name: str, query_id: int, *, is_private: bool = False) -> None:
        """Create a matview without refreshing it, so that it has no rows yet.

        Args:
            name: The full name, ``dune.<team>.result_<name>``.
            query_id: The query of the matview.
            is_private: Whether only the team may read it.

        Raises:
            RequestError: The name is not of this team or not of Dune's form, there is no such query, or it is one that
                cannot back a matview: temporary, archived, or with parameters.
        """
        prefix = f"dune.{self.team}."
        if not name.startswith(prefix):
            raise RequestError(400, f"{name!r} is no table of the emulator's team: write {prefix}result_<name>")
        fields = _body(UpsertMaterializedView, name=name.removeprefix(prefix), query_id=query_id, is_private=is_private)
        self._running.call(partial(self._state.dune.account.save_materialized_view, fields))

    def load_table(
        self,
        name: str,
        rows: Iterable[Mapping[str, Any]] | str | PathLike[str],
        *,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """Create a table of any name, in place of an existing one, which exists until the next reset.

        Args:
            name: Such as ``"ethereum.logs"`` or ``"uniswap_v3_ethereum.Factory_evt_PoolCreated"``.
            rows: A mapping a row, from column to Python value, where None or nothing is NULL; or a file: ``.csv`` with
                a header, ``.ndjson`` or ``.parquet``.
            columns: The Trino types of columns, such as ``{"amount": "uint256", "topics": "array(varchar)"}``. Those of
                the others are told by their values; a CSV file's are varchar.

        Raises:
            SqlError: The file cannot be read, a value does not fit its column, or there is no column at all.

        Examples:
            >>> with DuneEmulator() as dune:
            ...     dune.load_table("ethereum.traces", [{"block_number": 1, "success": True}])
            ...     dune.load_table("nobody.nothing", [], columns={"hash": "varbinary"})
        """
        declared = dict(columns or {})
        if isinstance(rows, str | PathLike):
            read, types = read_file(Path(rows))
            declared |= {column: type_ for column, type_ in types.items() if column not in declared}
        else:
            read = [dict(row) for row in rows]
        self._running.call(partial(self._state.dune.load_table, name, read, declared))

    def load_endpoint(self, slug: str, query_id: int) -> None:
        """Create a custom endpoint, which on Dune only the web app can create.

        Args:
            slug: Its name in the URL, ``/v1/endpoints/<team>/<slug>/results``.
            query_id: The query whose latest result it returns.

        Raises:
            RequestError: There is no such query, or the slug is none.
        """
        if not re.fullmatch(r"[a-z0-9_-]+", slug):
            raise RequestError(400, f"{slug!r} is no slug: use lower-case letters, digits, _ and - alone")
        self._running.call(partial(self._state.dune.account.save_endpoint, slug, query_id))

    @property
    def _state(self) -> ServerState:
        return self._running.state

    @property
    def _running(self) -> ServerThread:
        if self._server is None:
            raise DuneConfigurationError("The emulator is not running.", hint="Use it in a with block, or call start.")
        return self._server


def _http_answers(given: Mapping[str, object] | str | PathLike[str] | None) -> dict[str, str]:
    if given is None or isinstance(given, Mapping):
        return answers_of(given or {}, "http_answers")
    return read_answers(Path(given))


def _body(model: type[BodyT], **fields: Any) -> BodyT:
    """Validate values from Python in the same way as the body of a request."""
    try:
        return model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error
