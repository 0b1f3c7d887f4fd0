"""The rows of an execution as a stream of Arrow record batches: pages read several at once, given in order, counted.

Addresses of next pages are never followed: each request names its own offset, so that the key goes nowhere else.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.client import DuneApiClient, ResultsPage
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.api.models import ExecutionStatus, ResultMetadata
from dagster_dune.errors import DuneResultError
from dagster_dune.frames.options import Export, ReadOptions
from dagster_dune.frames.pages import NULL_IN_CSV, read_csv, read_json
from dagster_dune.frames.types.columns import ARROW_DIGITS, Choices, Column, arrow_schema, columns_of
from dagster_dune.pipeline.readable import EXPIRY_HINT, check_readable
from dagster_dune.pipeline.states import Phase, phase_of

MAX_DATAPOINTS = 250_000
"""Dune caps a page at so many values; see https://docs.dune.com/api-reference/executions/endpoint/get-execution-result."""


class ResultReader:
    """Reads the rows of one execution, once.

    Args:
        client: A client, which must stay open until the stream has been read.
        execution_id: An execution that has completed.
        options: Which rows and columns.
        digits: The digits of the widest decimal that the target can hold.
        on_progress: Called after each batch.

    Attributes:
        status: What Dune said of the execution before the first page.
        columns: The columns of the frame.
        schema: Its schema in Arrow.
        export: What has been read so far.

    Raises:
        DuneResultError: It has not completed, has failed or expired, or is larger than `max_bytes`.
    """

    def __init__(
        self,
        client: DuneApiClient,
        execution_id: str,
        options: ReadOptions,
        *,
        digits: int = ARROW_DIGITS,
        on_progress: Callable[[Export], None] | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._on_progress = on_progress or (lambda _: None)
        self._real_nil: dict[str, bool] = {}
        self._asking = threading.Lock()
        self.execution_id = execution_id
        self.status = _readable(client, execution_id, allow_partial=options.allow_partial_results)
        metadata = self.status.result_metadata or ResultMetadata()
        self._total = None if phase_of(self.status.state) is Phase.PARTIAL else metadata.total_row_count
        choices = Choices(options.uint256, options.timestamps, digits)
        self.columns = _chosen(columns_of(*_names_and_types(execution_id, metadata), choices), options.columns)
        self.schema = arrow_schema(self.columns)
        self.export = Export(total_bytes=metadata.total_result_set_bytes)
        self._format = self._chosen_format()
        self._check_size()

    @property
    def name(self) -> str:
        """What it reads, for messages."""
        return f"execution {self.execution_id}"

    @property
    def expected_rows(self) -> int | None:
        """How many rows there will be; None where only reading them tells."""
        if self._total is None or self._options.filters is not None:
            return None
        limits = [limit for limit in (self._options.limit, self._options.sample) if limit is not None]
        return min([self._total, *limits])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows.

        Yields:
            Record batches in the order of the rows, one or more a page.

        Raises:
            DuneResultError: A page is not what it must be; what has been given until then is not the whole result.
            DuneApiError: A page could not be read.
        """
        expected = self.expected_rows
        source = self._sampled() if self._options.sample else self._serial() if expected is None else self._parallel()
        try:
            for batch in source:
                self.export.rows += batch.num_rows
                yield batch
                self._on_progress(self.export)
        finally:
            source.close()
        if expected is not None and self.export.rows != expected and not self._options.sample:
            raise DuneResultError(
                f"{self.export.rows:,} rows of execution {self.execution_id} came, of {expected:,}.",
                hint="Read it again; nothing of a short read should be kept.",
            )

    # --- three ways through the pages ---

    def _parallel(self) -> Generator[pa.RecordBatch]:
        """Read the pages that the row count tells of, a few at once."""
        total, size = self.expected_rows or 0, self._page_size
        offsets = iter(range(0, total, size))
        with _Pool(self._options.concurrency) as pool:
            pages: deque[Future[list[pa.RecordBatch]]] = deque()
            for offset in offsets:
                pages.append(pool.submit(self._range, offset, min(size, total - offset)))
                if len(pages) >= self._options.concurrency:
                    yield from pages.popleft().result()
            while pages:
                yield from pages.popleft().result()

    def _serial(self) -> Generator[pa.RecordBatch]:
        """Read page after page until Dune names no next one, each parsed while the next one comes."""
        limit = self._options.limit
        offset: int | None = 0
        with _Pool(2) as pool:
            parsed: Future[_Page] | None = None
            while offset is not None:
                left = self._page_size if limit is None else min(self._page_size, limit - offset)
                if left < 1:
                    break
                fetched = pool.submit(self._fetch, self._format, offset, left)
                if parsed is not None:
                    yield parsed.result().batch
                page = fetched.result()
                parsed = pool.submit(self._parse, page, offset, left)
                offset = page.next_offset if page.format == "csv" else parsed.result().next_offset
            if parsed is not None:
                yield parsed.result().batch

    def _sampled(self) -> Generator[pa.RecordBatch]:
        page = self._fetch("json", None, None)
        yield self._parse(page, 0, self._options.sample or 0).batch

    # --- one page ---

    def _range(self, offset: int, count: int) -> list[pa.RecordBatch]:
        """Read some rows: one page, or more where Dune gives shorter ones than it was asked for."""
        batches, end = [], offset + count
        while offset < end:
            page = self._parse(self._fetch(self._format, offset, end - offset), offset, end - offset)
            # Assumption: page-size.
            after = offset + page.batch.num_rows
            if page.next_offset != (None if after == self._total else after):
                raise self._wrong_page(page, offset)
            batches.append(page.batch)
            offset = after
        return batches

    def _wrong_page(self, page: _Page, offset: int) -> DuneResultError:
        of_all = "" if self._total is None else f", of {self._total:,} rows"
        return DuneResultError(
            f"The page at row {offset:,} of execution {self.execution_id} has {page.batch.num_rows:,} rows and says "
            f"that the next one begins at {page.next_offset}{of_all}.",
            hint="A page is short, came twice, or the result changed: read it again.",
        )

    def _fetch(
        self,
        format_: Literal["csv", "json"],
        offset: int | None,
        limit: int | None,
        columns: Sequence[str] | None = None,
        filters: str | None = None,
    ) -> ResultsPage:
        options = self._options
        try:
            page = self._client.download_execution_results(
                self.execution_id,
                format=format_,
                limit=limit,
                offset=offset,
                columns=columns or options.columns,
                filters=filters or options.filters,
                sort_by=options.sort_by,
                sample_count=options.sample,
                allow_partial_results=options.allow_partial_results,
                ignore_max_credits_per_request=options.ignore_max_credits_per_request,
            )
        except DuneNotFoundError as error:
            raise DuneResultError(f"Dune has no result of execution {self.execution_id}.", hint=EXPIRY_HINT) from error
        self.export.add(len(page.body), extra=columns is not None)
        path = urlsplit(page.next_uri or "").path
        if "/execution/" in path and f"/execution/{self.execution_id}/" not in path:
            raise self._foreign(path)
        return page

    def _parse(self, page: ResultsPage, offset: int, limit: int) -> _Page:
        if page.format == "csv":
            batch = self._with_real_texts(read_csv(page.body, self.columns), offset, limit)
            parsed = _Page(batch, page.next_offset)
        else:
            parsed = self._json(page, self.columns)
        # Assumption: filtered-offset.
        if parsed.next_offset not in (None, offset + parsed.batch.num_rows) or parsed.next_offset == offset:
            raise self._wrong_page(parsed, offset)
        if parsed.batch.num_rows > limit:
            raise DuneResultError(
                f"The page at row {offset:,} of execution {self.execution_id} has {parsed.batch.num_rows:,} rows, but "
                f"{limit:,} were asked for."
            )
        return parsed

    def _json(self, page: ResultsPage, columns: Sequence[Column]) -> _Page:
        read = read_json(page.body, columns)
        if read.execution_id not in (None, self.execution_id):
            raise self._foreign(str(read.execution_id))
        counted = self._options.filters is None and self._options.sample is None
        if counted and self._total is not None and read.total_row_count not in (None, self._total):
            raise DuneResultError(
                f"Execution {self.execution_id} had {self._total:,} rows, and has {read.total_row_count:,} now."
            )
        return _Page(read.batch, read.next_offset)

    def _foreign(self, other: str) -> DuneResultError:
        return DuneResultError(
            f"A page of another execution came ({other}), not of {self.execution_id}.",
            hint="Look at what stands between this machine and Dune: a proxy may keep answers.",
        )

    # --- NULL, or the text <nil> ---

    def _with_real_texts(self, batch: pa.RecordBatch, offset: int, limit: int) -> pa.RecordBatch:
        """Read text columns again as JSON where CSV may show a text as NULL."""
        if not self._options.exact:
            return batch
        for place, column in enumerate(self.columns):
            if column.type.is_text and batch.column(place).null_count and self._holds_nil(column):
                page = self._fetch("json", offset, limit, [column.name])
                texts = self._json(page, [column]).batch.column(0)
                same = (
                    len(texts) == batch.num_rows and pc.all(pc.equal(texts, batch.column(place))).as_py() is not False
                )
                if not same:
                    raise DuneResultError(
                        f"Column {column.name!r} of execution {self.execution_id} differs between CSV and JSON."
                    )
                batch = batch.set_column(place, self.schema.field(place), texts)
        return batch

    def _holds_nil(self, column: Column) -> bool:
        """Whether some row holds the text ``<nil>``: asked once a column."""
        with self._asking:
            # Assumption: csv-nil-filter.
            if column.name not in self._real_nil:
                if sum(other.name == column.name for other in self.columns) > 1 or not column.name:
                    raise DuneResultError(
                        f"Column {column.name!r} has no name of its own: NULL cannot be told from {NULL_IN_CSV}.",
                        hint="Name it in the SQL, or pass exact=False.",
                    )
                condition = f"{_quoted(column.name)} = '{NULL_IN_CSV}'"
                filters = f"({self._options.filters}) AND {condition}" if self._options.filters else condition
                page = self._fetch("json", 0, 1, [column.name], filters)
                self._real_nil[column.name] = read_json(page.body, [column]).batch.num_rows > 0
            return self._real_nil[column.name]

    # --- before the first page ---

    @property
    def _page_size(self) -> int:
        return self._options.page_size or max(1, MAX_DATAPOINTS // len(self.columns))

    # Assumption: csv-nested.
    def _chosen_format(self) -> Literal["csv", "json"]:
        if self._options.sample is not None:
            return "json"
        if self._options.wire != "auto":
            return self._options.wire
        return "json" if any(column.type.is_nested for column in self.columns) else "csv"

    def _check_size(self) -> None:
        most = self._options.max_bytes
        if most is None:
            return
        size = self.export.total_bytes
        if size is None:
            raise DuneResultError(f"Dune does not say how large the result of execution {self.execution_id} is.")
        if self._total and self.expected_rows is not None:
            size = size * self.expected_rows // self._total
        if size > most:
            raise DuneResultError(
                f"The result of execution {self.execution_id} has about {size:,} bytes, more than max_bytes={most:,}.",
                hint="Nothing was read. Name fewer columns in the SQL, set limit, or raise max_bytes.",
            )


class _Page(NamedTuple):
    batch: pa.RecordBatch
    next_offset: int | None


class _Pool(ThreadPoolExecutor):
    """A pool that drops what waits when its user leaves."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, thread_name_prefix="dune-pages")

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=True)


def _readable(client: DuneApiClient, execution_id: str, *, allow_partial: bool) -> ExecutionStatus:
    try:
        status = client.get_execution_status(execution_id)
    except DuneNotFoundError as error:
        raise DuneResultError(f"Dune does not know execution {execution_id}.", hint=EXPIRY_HINT) from error
    check_readable(status, execution_id, allow_partial=allow_partial)
    return status


def _names_and_types(execution_id: str, metadata: ResultMetadata) -> tuple[Sequence[str], Sequence[str]]:
    names, types = metadata.column_names, metadata.column_types
    if not names or len(names) != len(types):
        raise DuneResultError(
            f"Dune names {len(names)} columns and {len(types)} types for the result of execution {execution_id}."
        )
    return names, types


def _chosen(columns: Sequence[Column], names: Sequence[str] | None) -> tuple[Column, ...]:
    if names is None:
        return tuple(columns)
    known = {column.name: column for column in columns}
    if unknown := [name for name in names if name not in known]:
        raise DuneResultError(f"The result has no column {unknown[0]!r}.", hint=f"It has {', '.join(known)}.")
    return tuple(known[name] for name in names)


def _quoted(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'
