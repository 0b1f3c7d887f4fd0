"""Reads pages of one execution as record batches, in either format, and distinguishes NULL from the text ``<nil>``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.client import CsvStream, DuneApiClient
from dagster_dune.api.errors import DuneBadRequestError
from dagster_dune.catalog.names import identifier_in_sql
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.pages.csv_pages import NULL_IN_CSV, read_csv
from dagster_dune.frames.pages.json_pages import JsonPage, read_json
from dagster_dune.frames.pages.memory import FRAME_MEMORY
from dagster_dune.frames.pages.page_threads import PageThreads
from dagster_dune.frames.types.columns import Column
from dagster_dune.paging.options import Export, ReadOptions
from dagster_dune.paging.requests import Page, PageRequests

T = TypeVar("T")

JOINED_BYTES = 2**26
"""The batches of a page that is larger, because some rows are, are not joined: joining doubles the memory."""


class PageReader:
    """Reads pages of one execution, in any order and several at once.

    One thread parses all pages, the earliest page first.

    Args:
        client: A client of Dune's API.
        execution_id: The execution.
        options: Which rows and columns are read.
        columns: The columns that each page must have.
        requests: Requests and checks pages.
        export: Counts the bytes that are read.
        threads: The threads to use, which must stay open until the last page has been read.
        rows_before: The number of rows of other executions that come before the rows of this one.
    """

    def __init__(
        self,
        client: DuneApiClient,
        execution_id: str,
        options: ReadOptions,
        columns: Sequence[Column],
        requests: PageRequests,
        export: Export,
        threads: PageThreads,
        rows_before: int = 0,
    ) -> None:
        self._client = client
        self._execution_id = execution_id
        self._options = options
        self._columns = columns
        self._requests = requests
        self._export = export
        self._format = _format(options, columns)
        self._nil_lookups: dict[str, Future[bool]] = {}
        self._nil_lock = threading.Lock()
        self._threads = threads
        self._rows_before = rows_before

    def read(self, offset: int, limit: int) -> Page[pa.RecordBatch]:
        """Read one page.

        Args:
            offset: The number of rows before the page.
            limit: The maximum number of rows in the page.

        Raises:
            DuneResultError: The answer is no page of this result.
            DuneApiError: The page could not be read.
        """
        if self._format == "json":
            return _page_of(self._json_page(self._columns, offset=offset, limit=limit))

        def parse(stream: CsvStream) -> tuple[list[pa.RecordBatch], CsvStream]:
            self._requests.check_address(stream.next_uri)
            batches = []
            for batch in read_csv(stream, self._columns, partial(self._parse, offset), self._threads.buffer):
                self._ambiguous_columns([batch])  # starts the lookups while the rest of the page arrives
                batches.append(batch)
            if len(batches) > 1 and sum(batch.nbytes for batch in batches) <= JOINED_BYTES:
                self._parse(offset, partial(_join, batches))
            return batches, stream

        with self._requests.explaining_not_found():
            batches, stream = self._client.read_execution_csv(
                self._execution_id, parse, limit=limit, offset=offset, **self._requests.common_options()
            )
        self._export.add(stream.bytes_read)
        num_rows = sum(batch.num_rows for batch in batches)
        return Page(self._with_exact_texts(batches, offset, num_rows), num_rows, stream.next_offset, stream.next_uri)

    def _parse(self, offset: int, work: Callable[[], T]) -> T:
        return self._threads.parser.run(self._rows_before + offset, work)

    def read_sample(self) -> Page[pa.RecordBatch]:
        """Read a random sample of the rows, which Dune sends as one page."""
        return _page_of(self._json_page(self._columns, sample_count=self._options.sample))

    def _json_page(self, expected: Sequence[Column], *, is_extra: bool = False, **options: Any) -> JsonPage:
        body, next_uri = self._requests.json(is_extra=is_extra, **options)
        read = self._parse(options.get("offset", 0), partial(read_json, body, expected, self._requests.names))
        is_unfiltered = self._options.filters is None and "filters" not in options and self._options.sample is None
        envelope = read.envelope._replace(next_uri=next_uri or read.envelope.next_uri)
        self._requests.check_json(envelope, is_unfiltered=is_unfiltered)
        return read._replace(envelope=envelope)

    # --- NULL, or the text <nil> ---

    def _with_exact_texts(self, batches: list[pa.RecordBatch], offset: int, num_rows: int) -> list[pa.RecordBatch]:
        """Read text columns again as JSON where CSV may show a text as NULL.

        Args:
            batches: The page in CSV.
            offset: The number of rows before it.
            num_rows: The number of rows in the page. If it is less than the limit, a page in JSON may hold more rows.
        """
        for index, column, holds_nil in self._ambiguous_columns(batches):
            if holds_nil.result():
                batch = pa.concat_batches(batches)
                page = self._json_page([column], offset=offset, limit=num_rows, columns=[column.name], is_extra=True)
                csv_texts, json_texts = batch.column(index), page.batch.column(0)
                if not pc.fill_null(json_texts, NULL_IN_CSV).equals(pc.fill_null(csv_texts, NULL_IN_CSV)):
                    raise DuneResultError(
                        f"Column {column.name!r} of execution {self._execution_id} differs between CSV and JSON."
                    )
                batches = [batch.set_column(index, batch.schema.field(index), json_texts)]
        return batches

    def _ambiguous_columns(self, batches: Sequence[pa.RecordBatch]) -> list[tuple[int, Column, Future[bool]]]:
        """Return the text columns with a NULL in some row, each with the lookup whether it has the text ``<nil>``."""
        return [
            (index, column, self._nil_lookup(column))
            for index, column in enumerate(self._columns if self._options.exact else ())
            if column.type.is_text and any(batch.column(index).null_count for batch in batches)
        ]

    def _nil_lookup(self, column: Column) -> Future[bool]:
        """Return the lookup whether some row of a column holds the text ``<nil>``; all pages share one for a column."""
        with self._nil_lock:
            if column.name not in self._nil_lookups:
                self._nil_lookups[column.name] = self._threads.lookup_pool.start(self._holds_nil, column)
            return self._nil_lookups[column.name]

    # Assumption: csv-nil-filter.
    def _holds_nil(self, column: Column) -> bool:
        name = column.name
        if not name or sum(other.name == name for other in self._columns) > 1:
            raise DuneResultError(
                f"Column {name!r} has no name of its own: NULL cannot be told from {NULL_IN_CSV}.",
                hint='Name it in the SQL, or pass wire="json", which tells them apart, or exact=False, which does not.',
            )
        is_nil = f"{identifier_in_sql(name)} = '{NULL_IN_CSV}'"
        filters = f"({self._options.filters}) AND {is_nil}" if self._options.filters else is_nil
        try:
            found = self._json_page([column], offset=0, limit=1, columns=[name], filters=filters, is_extra=True)
        except DuneBadRequestError:  # a type that cannot be compared with a text: JSON shows it for each value
            return True
        return bool(found.batch.num_rows)


# Assumption: csv-nested.
def _format(options: ReadOptions, columns: Sequence[Column]) -> Literal["csv", "json"]:
    nested = next((column for column in columns if column.type.is_nested), None)
    if options.wire == "csv" and nested:
        raise DuneConfigurationError(
            f"Column {nested.name!r} is {nested.type.text}, whose form in CSV is not known.",
            hint='Leave wire out, or read it as wire="json".',
        )
    return "json" if nested or options.wire == "json" else "csv"


def _page_of(page: JsonPage) -> Page[pa.RecordBatch]:
    return Page([page.batch], page.batch.num_rows, page.envelope.next_offset, page.envelope.next_uri)


def _join(batches: list[pa.RecordBatch]) -> None:
    """Join the batches of a page, in place: memory that is freed between small batches would never be released."""
    batches[:] = [pa.concat_batches(batches, memory_pool=FRAME_MEMORY)]
