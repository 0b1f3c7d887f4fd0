"""Results for people: of an execution, of a query's latest one, or of one that is started here and waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneConnectionError, DuneRateLimitError, DuneServerError
from dagster_dune.api.models import ExecutionStatus, ExecutionSubmitted, Performance
from dagster_dune.errors import DuneConfigurationError, DuneError, DuneResultError
from dagster_dune.frames.options import Export, ReadOptions
from dagster_dune.frames.reading import ResultReader
from dagster_dune.frames.several import ResultReaders
from dagster_dune.frames.targets import target_of
from dagster_dune.frames.types.columns import ARROW_DIGITS
from dagster_dune.pipeline.states import Phase, phase_of

FIRST_POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 5.0
POLL_GROWTH = 1.5
PASSING = (DuneConnectionError, DuneRateLimitError, DuneServerError)

FrameT = TypeVar("FrameT")
_log = logging.getLogger(__name__)


class Log(Protocol):
    """What tells of an execution: a logger, Dagster's too."""

    def info(self, msg: str, *args: object) -> object:
        """Tell something."""

    def warning(self, msg: str, *args: object) -> object:
        """Tell something that may need a look."""


@dataclass(frozen=True)
class Waiting:
    """How an execution is waited for. All times are in seconds.

    Attributes:
        max_poll_interval: Between two status requests, after a while.
        failure_tolerance: How long status requests may fail before waiting ends.
        timeout: How long it may take before it is cancelled; any time if None.
    """

    max_poll_interval: float = MAX_POLL_SECONDS
    failure_tolerance: float = 600.0
    timeout: float | None = None


@dataclass(frozen=True)
class DuneResult:
    """An execution that has completed; its rows are read when they are asked for.

    Attributes:
        execution_id: The execution.
        credits: What it cost; None where Dune does not say.
        status: All that Dune says of it.
    """

    execution_id: str
    credits: float | None
    status: ExecutionStatus
    client: DuneApiClient

    @overload
    def read(self, as_: type[FrameT], **options: Any) -> FrameT: ...

    @overload
    def read(self, as_: str = ..., **options: Any) -> Any: ...

    def read(self, as_: Any = "arrow", **options: Any) -> Any:
        """Read the rows; see `get_result` for what can be asked for."""
        return get_result(self.client, self.execution_id, as_=as_, **options)


def get_result(
    client: DuneApiClient,
    execution_id: str | Sequence[str] | None = None,
    *,
    query_id: int | None = None,
    as_: Any = "arrow",
    log: Log | None = None,
    on_export: Callable[[Export], None] | None = None,
    **options: Any,
) -> Any:
    """Read the rows of an execution, or of the latest one of a query, as a frame. Exports are charged by size.

    See docs/data.md for the types of the columns, and ReadOptions for all options.

    Args:
        client: A client of Dune's API.
        execution_id: An execution that has completed, or several with the same columns, whose rows follow each other.
        query_id: A query, in place of an execution.
        as_: What to return: ``pl.DataFrame``, ``pl.LazyFrame``, ``pa.Table``, ``pa.RecordBatchReader``,
            ``pd.DataFrame``, ``duckdb.DuckDBPyRelation``, or one of the words polars, polars_lazy, arrow,
            arrow_stream, pandas, duckdb.
        log: Where rows and bytes are told.
        on_export: Called with what has been read, when all of it has.
        options: ``columns``, ``filters``, ``sort_by``, ``limit``, ``sample``, ``uint256``, ``timestamps``, ``exact``,
            ``max_bytes``, ``allow_partial_results``, ``concurrency``, ``wire``.

    Returns:
        The frame. A ``RecordBatchReader`` reads while it is read from; the client must stay open as long.

    Raises:
        DuneResultError: There is no result to read, a page is not what it must be, or a value does not fit its type.
        DuneConfigurationError: An option is none, or the package of the frame is not installed.
        DuneApiError: Dune could not be asked.
    """
    target = target_of(as_)
    reader = open_reader(client, execution_id, query_id=query_id, digits=target.digits, **options)
    log = log or _log
    expected, size = reader.expected_rows, reader.export.total_bytes
    log.info("Reading %s: %s rows, %s bytes in all.", reader.name, _figure(expected), _figure(size))

    def batches() -> Iterator[pa.RecordBatch]:
        yield from reader.batches()
        export = reader.export
        log.info("Read %s rows of %s, %s bytes.", f"{export.rows:,}", reader.name, f"{export.bytes:,}")
        if export.extra_bytes:
            words = "%s bytes of them told NULL from the text '<nil>'; exact=False saves them."
            log.info(words, f"{export.extra_bytes:,}")
        if on_export:
            on_export(export)

    return target.build(reader.schema, batches())


def _figure(number: int | None) -> str:
    return "an unknown number of" if number is None else f"{number:,}"


def open_reader(
    client: DuneApiClient,
    execution_id: str | Sequence[str] | None = None,
    *,
    query_id: int | None = None,
    digits: int = ARROW_DIGITS,
    on_progress: Callable[[Export], None] | None = None,
    **options: Any,
) -> ResultReader | ResultReaders:
    """Find a result, and return what reads it as record batches; see `get_result`."""
    if (execution_id is None) == (query_id is None):
        raise DuneConfigurationError("Give an execution_id or a query_id, one of them.")
    try:
        chosen = ReadOptions(**options)
    except TypeError as error:
        known = ", ".join(ReadOptions.__dataclass_fields__)
        raise DuneConfigurationError(f"{error}.", hint=f"Options of reading are {known}.") from error
    if execution_id is None:
        execution_id = _latest_execution(client, int(query_id or 0))
    if not isinstance(execution_id, str) and len(execution_id) == 1:
        execution_id = execution_id[0]
    if isinstance(execution_id, str):
        return ResultReader(client, execution_id, chosen, digits=digits, on_progress=on_progress)
    return ResultReaders(client, execution_id, chosen, digits=digits, on_progress=on_progress)


