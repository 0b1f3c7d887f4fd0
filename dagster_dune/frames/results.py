"""Reads results as frames: of an execution, of the latest one of a query, or of one that is started here."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Never, TypeVar, overload

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.endpoints.base import query_number
from dagster_dune.api.models import ExecutionStatus, ExecutionSubmitted, Performance
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.executing import Log, OnEnd, Waiting, execute
from dagster_dune.frames.result_reader import ResultReader
from dagster_dune.frames.several import ResultReaders
from dagster_dune.frames.targets import target_of
from dagster_dune.frames.types.columns import ARROW_DIGITS
from dagster_dune.paging.options import Export, ReadOptions, check_known, options_from, refuse_parameters

FrameT = TypeVar("FrameT")
_EXECUTING = ("performance", "waiting", "log", "on_end")
_log = logging.getLogger(__name__)

__all__ = ["DuneResult", "Log", "Waiting", "get_result", "open_reader", "run_query", "run_sql"]


@dataclass(frozen=True)
class DuneResult:
    """An execution that has completed; its rows are read when they are asked for.

    It holds no connection open where it comes from a `DuneResource`: each reading has a client of its own. Where it is
    stored, as what an op returns is, it is without one, and so without a key.

    Attributes:
        execution_id: The execution.
        credits: What it cost; None where Dune does not say.
        status: All that Dune says of it.
        client: What it is read with; None after it was stored. Unless
        open_client: makes a client for each reading, which closes it.
    """

    execution_id: str
    credits: float | None
    status: ExecutionStatus
    client: DuneApiClient | None
    open_client: Callable[[], DuneApiClient] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "client": None, "open_client": None}

    @overload
    def read(self, as_: type[FrameT], **options: Any) -> FrameT: ...

    @overload
    def read(self, as_: str = ..., **options: Any) -> Any: ...

    def read(self, as_: Any = "arrow", **options: Any) -> Any:
        """Read the rows; see `get_result` for what can be asked for.

        Raises:
            DuneConfigurationError: It was stored, and has nothing to be read with.
        """
        if self.open_client is not None:
            return get_result(self.open_client(), self.execution_id, as_=as_, closes_client=True, **options)
        if self.client is None:
            raise DuneConfigurationError(
                f"The result of execution {self.execution_id} was stored, or copied, which it is without a key.",
                hint="Read it by its id, with the get_client() of a DuneResource: "
                "get_result(client, result.execution_id) of dagster_dune.frames.results.",
            )
        return get_result(self.client, self.execution_id, as_=as_, **options)


def get_result(
    client: DuneApiClient,
    execution_id: str | Sequence[str] | None = None,
    *,
    query_id: int | None = None,
    as_: Any = "arrow",
    log: Log | None = None,
    on_begin: Callable[[int | None, int | None], None] | None = None,
    on_export: Callable[[Export], None] | None = None,
    closes_client: bool = False,
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
        on_begin: Called with the rows that will come and the bytes of the whole result, before the first page; each is
            None where it is not known.
        on_export: Called with what has been read, when all of it has.
        closes_client: Whether the client is closed when all has been read, or reading has failed.
        options: ``columns``, ``filters``, ``sort_by``, ``limit``, ``sample``, ``uint256``, ``timestamps``, ``exact``,
            ``max_bytes``, ``allow_partial_results``, ``concurrency``, ``wire``.

    Returns:
        The frame. A ``RecordBatchReader`` reads while it is read from; the client must stay open as long.

    Raises:
        DuneResultError: There is no result to read, a page is not what it must be, or a value does not fit its type.
        DuneConfigurationError: An option is none, or the package of the frame is not installed.
        DuneApiError: Dune could not be asked.
    """
    with ExitStack() as stack:
        if closes_client:
            stack.callback(client.close)
        target = target_of(as_)
        target.check_installed()
        reader = open_reader(client, execution_id, query_id=query_id, digits=target.digits, **options)
        log = log or _log
        expected, size = reader.expected_rows, reader.export.total_bytes
        log.info("Reading %s: %s rows, %s bytes in all.", reader.name, _figure(expected), _figure(size))
        if on_begin:
            on_begin(expected, size)
        resources = stack.pop_all()
    batches = _logged(reader, log, on_export, resources)
    weakref.finalize(batches, resources.close)  # a stream may never be read
    return target.build(reader.schema, batches)


