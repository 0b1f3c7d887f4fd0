"""`DuneEmulator`: a local Dune on a real port."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from dagster_dune.emulator.engine import tables
from dagster_dune.emulator.engine.tables import TableColumn
from dagster_dune.emulator.execution.execution import ResultLimits
from dagster_dune.emulator.faults.rules import Rule
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

    It listens on this machine's loopback, unless another host is named. Its own endpoints under ``/_emulator/`` need
    no key, but answer clients on this machine alone.

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
        result_seconds: How long the rows of an execution can be read; on Dune, 90 days.
        max_result_bytes: The size beyond which the rows of an execution are cut off; on Dune, 8 GB.

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
        result_seconds: float = ResultLimits.seconds,
        max_result_bytes: int = ResultLimits.max_bytes,
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
        self.host = host
        self.port = port
        self.api_key = api_key
        self.team = team
        self._database = database
        self._execution_seconds = execution_seconds
        self._workers = workers
        self._rate_limit = rate_limit
        self._rate_limit_seconds = rate_limit_seconds
        self._result_limits = ResultLimits(max_result_bytes, result_seconds)
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

    def start(self) -> None:
        """Listen, and return once requests are answered."""
        listener = listen(self.host, self.port)
        try:
            dune = LocalDune(
                database=self._database,
                execution_seconds=self._execution_seconds,
                workers=self._workers,
                team=self.team,
                result_limits=self._result_limits,
            )
        except BaseException:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        state = ServerState(
            dune,
            self.api_key,
            Journal(self.api_key),
            RateLimiter(self._rate_limit, window_seconds=self._rate_limit_seconds),
        )
        self._server = ServerThread(state, listener)

    def stop(self) -> None:
        """Stop every execution and the server; no thread is left when this returns."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def journal(self) -> list[dict[str, Any]]:
        """Return every request since the last reset: method, path, status, at, body; never the key."""
        return self._state.journal.entries()

    def executions(self) -> list[dict[str, Any]]:
        """Return every execution that was submitted since the last reset, the oldest first.

        Each has its ``execution_id``, ``query_id`` (0 for SQL that is not saved), ``materialized_view`` (the full name,
        or None), ``parameters``, ``state``, and the ``pipeline_execution_id`` of the pipeline that started it, or None.
        """
        return self._state.dune.executions.overview()

    def inject(
        self, kind: str, *, method: str = "*", path: str = "*", times: int | None = 1, after: int = 0, **settings: Any
    ) -> None:
        """Let something go wrong with requests or executions to come.

        Args:
            kind: ``status``, ``reset``, ``delay``, ``truncated`` or ``malformed`` for a request; ``young_pipeline``,
                ``wrong_word``, ``lost_node`` or ``null_nodes`` for the status of a pipeline; ``stuck_node``,
                ``held_node``, ``slow_node`` or ``failing_node`` for an execution.
            method: The requests' method, any if it is ``"*"``. It counts for requests alone.
            path: A pattern for the requests' path, in which ``*`` stands for any text. It counts for requests alone.
            times: How often it strikes; always if None.
            after: How many matching requests or executions it lets pass before.
            settings: What the kind takes: see docs/emulator.md.

        Raises:
            RequestError: There is no such kind, or it takes no such setting.
        """
        given = {name: value for name, value in (("method", method), ("path", path)) if value != "*"}
        rule = _body(Rule, **given, times=times, after=after, fault={"kind": kind, **settings})
        self._running.call(partial(self._state.dune.faults.inject, rule))

    def hold(self, node: int | str, *, times: int | None = None) -> None:
        """Hold the executions of a node, in pipelines or on their own: each starts, and goes on after `release`.

        A test that judges an order needs no clock: it holds the node that is to be late, waits with `wait_until_held`
        or for what it expects meanwhile, and releases it. A held execution can be cancelled, and takes up a worker.

        Args:
            node: A query's id, or a matview's full name.
            times: How many executions are held; all of them until `release` if None.

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
        """Return once executions of a node are held: they have started, and nothing is done before `release`.

        Args:
            node: As given to `hold`.
            executions: How many must be held at the same time.
            timeout: The seconds after which it gives up.

        Raises:
            TimeoutError: Fewer were held.
        """
        wait = partial(self._state.dune.faults.wait_until_held, node, executions)
        try:
            self._running.call(wait, timeout)
        except TimeoutError:
            raise TimeoutError(
                f"In {timeout:g} seconds, {executions} executions of {node!r} were never held at once."
            ) from None

    def release(self, node: int | str | None = None) -> None:
        """Let held executions go on, and hold no more of them.

        Args:
            node: As given to `hold`; those of every node if None.
        """
        self._running.call(partial(self._state.dune.faults.release, node))

    def faults(self) -> list[dict[str, Any]]:
        """Return every rule in force, with the number of its ``matches`` and how often it ``struck``."""
        return self._state.dune.faults.rules()

    def clear_faults(self) -> None:
        """Forget every rule. Requests that are being delayed lose their connection; held executions go on."""
        self._running.call(self._state.dune.faults.clear)

    def reset(self) -> None:
        """Stop everything, and go back to an empty account over the sample tables, without journal and faults."""
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
        """Save a query under an id of the caller's choice; what was there is replaced.

        Args:
            query_id: A positive number.
            name: What people call it.
            sql: DuneSQL.
            parameters: As Dune's API writes them: ``{"key": "day", "type": "datetime", "value": "2026-01-01"}``.
            tags: Labels.
            is_private: Whether only the team may read it.
            description: What it is for.

        Raises:
            RequestError: Dune would not save it.
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
            query_id: The query that makes its rows.
            is_private: Whether only the team may read it.

        Raises:
            RequestError: The name is not of this team, or there is no such query.
        """
        prefix = f"dune.{self.team}."
        if not name.startswith(prefix):
            raise RequestError(400, f"{name!r} is no table of the emulator's team: write {prefix}result_<name>")
        fields = _body(UpsertMaterializedView, name=name.removeprefix(prefix), query_id=query_id, is_private=is_private)
        self._running.call(partial(self._state.dune.account.save_materialized_view, fields))

    def load_table(self, name: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]] = ()) -> None:
        """Create a table of any name, in place of the one that had it; queries read it like one of Dune's.

        Args:
            name: Such as ``ethereum.logs``, or ``uniswap_v3_ethereum.Factory_evt_PoolCreated``.
            columns: The Trino type of each column by its name.
            rows: A value for each column by its name, None for NULL; bytes as ``0x`` and hexadecimal digits.
                Columns of arrays, maps and rows take NULL alone.

        Raises:
            SqlError: A type is none of Trino's, or a value does not fit its column.
        """
        given = [TableColumn(column, type_.strip().lower()) for column, type_ in columns.items()]
        records = [{column: _as_record(row.get(column)) for column in columns} for row in rows]

        def change(cursor: Any, table: str) -> None:
            tables.create_typed(cursor, table, given)
            if records:
                tables.insert(cursor, table, given, records)

        self._state.dune.engine.change(name, change)

    def load_endpoint(self, slug: str, query_id: int) -> None:
        """Create a custom endpoint, which on Dune the web app alone can.

        Args:
            slug: Its name in the URL, ``/v1/endpoints/<team>/<slug>/results``.
            query_id: The query whose latest result it answers with.

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


def _as_record(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _body(model: type[BodyT], **fields: Any) -> BodyT:
    """Check values that come from Python exactly as if they had come in a request."""
    try:
        return model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        raise RequestError(400, first_problem(error)) from error