def _latest_execution(client: DuneApiClient, query_id: int) -> str:
    latest = client.get_query_results(query_id, limit=1)
    if not latest.execution_id:
        raise DuneResultError(f"Dune names no execution for the latest result of query {query_id}.")
    return latest.execution_id


def run_query(
    client: DuneApiClient,
    query_id: int,
    parameters: Mapping[str, Any] | None = None,
    *,
    performance: Performance | None = None,
    waiting: Waiting | None = None,
    log: Log | None = None,
) -> DuneResult:
    """Execute a saved query and wait for it. Charged for; sent once, and cancelled where waiting is interrupted.

    Args:
        client: A client of Dune's API.
        query_id: The query.
        parameters: Values of its parameters; Dune's saved defaults if None.
        performance: The engine tier; the plan's default if None.
        waiting: How it is waited for.
        log: Where the execution and its credits are told.

    Returns:
        The result, of which nothing has been read yet.

    Raises:
        AmbiguousSubmission: Dune may have started it; it was not sent again.
        DuneResultError: It failed, was cancelled, or took longer than it may.
    """
    return _run(
        client,
        f"query {query_id}",
        lambda: client.execute_query(query_id, performance, parameters),
        waiting or Waiting(),
        log or _log,
    )


def run_sql(
    client: DuneApiClient,
    sql: str,
    *,
    performance: Performance | None = None,
    waiting: Waiting | None = None,
    log: Log | None = None,
) -> DuneResult:
    """Execute SQL that is not saved and wait for it; see `run_query`."""
    return _run(client, "the SQL", lambda: client.execute_sql(sql, performance), waiting or Waiting(), log or _log)


def _run(
    client: DuneApiClient, name: str, send: Callable[[], ExecutionSubmitted], waiting: Waiting, log: Log
) -> DuneResult:
    execution_id = _sent(client, name, send, log)
    log.info("Dune executes %s as %s.", name, execution_id)
    try:
        status = _ended(client, name, execution_id, waiting)
    except DuneError:
        raise
    except BaseException:  # an interrupt, or Dagster's termination, which is no Exception
        _cancel(client, name, execution_id, log)
        raise
    phase = phase_of(status.state)
    if not phase.is_success:
        raise DuneResultError(_failure(name, execution_id, status))
    cost = status.execution_cost_credits
    log.info("%s has completed as %s, for %s credits.", name, execution_id, "unknown" if cost is None else f"{cost:g}")
    if phase is Phase.PARTIAL:
        log.warning("Dune has cut the result of %s short; allow_partial_results=True reads what there is.", name)
    return DuneResult(execution_id, cost, status, client)


def _sent(client: DuneApiClient, name: str, send: Callable[[], ExecutionSubmitted], log: Log) -> str:
    """Send a request in a thread of its own, so that no interrupt falls between it and the id that it is known by."""
    with ThreadPoolExecutor(1, thread_name_prefix="dune-submission") as thread:
        submission = thread.submit(send)
        try:
            return submission.result().execution_id
        except Exception:
            raise
        except BaseException:
            wait([submission])
            if submission.exception() is None:
                _cancel(client, name, submission.result().execution_id, log)
            raise


def _ended(client: DuneApiClient, name: str, execution_id: str, waiting: Waiting) -> ExecutionStatus:
    begun = answered = time.monotonic()
    pause = min(FIRST_POLL_SECONDS, waiting.max_poll_interval)
    while True:
        try:
            status = client.get_execution_status(execution_id)
            answered = time.monotonic()
            if phase_of(status.state).has_ended:
                return status
        except PASSING as error:
            if time.monotonic() - answered > waiting.failure_tolerance:
                raise DuneResultError(
                    f"The status of execution {execution_id} of {name} could not be read for "
                    f"{waiting.failure_tolerance:g} s: {error}",
                    hint="It may go on running on Dune. get_result reads it by its id once it has completed.",
                ) from error
        if waiting.timeout is not None and time.monotonic() - begun > waiting.timeout:
            with suppress(DuneError):
                client.cancel_execution(execution_id)
            raise DuneResultError(
                f"Execution {execution_id} of {name} took longer than {waiting.timeout:g} s and was cancelled."
            )
        time.sleep(pause)
        pause = min(pause * POLL_GROWTH, waiting.max_poll_interval)


def _cancel(client: DuneApiClient, name: str, execution_id: str, log: Log) -> None:
    try:
        client.cancel_execution(execution_id)
    except DuneError as error:
        log.warning("Execution %s of %s may go on running, it could not be cancelled. %s", execution_id, name, error)
    else:
        log.info("Cancelled execution %s of %s.", execution_id, name)


def _failure(name: str, execution_id: str, status: ExecutionStatus) -> str:
    error = status.error
    words = f": {error.message}" if error and error.message else ""
    place = error.metadata if error else None
    where = f" (line {place.line}, column {place.column})" if place and place.line is not None else ""
    cost = status.execution_cost_credits
    charged = "" if cost is None else f" It cost {cost:g} credits."
    state = phase_of(status.state).value
    return f"Execution {execution_id} of {name} is {state}{words}{where}.{charged}"
