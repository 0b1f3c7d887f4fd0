"""The rows of an execution as a stream of Arrow record batches: pages read several at once, given in order, counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.api.models import ExecutionStatus, ResultMetadata
from dagster_dune.errors import DuneResultError
from dagster_dune.frames.options import Export, ReadOptions
from dagster_dune.frames.pages.page_reader import Page, PageReader
from dagster_dune.frames.types.columns import ARROW_DIGITS, Choices, Column, arrow_schema, columns_of
from dagster_dune.pipeline.readable import EXPIRY_HINT, check_readable
from dagster_dune.pipeline.states import Phase, phase_of

MAX_DATAPOINTS = 250_000
"""Dune caps a page at so many values; see https://docs.dune.com/api-reference/executions/endpoint/get-execution-result."""

PAGE_BYTES = 8 * 2**20
"""About how large a page is at the most, however wide its rows are: several stand in memory."""


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
        self._options = options
        self._on_progress = on_progress or (lambda _: None)
        self.execution_id = execution_id
        self.status = _readable(client, execution_id, allow_partial=options.allow_partial_results)
        metadata = self.status.result_metadata or ResultMetadata()
        self._total = None if phase_of(self.status.state) is Phase.PARTIAL else metadata.total_row_count
        choices = Choices(options.uint256, options.timestamps, digits)
        self.columns = _chosen(columns_of(*_names_and_types(execution_id, metadata), choices), options.columns)
        self.schema = arrow_schema(self.columns)
        self.export = Export(total_bytes=metadata.total_result_set_bytes)
        self._pages = PageReader(client, execution_id, options, self.columns, self._total, self.export)
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
        with self._pages, closing(source):
            for batch in source:
                self.export.rows += batch.num_rows
                yield batch
                self._on_progress(self.export)
        if expected is not None and self.export.rows != expected and not self._options.sample:
            raise DuneResultError(
                f"{self.export.rows:,} rows of execution {self.execution_id} came, of {expected:,}.",
                hint="Read it again; nothing of a short read should be kept.",
            )

    # --- three ways through the pages ---

    def _parallel(self) -> Generator[pa.RecordBatch]:
        """Read the pages that the row count tells of, a few at once."""
        total, size = self.expected_rows or 0, self._page_size
        with _Pool(self._options.concurrency) as pool:
            pages: deque[Future[list[pa.RecordBatch]]] = deque()
            for offset in range(0, total, size):
                pages.append(pool.submit(self._range, offset, min(size, total - offset)))
                if len(pages) >= self._options.concurrency:
                    yield from pages.popleft().result()
            while pages:
                yield from pages.popleft().result()

    def _range(self, offset: int, count: int) -> list[pa.RecordBatch]:
        """Read some rows: one page, or more where Dune gives shorter ones than it was asked for."""
        batches, end = list[pa.RecordBatch](), offset + count
        while offset < end:
            page = self._pages.read(offset, end - offset)
            # Assumption: page-size.
            after = offset + page.num_rows
            if page.next_offset != (None if after == self._total else after):
                raise self._pages.wrong(page, offset)
            batches += page.batches
            offset = after
        return batches

    def _serial(self) -> Generator[pa.RecordBatch]:
        """Read page after page until Dune names no next one; each comes while the one before it is used."""
        with _Pool(1) as pool:
            coming = self._coming(pool, 0)
            while coming is not None:
                page = coming.result()
                coming = self._coming(pool, page.next_offset)
                yield from page.batches

    def _coming(self, pool: _Pool, offset: int | None) -> Future[Page] | None:
        limit = self._options.limit
        if offset is None or (limit is not None and offset >= limit):
            return None
        left = self._page_size if limit is None else min(self._page_size, limit - offset)
        return pool.submit(self._pages.read, offset, left)

    def _sampled(self) -> Generator[pa.RecordBatch]:
        yield self._pages.read_sample()

    # --- before the first page ---

    @property
    def _page_size(self) -> int:
        if self._options.page_size:
            return self._options.page_size
        size = MAX_DATAPOINTS // len(self.columns)
        if self._total and self.export.total_bytes:
            size = min(size, PAGE_BYTES * self._total // self.export.total_bytes)
        return max(1, size)

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
