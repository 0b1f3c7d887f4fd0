"""A frame as a table on Dune: replaced or appended to, in the fewest requests, and never twice.

What Dune does in one piece is one insert: all of its rows, or none. Creating, clearing and several inserts are steps
of their own, which others can see half done. So everything that can be found wrong is found before the first request,
a step that failed says what is there, and an insert whose answer was lost is not sent again unless a marker tells that
it has not arrived.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError, DuneNotFoundError
from dagster_dune.api.models import TableColumn, UploadInfo
from dagster_dune.errors import DuneConfigurationError, DuneError, DuneUploadError
from dagster_dune.frames.leftovers import temporary_folder
from dagster_dune.frames.results import Log
from dagster_dune.frames.uploads.budget import CreditBudget
from dagster_dune.frames.uploads.kept_bodies import Body, keep_bodies
from dagster_dune.frames.uploads.markers import MarkedRows
from dagster_dune.frames.uploads.options import CREATION_CREDITS, TableWritten, WriteOptions, price_of
from dagster_dune.frames.uploads.schema import differences, table_columns, table_parts
from dagster_dune.frames.uploads.sources import rows_in
from dagster_dune.paging.options import options_from

_log = logging.getLogger(__name__)

__all__ = ["TableWritten", "WriteOptions", "write_table"]


def write_table(
    client: DuneApiClient, frame: Any, name: str, *, log: Log | None = None, **options: Any
) -> TableWritten:
    """Write a frame into a table on Dune, which is created where it does not exist. Charged for.

    Args:
        client: A client of Dune's API.
        frame: A frame of polars, pandas or Arrow, a record batch reader, a DuckDB relation, a list of mappings, or the
            path of a Parquet file. Streams and files are never held whole.
        name: ``dune.<team>.<table>``.
        log: Where each step is told.
        options: ``mode`` ("replace" or "append"), ``types`` (Dune's types by column, such as uint256 for a text
            column), ``on_schema_change`` ("error" or "replace"), ``max_credits`` (see below), ``is_private``,
            ``marker`` and ``marker_column`` (a text in a column of its own, by which an append is found again),
            ``max_request_bytes``, ``settle_seconds``.

    Before the first request, `max_credits` is compared with the price of creating the table and of all inserts. A look
    for a marker is a query, whose price is known when it has run: the first one is counted afterwards, and from then on
    nothing is sent that would pass the limit with one more look as dear as it.

    Returns:
        What was written.

    Raises:
        DuneConfigurationError: A name, a type or a value is none that a table can have. Nothing was sent.
        DuneUploadError: The columns do not fit, it would cost more than `max_credits`, or a step failed: the message
            says what is there now.
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
        bodies = keep_bodies(rows, columns, chosen, folder)
        return _Writer(client, f"dune.{team}.{table}", columns, bodies, chosen, log or _log).run()


