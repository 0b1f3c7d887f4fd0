"""A frame as a table on Dune: replaced or appended to, in the fewest requests, and never twice.

What Dune does in one piece is one insert: all of its rows, or none. Creating, clearing and several inserts are steps
of their own, which others can see half done. So everything that can be found wrong is found before the first request,
a step that failed says what is there, and an insert whose answer was lost is not sent again unless a marker tells that
it has not arrived.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError
from dagster_dune.api.models import TableColumn, UploadInfo
from dagster_dune.errors import DuneConfigurationError, DuneError
from dagster_dune.frames.results import Log, get_result, run_sql
from dagster_dune.frames.uploads.bodies import BATCH_ROWS, CSV, ContentType, content_type, header, rows_of
from dagster_dune.frames.uploads.schema import DuneUploadError, differences, table_columns, table_parts

MAX_INSERT_BYTES = 1_200_000_000
# Assumption: table-prices.
CREATION_CREDITS = 10.0
CREDITS_A_GIGABYTE = 3.0
LEAST_INSERT_CREDITS = 1.0
# Assumption: lost-insert.
SETTLE_SECONDS = 600.0
"""An insert whose answer was lost has arrived by then, or never will."""

Mode = Literal["replace", "append"]
OnSchemaChange = Literal["error", "replace"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableWritten:
    """What was written.

    Attributes:
        name: The table.
        rows: The rows that were sent.
        bytes: The bytes that were sent.
        inserts: In how many requests.
        credits: What they cost by Dune's price list.
        was_created: Whether the table is new.
        was_there: Whether the marker's rows were there already, so that nothing was sent.
    """

    name: str
    rows: int = 0
    bytes: int = 0
    inserts: int = 0
    credits: float = 0.0
    was_created: bool = False
    was_there: bool = False


@dataclass(frozen=True)
class WriteOptions:
    """How a frame is written; see `write_table`."""

    mode: Mode = "replace"
    types: Mapping[str, str] = field(default_factory=dict)
    on_schema_change: OnSchemaChange = "error"
    max_credits: float | None = None
    is_private: bool | None = None
    marker: str | None = None
    marker_column: str = "dagster_marker"
    max_request_bytes: int = MAX_INSERT_BYTES
    settle_seconds: float = SETTLE_SECONDS

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise DuneConfigurationError(f"mode={self.mode!r} is none of replace, append.")
        if self.on_schema_change not in get_args(OnSchemaChange):
            raise DuneConfigurationError(f"on_schema_change={self.on_schema_change!r} is none of error, replace.")
        if self.mode == "append" and self.on_schema_change == "replace":
            raise DuneConfigurationError("Appending cannot replace a table whose columns differ.")
        if self.marker is not None and (self.mode != "append" or not self.marker or "'" in self.marker):
            raise DuneConfigurationError("A marker is a text without quotes, of rows that are appended.")
        if not 0 < self.max_request_bytes <= MAX_INSERT_BYTES:
            raise DuneConfigurationError(f"max_request_bytes must be from 1 to {MAX_INSERT_BYTES:,}.")


def write_table(
    client: DuneApiClient, frame: Any, name: str, *, log: Log | None = None, **options: Any
) -> TableWritten:
    """Write a frame into a table on Dune, which is created where it does not exist. Charged for.

    Args:
        client: A client of Dune's API.
        frame: A frame of polars, pandas or Arrow, a record batch reader, a DuckDB relation, or the path of a Parquet
            file.
        name: ``dune.<team>.<table>``.
        log: Where each step is told.
        options: ``mode`` ("replace" or "append"), ``types`` (Dune's types by column, such as uint256 for a text
            column), ``on_schema_change`` ("error" or "replace"), ``max_credits``, ``is_private``, ``marker`` and
            ``marker_column`` (a text in a column of its own, by which an append is found again),
            ``max_request_bytes``, ``settle_seconds``.

    Returns:
        What was written.

    Raises:
        DuneConfigurationError: A name, a type or a value is none that a table can have. Nothing was sent.
        DuneUploadError: The columns do not fit, it would cost more than `max_credits`, or a step failed: the message
            says what is there now.
        DuneApiError: Dune refused the first step, or could not be reached.
    """
    try:
        chosen = WriteOptions(**options)
    except TypeError as error:
        known = ", ".join(WriteOptions.__dataclass_fields__)
        raise DuneConfigurationError(f"{error}.", hint=f"Options of writing are {known}.") from error
    team, table = table_parts(name)
    schema, batches = _stream(frame)
    columns = table_columns(schema, chosen.types)
    if chosen.marker is not None:
        if chosen.marker_column in schema.names:
            raise DuneConfigurationError(f"The frame has a column {chosen.marker_column!r} itself.")
        columns += table_columns(pa.schema([(chosen.marker_column, pa.string())]))
    with tempfile.TemporaryDirectory(prefix="dagster-dune-") as folder:
        bodies = _written(batches, columns, chosen, Path(folder))
        return _Writer(client, f"dune.{team}.{table}", columns, bodies, chosen, log or _log).run()


@dataclass(frozen=True)
class _Body:
    path: Path
    rows: int
    bytes: int


def _price(body: _Body) -> float:
    return max(LEAST_INSERT_CREDITS, body.bytes * CREDITS_A_GIGABYTE / 1e9)


class _Writer:
    """Sends what has been written to disk, step by step."""

    def __init__(
        self,
        client: DuneApiClient,
        name: str,
        columns: list[TableColumn],
        bodies: list[_Body],
        options: WriteOptions,
        log: Log,
    ) -> None:
        self._client = client
        self._name = name
        _, self._team, self._table = name.split(".")
        self._columns = columns
        self._bodies = bodies
        self._options = options
        self._log = log
        self._credits = 0.0

    @property
    def _rows(self) -> int:
        return sum(body.rows for body in self._bodies)

    def run(self) -> TableWritten:
        self._check_credits(creates=False)
        there = next((upload for upload in self._client.list_uploads() if upload.full_name == self._name), None)
        is_new = self._must_be_created(there)
        self._check_credits(creates=is_new)
        if self._options.marker is not None and not is_new:
            found = self._marked()
            if found == self._rows:
                self._log.info("%s has the %s rows of %s already.", self._name, f"{found:,}", self._options.marker)
                return TableWritten(self._name, credits=self._credits, was_there=True)
            if found:
                raise DuneUploadError(
                    f"{self._name} has {found:,} rows with the marker {self._options.marker!r}, not 0 and not the "
                    f"{self._rows:,} of the frame.",
                    hint="An earlier append was cut short or another one: replace the table, or use another marker.",
                )
        self._prepare(there, creates=is_new)
        for number, body in enumerate(self._bodies):
            self._insert(number, body)
        if self._options.marker is not None:
            self._check_marked()
        sent = sum(body.bytes for body in self._bodies)
        self._log.info("%s: %s rows written, %s credits.", self._name, f"{self._rows:,}", f"{self._credits:g}")
        return TableWritten(self._name, self._rows, sent, len(self._bodies), self._credits, was_created=is_new)

    # --- before the first change ---

    def _must_be_created(self, there: UploadInfo | None) -> bool:
        if there is None:
            return True
        differing = differences(there.columns, self._columns)
        if not differing:
            return False
        if self._options.on_schema_change == "replace":
            return True
        raise DuneUploadError(
            f"The columns of {self._name} differ from the frame's: {'; '.join(differing)}.",
            hint='Change the frame, or delete the table and create it anew with on_schema_change="replace".'
            if self._options.mode == "replace"
            else "Change the frame, or replace the table.",
        )

    def _check_credits(self, *, creates: bool) -> None:
        most = self._options.max_credits
        price = sum(map(_price, self._bodies)) + (CREATION_CREDITS if creates else 0.0)
        if most is not None and price > most:
            raise DuneUploadError(
                f"Writing {self._rows:,} rows to {self._name} would cost {price:g} credits, more than "
                f"max_credits={most:g}.",
                hint="Nothing was sent.",
            )

    # --- the steps ---

    def _prepare(self, there: UploadInfo | None, *, creates: bool) -> None:
        if creates:
            if there is not None:
                self._client.delete_upload(self._team, self._table)
                self._log.info("Deleted %s, whose columns differ.", self._name)
            try:
                self._client.create_upload(self._team, self._table, self._columns, is_private=self._options.is_private)
            except DuneApiError as error:
                if not (isinstance(error, AmbiguousSubmission) and self._exists()):
                    if there is None:
                        raise
                    raise self._half_done(error, "The old table is deleted, and the new one was not created") from error
            self._credits += CREATION_CREDITS
            self._log.info("Created %s.", self._name)
        elif self._options.mode == "replace":
            self._client.clear_upload(self._team, self._table)
            self._log.info("Cleared %s.", self._name)

    def _exists(self) -> bool:
        return any(upload.full_name == self._name for upload in self._client.list_uploads())

    def _insert(self, number: int, body: _Body) -> None:
        before = sum(other.rows for other in self._bodies[:number])
        try:
            self._send(body)
        except AmbiguousSubmission as error:
            if self._options.marker is None:
                raise self._lost(number, before, body, error) from error
            if self._has_not_arrived(before, body, error):
                self._send_again(number, before, body)
            else:
                self._credits += _price(body)
        except DuneApiError as error:
            raise self._half_done(error, self._so_far(number, before)) from error

    def _send_again(self, number: int, before: int, body: _Body) -> None:
        try:
            self._send(body)
        except DuneApiError as error:
            raise self._lost(number, before, body, error) from error

    def _send(self, body: _Body) -> None:
        answer = self._client.insert_rows(self._team, self._table, body.path, content_type(self._columns))
        self._credits += _price(body)
        if answer.rows_written != body.rows:
            raise DuneUploadError(
                f"Dune has written {answer.rows_written:,} of {body.rows:,} rows to {self._name}.",
                hint="The table is not whole: write it again.",
            )
        self._log.info("Inserted %s rows into %s.", f"{body.rows:,}", self._name)

    def _so_far(self, number: int, before: int) -> str:
        state = "is cleared" if self._options.mode == "replace" else "has its earlier rows"
        return (
            f"The table {state}, and {before:,} of {self._rows:,} rows are in ({number} of {len(self._bodies)} inserts)"
        )

    def _half_done(self, error: DuneError, state: str) -> DuneUploadError:
        again = "replaces everything" if self._options.mode == "replace" else "would append the rows that are in again"
        return DuneUploadError(f"{self._name} is not whole. {state}: {error}", hint=f"Writing it again {again}.")

    def _lost(self, number: int, before: int, body: _Body, error: DuneError) -> DuneUploadError:
        wait = f"wait {self._options.settle_seconds:g} s, so that it cannot arrive late"
        how = (
            f"Before you replace the table again, {wait}."
            if self._options.mode == "replace"
            else f"Count its rows on Dune before you append them again ({wait}); a marker lets that be done for you."
        )
        return DuneUploadError(
            f"{self._so_far(number, before)}; whether the next {body.rows:,} are in {self._name} is not known, so they "
            f"were not sent again: {error}",
            hint=how,
        )

    # --- markers ---

    def _has_not_arrived(self, before: int, body: _Body, error: DuneError) -> bool:
        """Look for rows whose insert got no answer, until they are there or cannot come any more."""
        deadline = time.monotonic() + self._options.settle_seconds
        self._log.warning("An insert into %s got no answer; its marker is looked for. %s", self._name, error)
        while True:
            is_late = time.monotonic() >= deadline
            found = self._marked()
            if found == before + body.rows:
                return False
            if found != before:
                raise DuneUploadError(
                    f"{self._name} has {found:,} rows with the marker {self._options.marker!r}, where {before:,} or "
                    f"{before + body.rows:,} could be.",
                    hint="Rows are there twice or in part: replace the table, or delete and append them again.",
                )
            if is_late:
                return True
            time.sleep(min(30.0, max(0.05, self._options.settle_seconds / 10)))

    def _check_marked(self) -> None:
        found = self._marked()
        if found != self._rows:
            raise DuneUploadError(
                f"{self._name} has {found:,} rows with the marker {self._options.marker!r}, but {self._rows:,} were "
                "appended.",
                hint="Rows are there twice or not at all: replace the table.",
            )

    def _marked(self) -> int:
        """Count the marker's rows: a query, which is charged for."""
        column, marker = self._options.marker_column, self._options.marker
        sql = f"SELECT count(*) AS n FROM {self._name} WHERE {column} = '{marker}'"  # noqa: S608 - checked by us
        result = run_sql(self._client, sql, log=self._log)
        self._credits += result.credits or 0.0
        return int(get_result(self._client, result.execution_id, log=self._log).column("n")[0].as_py())