def _logged(
    reader: ResultReader | ResultReaders, log: Log, on_export: Callable[[Export], None] | None, resources: ExitStack
) -> Iterator[pa.RecordBatch]:
    """Read the rows, log how much was read, and close the resources after the last row."""
    with resources:
        yield from reader.batches()
    export = reader.export
    log.info("Read %s rows of %s, %s bytes.", f"{export.rows:,}", reader.name, f"{export.bytes:,}")
    if export.extra_bytes:
        message = "%s bytes of them told NULL from the text '<nil>'; exact=False saves them."
        log.info(message, f"{export.extra_bytes:,}")
    if on_export:
        on_export(export)


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
    """Find a result, and return a reader of its record batches; see `get_result`."""
    if (execution_id is None) == (query_id is None):
        raise DuneConfigurationError("Give an execution_id or a query_id, one of them.")
    chosen = options_from(ReadOptions, options, "reading")
    if execution_id is None:
        execution_id = _latest_execution(client, query_number(query_id))
    _check_ids(execution_id)
    if not isinstance(execution_id, str) and len(execution_id) == 1:
        execution_id = execution_id[0]
    if isinstance(execution_id, str):
        return ResultReader(client, execution_id, chosen, digits=digits, on_progress=on_progress)
    return ResultReaders(client, execution_id, chosen, digits=digits, on_progress=on_progress)


def check_reading(as_: Any, options: Mapping[str, Any]) -> None:
    """Check how a result is to be read, before the execution is started and charged for.

    Args:
        as_: The type of the frame; None if the result is not read at once.
        options: The options of `ReadOptions`.

    Raises:
        DuneConfigurationError: There is no such target or option, a package is missing, or an option has no effect.
    """
    options_from(ReadOptions, options, "reading")
    if as_ is not None:
        target_of(as_).check_installed()
    elif options:
        raise DuneConfigurationError(
            f"{next(iter(options))} is an option of reading, and without as_ nothing is read.",
            hint="Name as_, or give it to read() of the DuneResult.",
        )


def _check_ids(execution_id: object) -> None:
    ids = [execution_id] if isinstance(execution_id, str) or not isinstance(execution_id, Sequence) else execution_id
    if strange := [each for each in ids if not isinstance(each, str) or not each]:
        raise DuneConfigurationError(
            f"The id of an execution is a text such as 01HKZJ2683PHF9Q9PHHQ8FW4Q1, not {strange[0]!r}.",
            hint="The number of a query is given as query_id.",
        )


def _latest_execution(client: DuneApiClient, query_id: int) -> str:
    # Without rows, which are charged, and of a partial result too: whether that will do is for its reader to say.
    latest = client.get_query_results(query_id, limit=0, allow_partial_results=True)
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
    on_end: OnEnd | None = None,
    **unknown: Never,
) -> DuneResult:
    """Execute a saved query and wait for it. Charged for; sent once, and cancelled where waiting is interrupted.

    Args:
        client: A client of Dune's API.
        query_id: The query.
        parameters: Values of its parameters; Dune's saved defaults if None.
        performance: The engine tier; the plan's default if None.
        waiting: How it is waited for.
        log: Where the execution and its credits are told.
        on_end: Called with the id and the status of what has ended, well or not, or was cancelled for its time.
        unknown: Nothing else: an argument of another name is refused before anything is sent.

    Returns:
        The result, of which nothing has been read yet.

    Raises:
        AmbiguousSubmission: Dune may have started it; it was not sent again.
        DuneConfigurationError: There is no such argument.
        DuneResultError: It failed, was cancelled, or took longer than it may.
    """
    check_known(unknown, ["parameters", *_EXECUTING], "run_query")
    name = f"query {query_id}"
    return _executed(
        client, name, lambda: client.execute_query(query_id, performance, parameters), waiting, log, on_end
    )


def run_sql(
    client: DuneApiClient,
    sql: str,
    *,
    performance: Performance | None = None,
    waiting: Waiting | None = None,
    log: Log | None = None,
    on_end: OnEnd | None = None,
    **unknown: Never,
) -> DuneResult:
    """Execute SQL that is not saved and wait for it; see `run_query`."""
    refuse_parameters(unknown)
    check_known(unknown, _EXECUTING, "run_sql")
    return _executed(client, "the SQL", lambda: client.execute_sql(sql, performance), waiting, log, on_end)


def _executed(
    client: DuneApiClient,
    name: str,
    send: Callable[[], ExecutionSubmitted],
    waiting: Waiting | None,
    log: Log | None,
    on_end: OnEnd | None,
) -> DuneResult:
    execution_id, status = execute(client, name, send, waiting or Waiting(), log or _log, on_end or _ignore)
    return DuneResult(execution_id, status.execution_cost_credits, status, client)


def _ignore(_: str, __: ExecutionStatus) -> None:
    """Do nothing when an execution ends."""
