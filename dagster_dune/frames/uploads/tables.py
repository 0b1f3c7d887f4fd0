"""Writes a frame to a table on Dune, which is replaced or appended to, in the fewest requests, and never twice.

Only a single insert is atomic: Dune writes all of its rows, or none. Creating, clearing and several inserts are
separate steps, and others can see the table between them. So everything that can be checked is checked before the first
request, the error of a failed step says what state the table is in, and an insert whose answer was lost is not sent
again unless a count of its marker shows that it has not arrived.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError, DuneConnectionError, DuneServerError
from dagster_dune.api.models import TableColumn
from dagster_dune.errors import DuneConfigurationError, DuneError, DuneUploadError
from dagster_dune.frames.leftovers import temporary_folder
from dagster_dune.frames.results import Log
from dagster_dune.frames.uploads.body_files import Bodies, Body, write_bodies
from dagster_dune.frames.uploads.budget import CreditBudget
from dagster_dune.frames.uploads.markers import MarkedRows
from dagster_dune.frames.uploads.options import CREATION_CREDITS, TableWritten, WriteOptions, price_of, table_parts
from dagster_dune.frames.uploads.remote_table import RemoteTable
from dagster_dune.frames.uploads.schema import table_columns
from dagster_dune.frames.uploads.sources import rows_in
from dagster_dune.paging.options import options_from

_log = logging.getLogger(__name__)

__all__ = ["TableWritten", "WriteOptions", "write_table"]


class Exclusion(Protocol):
    """Mutual exclusion of the writes of one table."""

    def begin(self) -> bool:
        """Wait until no other write can overlap this one, and return whether the table must be looked at again."""

    def go_on(self) -> None:
        """Note that another request that inserts rows is about to be sent."""

    def end(self) -> None:
        """Note that Dune cannot carry out any request of this write any more."""

    def leave(self) -> None:
        """Note that this write has stopped, and that Dune may still carry out a request of it."""


class NoExclusion:
    """Excludes nothing: a script knows of no other writes."""

    def begin(self) -> bool:
        """Begin at once."""
        return False

    def go_on(self) -> None:
        """Note nothing."""

    def end(self) -> None:
        """Note nothing."""

    def leave(self) -> None:
        """Note nothing."""


def write_table(
    client: DuneApiClient,
    frame: Any,
    name: str,
    *,
    log: Log | None = None,
    exclusion: Exclusion | None = None,
    **options: Any,
) -> TableWritten:
    """Write a frame into a table on Dune, which is created where it does not exist. Charged for.

    Args:
        client: A client of Dune's API.
        frame: A frame of polars, pandas or Arrow, a record batch reader, a DuckDB relation, a list of mappings, or the
            path of a Parquet file. Streams and files are never in memory as a whole.
        name: ``dune.<team>.<table>``.
        log: The logger for each step.
        exclusion: Keeps other writes of the table, and late requests of interrupted ones, from overlapping this write;
            nothing does if None.
        options: ``mode`` ("replace" or "append"), ``types`` (Dune's types by column, such as uint256 for a text
            column), ``on_schema_change`` ("error" or "replace"), ``max_credits`` (see below), ``is_private``,
            ``marker`` and ``marker_column`` (a text in a separate column, by which an append is found again),
            ``max_request_bytes``, ``settle_seconds`` (the time after which an insert whose answer was lost cannot
            arrive any more).

    Before the first request, `max_credits` is compared with the price of creating the table and of all inserts. A count
    of the rows of a marker is a query, whose price is known only after it has run. The first count is added afterwards.
    From then on, nothing is sent that would pass the limit together with one more count at that price.

    Returns:
        What was written.

    Raises:
        DuneConfigurationError: A table cannot have a name, a type or a value. Nothing was sent.
        DuneUploadError: The columns do not fit, it would cost more than `max_credits`, or a step failed: the message
            says what state the table is in.
        DuneApiError: Dune refused the first step, or could not be reached.
    """
    chosen = options_from(WriteOptions, options, "writing")
    team, table = table_parts(name)
    rows = rows_in(frame)
    columns = table_columns(rows.schema, chosen.types)
    if chosen.marker is not None:
        if chosen.marker_column.lower() in map(str.lower, rows.schema.names):
            raise DuneConfigurationError(f"The frame has a column {chosen.marker_column!r} itself.")
        columns += table_columns(pa.schema([(chosen.marker_column, pa.string())]))
    with temporary_folder() as folder:
        bodies = write_bodies(rows, columns, chosen, folder)
        writer = _Writer(client, f"dune.{team}.{table}", columns, bodies, chosen, log or _log)
        return writer.run_within(exclusion or NoExclusion())


class _Writer:
    """Sends the bodies that have been written to disk, step by step."""

    def __init__(
        self,
        client: DuneApiClient,
        name: str,
        columns: list[TableColumn],
        bodies: Bodies,
        options: WriteOptions,
        log: Log,
    ) -> None:
        self._name = name
        self._bodies = bodies.bodies
        self._options = options
        self._log = log
        self._budget = CreditBudget(options.max_credits)
        self._budget.reserved = sum(price_of(body.bytes) for body in self._bodies)
        self._rows = sum(body.rows for body in self._bodies)
        self._may_arrive = False
        self._exclusion: Exclusion = NoExclusion()
        self._table = RemoteTable(client, name, columns, bodies.with_nulls, options, log, self._budget)
        marker = options.marker
        self._marked = (
            None if marker is None else MarkedRows(client, name, options.marker_column, marker, log, self._budget)
        )

    def run_within(self, exclusion: Exclusion) -> TableWritten:
        """Write, with no other write between."""
        self._exclusion = exclusion
        self._check_credits(0.0)
        self._inspect()
        try:
            if exclusion.begin():
                self._inspect()
            written = self._run()
        except BaseException as error:
            has_ended = not self._may_arrive or (isinstance(error, DuneError) and not _may_still_arrive(error))
            (exclusion.end if has_ended else exclusion.leave)()
            raise
        exclusion.end()
        return written

    def _run(self) -> TableWritten:
        if self._marked and not self._table.is_new:
            if self._marked.exist(self._rows):
                return TableWritten(self._name, credits=self._budget.spent, was_there=True)
            self._inspect()  # counting takes a while, in which somebody may have made another table of it
        self._may_arrive = True
        may_have_rows = self._table.prepare()
        if self._marked and may_have_rows:
            if self._marked.exist(self._rows):
                return TableWritten(self._name, credits=self._budget.spent, was_there=True)
            self._check_after_count(0, 0)
        for number, body in enumerate(self._bodies):
            self._insert(number, body)
        self._may_arrive = False
        if self._marked:
            self._marked.check(self._rows)
        sent = sum(body.bytes for body in self._bodies)
        self._log.info("%s: %s rows written, %s credits.", self._name, f"{self._rows:,}", f"{self._budget.spent:g}")
        return TableWritten(self._name, self._rows, sent, len(self._bodies), self._budget.spent, self._table.is_new)

    # --- before the first change ---

    def _inspect(self) -> None:
        self._table.inspect()
        self._check_credits(CREATION_CREDITS if self._table.is_new else 0.0)

    def _check_credits(self, creation: float) -> None:
        """Check the price of everything that is still to be sent, as far as it is known."""
        price = creation + (self._budget.count_price if self._marked else 0.0)
        if self._budget.is_passed_by(price):
            spent = f" Looking for the marker has cost {self._budget.spent:g}." if self._budget.spent else ""
            price_of_all = self._budget.spent + self._budget.reserved + price
            raise DuneUploadError(
                f"Writing {self._rows:,} rows to {self._name} would cost {price_of_all:g} credits, more "
                f"than max_credits={self._budget.most:g}.",
                hint=f"Nothing was sent.{spent}",
            )

    # --- the inserts ---

    def _insert(self, number: int, body: Body) -> None:
        before = sum(other.rows for other in self._bodies[:number])
        unknown = f"whether the next {body.rows:,} are there is not known, since it was interrupted"
        self._go_on(number, before)
        try:
            with self._table.logging_state_on_interrupt(f"{self._state(number, before)}; {unknown}."):
                self._send(body)
        except AmbiguousSubmission as error:
            if self._marked is None:
                raise self._unanswered_error(number, before, body, error) from error
            if self._marked.have_arrived(before, body.rows, error, self._options.settle_seconds):
                self._count(body)
            else:
                self._send_again(number, before, body)
        except DuneApiError as error:
            raise self._table.incomplete_error(error, self._state(number, before)) from error

    def _go_on(self, number: int, before: int) -> None:
        try:
            self._exclusion.go_on()
        except DuneUploadError as error:
            raise self._table.incomplete_error(error, self._state(number, before)) from error

    def _send_again(self, number: int, before: int, body: Body) -> None:
        self._go_on(number, before)
        self._check_after_count(number, before)
        try:
            self._send(body)
        except DuneApiError as error:
            raise self._unanswered_error(number, before, body, error) from error

    def _check_after_count(self, number: int, before: int) -> None:
        """Check that rows may still be sent after a count of the marked rows, which has taken time and credits."""
        try:
            if self._budget.is_passed_by(self._budget.count_price):
                raise DuneUploadError(f"max_credits={self._budget.most:g} would be passed.")
            self._table.check_unchanged()
        except DuneError as error:
            raise self._table.incomplete_error(error, self._state(number, before)) from error

    def _send(self, body: Body) -> None:
        written = self._table.insert(body)
        self._count(body)
        if written != body.rows:
            raise DuneUploadError(
                f"Dune has written {written:,} of {body.rows:,} rows to {self._name}.",
                hint="The table is not whole: write it again."
                if self._options.mode == "replace"
                else "The table is not whole: look at what is in it before you append anything again.",
            )
        self._log.info("Inserted %s rows into %s.", f"{body.rows:,}", self._name)

    def _count(self, body: Body) -> None:
        """Add the price of an insert that Dune has carried out."""
        self._budget.spent += price_of(body.bytes)
        self._budget.reserved -= price_of(body.bytes)

    def _state(self, number: int, before: int) -> str:
        earlier = "is cleared" if self._options.mode == "replace" else "has its earlier rows"
        state = "is new" if self._table.is_new else earlier
        return (
            f"The table {state}, and {before:,} of {self._rows:,} rows are in ({number} of {len(self._bodies)} inserts)"
        )

    def _unanswered_error(self, number: int, before: int, body: Body, error: DuneError) -> DuneUploadError:
        wait = f"wait {self._options.settle_seconds:g} s, so that it cannot arrive late"
        how = (
            f"Before you replace the table again, {wait}."
            if self._options.mode == "replace"
            else f"Count its rows on Dune before you append them again ({wait}); a marker lets that be done for you."
        )
        return DuneUploadError(
            f"{self._state(number, before)}; whether the next {body.rows:,} are in {self._name} is not known, so they "
            f"were not sent again: {error}",
            hint=how + self._budget.spent_sentence,
        )


def _may_still_arrive(error: BaseException | None) -> bool:
    """Return whether Dune may still carry out a request that ended in this error: one that got no answer from Dune.

    The answer of a gateway does not show whether Dune will, whatever its status.
    """
    if error is None:
        return False
    if isinstance(error, (AmbiguousSubmission, DuneConnectionError, DuneServerError)):
        return True
    return _may_still_arrive(error.__cause__ or error.__context__)