class _Writer:
    """Sends what has been written to disk, step by step."""

    def __init__(
        self,
        client: DuneApiClient,
        name: str,
        columns: list[TableColumn],
        bodies: list[Body],
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
        self._budget = CreditBudget(options.max_credits)
        self._rows = sum(body.rows for body in bodies)
        self._is_new = False
        marker = options.marker
        self._marked = (
            None if marker is None else MarkedRows(client, name, options.marker_column, marker, log, self._budget)
        )

    def run(self) -> TableWritten:
        self._check_credits(creates=False)
        there = self._found()
        is_new = self._is_new = self._must_be_created(there)
        if there and not is_new:
            self._check_privacy(there)
        self._check_credits(creates=is_new)
        if self._marked and not is_new:
            if self._marked.are_there(self._rows):
                return TableWritten(self._name, credits=self._budget.spent, was_there=True)
            self._check_credits(creates=False)
        self._prepare(there, creates=is_new)
        for number, body in enumerate(self._bodies):
            self._insert(number, body)
        if self._marked:
            self._marked.check(self._rows)
        sent = sum(body.bytes for body in self._bodies)
        self._log.info("%s: %s rows written, %s credits.", self._name, f"{self._rows:,}", f"{self._budget.spent:g}")
        return TableWritten(self._name, self._rows, sent, len(self._bodies), self._budget.spent, was_created=is_new)

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

    def _is_as_private_as_asked(self, there: UploadInfo) -> bool:
        wanted = self._options.is_private
        return wanted is None or bool(there.is_private) == wanted

    def _check_privacy(self, there: UploadInfo) -> None:
        if not self._is_as_private_as_asked(there):
            known = "private" if there.is_private else "public"
            is_now = "not known to be private" if there.is_private is None else known
            raise DuneUploadError(
                f"{self._name} is {is_now}, and is_private={self._options.is_private} was asked for; nothing was sent.",
                hint="A table keeps what it was created as: delete it on Dune first, or leave is_private out.",
            )

    def _check_credits(self, *, creates: bool) -> None:
        """Check the price of all that is still to come, as far as it is known."""
        price = sum(price_of(body.bytes) for body in self._bodies) + (CREATION_CREDITS if creates else 0.0)
        price += self._budget.look if self._marked else 0.0
        if self._budget.is_passed_by(price):
            looks = f" Looking for the marker has cost {self._budget.spent:g}." if self._budget.spent else ""
            raise DuneUploadError(
                f"Writing {self._rows:,} rows to {self._name} would cost {self._budget.spent + price:g} credits, more "
                f"than max_credits={self._budget.most:g}.",
                hint=f"Nothing was sent.{looks}",
            )

    # --- the steps ---

    def _prepare(self, there: UploadInfo | None, *, creates: bool) -> None:
        if creates and there is not None:
            self._delete()
        if creates:
            self._create(there)
            self._budget.spent += CREATION_CREDITS
            self._log.info("Created %s.", self._name)
        elif self._options.mode == "replace":
            self._clear()

    def _delete(self) -> None:
        try:
            with self._told_if_interrupted("Whether it is deleted is not known."):
                self._client.delete_upload(self._team, self._table)
        except DuneNotFoundError:  # by a request whose answer was lost, or by somebody else
            self._log.info("%s was deleted already.", self._name)
        except DuneApiError as error:
            raise self._half_done(error, "Whether the old table is deleted is not known") from error
        else:
            self._log.info("Deleted %s, whose columns differ.", self._name)

    def _create(self, there: UploadInfo | None) -> None:
        is_private = self._options.is_private
        if is_private is None and there is not None:
            is_private = there.is_private
        unknown = "Whether it was created is not known"
        if there is not None:
            unknown = "The old table is deleted, and whether the new one was created is not known"
        try:
            with self._told_if_interrupted(f"{unknown}."):
                created = self._client.create_upload(self._team, self._table, self._columns, is_private=is_private)
            is_ours = not created.already_existed
        except DuneApiError as error:
            found = self._found_after(error, unknown) if isinstance(error, AmbiguousSubmission) else None
            if found is None and there is None:
                raise
            if found is None:
                deleted = "The old table is deleted, and the new one was not created"
                raise self._half_done(error, deleted) from error
            is_ours = self._is_as_private_as_asked(found) and not differences(found.columns, self._columns)
            if is_ours and self._options.mode == "replace":
                self._clear()  # it may be somebody else's, with rows in it
        if not is_ours:
            since = "looked for" if there is None else "deleted"
            raise DuneUploadError(
                f"{self._name} was created by somebody else since it was {since}, so that no rows were sent.",
                hint="Look at what is in it, then write it again.",
            )

    def _found_after(self, error: AmbiguousSubmission, unknown: str) -> UploadInfo | None:
        """The table whose creation got no answer, if it is there."""
        try:
            return self._found()
        except DuneApiError as second:
            raise self._half_done(second, unknown) from error

    def _clear(self) -> None:
        unknown = "Whether its old rows are gone is not known"
        try:
            with self._told_if_interrupted(f"{unknown}."):
                self._client.clear_upload(self._team, self._table)
        except DuneApiError as error:
            raise self._half_done(error, unknown) from error
        self._log.info("Cleared %s.", self._name)

    @contextmanager
    def _told_if_interrupted(self, state: str) -> Iterator[None]:
        """Say what is there where it is no error of ours that ends a step, such as Dagster's termination."""
        try:
            yield
        except DuneError:
            raise
        except BaseException:
            self._log.warning("%s is not whole. %s", self._name, state)
            raise

    def _found(self) -> UploadInfo | None:
        return next((upload for upload in self._client.list_uploads() if upload.full_name == self._name), None)

    def _insert(self, number: int, body: Body) -> None:
        before = sum(other.rows for other in self._bodies[:number])
        unknown = f"whether the next {body.rows:,} are there is not known, since it was interrupted"
        try:
            with self._told_if_interrupted(f"{self._so_far(number, before)}; {unknown}."):
                self._send(body)
        except AmbiguousSubmission as error:
            if self._marked is None:
                raise self._lost(number, before, body, error) from error
            if self._marked.have_arrived(before, body.rows, error, self._options.settle_seconds):
                self._budget.spent += price_of(body.bytes)
            else:
                self._send_again(number, before, body)
        except DuneApiError as error:
            raise self._half_done(error, self._so_far(number, before)) from error

    def _send_again(self, number: int, before: int, body: Body) -> None:
        try:
            self._send(body)
        except DuneApiError as error:
            raise self._lost(number, before, body, error) from error

    def _send(self, body: Body) -> None:
        answer = self._client.insert_rows(
            self._team, self._table, body.path, body.format, answer_seconds=self._options.settle_seconds
        )
        self._budget.spent += price_of(body.bytes)
        if answer.rows_written != body.rows:
            raise DuneUploadError(
                f"Dune has written {answer.rows_written:,} of {body.rows:,} rows to {self._name}.",
                hint="The table is not whole: write it again.",
            )
        self._log.info("Inserted %s rows into %s.", f"{body.rows:,}", self._name)

    def _so_far(self, number: int, before: int) -> str:
        earlier = "is cleared" if self._options.mode == "replace" else "has its earlier rows"
        state = "is new" if self._is_new else earlier
        return (
            f"The table {state}, and {before:,} of {self._rows:,} rows are in ({number} of {len(self._bodies)} inserts)"
        )

    def _half_done(self, error: DuneError, state: str) -> DuneUploadError:
        again = "replaces everything" if self._options.mode == "replace" else "would append the rows that are in again"
        return DuneUploadError(f"{self._name} is not whole. {state}: {error}", hint=f"Writing it again {again}.")

    def _lost(self, number: int, before: int, body: Body, error: DuneError) -> DuneUploadError:
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