def _stream(frame: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The record batches of whatever kind of frame it is."""
    if isinstance(frame, str | os.PathLike):
        import pyarrow.parquet as pq  # noqa: PLC0415  (frames need none of it)

        file = pq.ParquetFile(frame)
        return file.schema_arrow, file.iter_batches(BATCH_ROWS)
    if hasattr(frame, "collect") and not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.collect()  # a lazy frame of polars
    if isinstance(frame, list):
        frame = pa.Table.from_pylist(frame)
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if not hasattr(frame, "__arrow_c_stream__"):
        raise DuneConfigurationError(
            f"A {type(frame).__name__} is no frame that can be written to Dune.",
            hint="It takes frames of polars, pandas and Arrow, record batch readers, DuckDB relations, lists of dicts "
            "and paths of Parquet files.",
        )
    reader = frame if isinstance(frame, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(frame)
    return reader.schema, iter(reader)


def _written(
    batches: Iterator[pa.RecordBatch], columns: list[TableColumn], options: WriteOptions, folder: Path
) -> list[_Body]:
    """Write all rows to disk, as few files as the size of a request allows: so that their price is known."""
    format_: ContentType = content_type(columns)
    begin = header(columns, format_)
    bodies: list[_Body] = []
    for piece, rows in _pieces(batches, columns, options, format_):
        if len(begin) + len(piece) > options.max_request_bytes:
            raise DuneConfigurationError(f"A row has more than max_request_bytes={options.max_request_bytes:,}.")
        last = bodies[-1] if bodies else None
        if last is None or last.bytes + len(piece) > options.max_request_bytes:
            last = _Body(folder / str(len(bodies)), 0, len(begin))
            last.path.write_bytes(begin)
            bodies.append(last)
        with last.path.open("ab") as file:
            file.write(piece)
        bodies[-1] = _Body(last.path, last.rows + rows, last.bytes + len(piece))
    return bodies


def _pieces(
    batches: Iterator[pa.RecordBatch], columns: list[TableColumn], options: WriteOptions, format_: ContentType
) -> Iterator[tuple[bytes, int]]:
    room = options.max_request_bytes - len(header(columns, format_ or CSV))
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield from _halved(batch.slice(start, BATCH_ROWS), columns, options, format_, room)


def _halved(
    batch: pa.RecordBatch, columns: list[TableColumn], options: WriteOptions, format_: ContentType, room: int
) -> Iterator[tuple[bytes, int]]:
    """Write some rows, by halves where they are more than a request takes."""
    arrays = list(batch.columns)
    if options.marker is not None:
        arrays.append(pa.array([options.marker] * batch.num_rows, pa.string()))
    whole = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    piece = rows_of(whole, columns, format_)
    if len(piece) <= room or batch.num_rows == 1:
        yield piece, batch.num_rows
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half), columns, options, format_, room)
    yield from _halved(batch.slice(half), columns, options, format_, room)
