"""Reads the pages of one execution, several at once, and yields them in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import Generic, TypeVar

from dagster_dune._formatting import abbreviated, counted
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.api.models import ExecutionStatus, ResultMetadata
from dagster_dune.api.pool import RequestPool
from dagster_dune.api.waiting import result_of
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.paging.options import Export, ReadOptions
from dagster_dune.paging.requests import Page, PageRequests
from dagster_dune.pipeline.readable import EXPIRY_HINT, check_readable
from dagster_dune.pipeline.states import Phase, phase_of

MAX_DATAPOINTS = 250_000
"""Dune's maximum of values in a page; see https://docs.dune.com/api-reference/executions/endpoint/get-execution-result."""

PAGE_BYTES = 8 * 2**20
"""The approximate maximum size of a page, however wide its rows are, since several pages are in memory at once."""

THREADS = "dune-pages"

T = TypeVar("T")


class ExecutionPages(ABC, Generic[T]):
    """Reads the pages of one execution, once.

    Args:
        client: A client, which must stay open until all has been read.
        execution_id: An execution that has completed.
        options: Which rows and columns are read.

    Attributes:
        status: The status of the execution before the first page.
        names: The names of all columns of the result.
        types: The declared types of these columns.
        export: The rows and bytes that have been read so far.

    Raises:
        DuneResultError: It has not completed, has failed or expired, or is larger than `max_bytes`.
        DuneConfigurationError: A sample is larger than Dune's maximum for a page.
    """

    def __init__(self, client: DuneApiClient, execution_id: str, options: ReadOptions) -> None:
        self._options = options
        self._client = client
        self.execution_id = execution_id
        self.status = _readable(client, execution_id, allow_partial=options.allow_partial_results)
        metadata = self.status.result_metadata or ResultMetadata()
        self._total = None if phase_of(self.status.state) is Phase.PARTIAL else metadata.total_row_count
        self.names, self.types = _names_and_types(execution_id, metadata)
        self._width = len(self.names if options.columns is None else options.columns)
        _check_known(options.columns, self.names)
        self.export = Export(total_bytes=metadata.total_result_set_bytes)
        self._requests = PageRequests(client, execution_id, options, self._total, self.names, self.export)
        self._check_size()
        self._check_sample()

    @abstractmethod
    def _page(self, offset: int, limit: int) -> Page[T]:
        """Read one page: at most `limit` rows, from row `offset` on."""

    @abstractmethod
    def _sample(self) -> Page[T]:
        """Read a random sample of the rows, which Dune sends as one page."""

    @property
    def name(self) -> str:
        """A description of what is read, for messages."""
        return f"execution {self.execution_id}"

    @property
    def expected_rows(self) -> int | None:
        """The number of rows to be read; None if it is not known before they are read."""
        if self._total is None or self._options.filters is not None:
            return None
        limits = [limit for limit in (self._options.limit, self._options.sample) if limit is not None]
        return min([self._total, *limits])

    def pages(self) -> Generator[Page[T]]:
        """Read the pages, in the order of the rows.

        Raises:
            DuneResultError: A page is wrong; the pages that were yielded before are not the complete result.
            DuneApiError: A page could not be read.
        """
        reads = self.reads()
        with closing(self.sequential_pages() if reads is None else self._concurrent_pages(reads)) as pages:
            yield from self.counted(pages)

    def counted(self, pages: Iterable[Page[T]]) -> Generator[Page[T]]:
        """Count the rows of all pages, and check at the end that their number is the expected one."""
        for page in pages:
            self.export.rows += page.num_rows
            yield page
        expected = self.expected_rows
        if expected is not None and self.export.rows != expected:
            raise DuneResultError(
                f"{self.export.rows:,} rows of execution {self.execution_id} came, of {expected:,}.",
                hint="Read it again; nothing of a short read should be kept.",
            )

    # --- the ways through the pages ---

    def reads(self) -> list[Callable[[], list[Page[T]]]] | None:
        """Return functions that read the pages, in order, and can be called concurrently.

        Returns:
            A function for each page. None if the number of rows is not known, for instance because they are filtered:
            each page then gives the offset of the next, and they are read with `sequential_pages`.
        """
        total, size = self.expected_rows, self._page_size
        if self._options.sample:
            return [self._checked_sample]
        if total is not None:
            return [partial(self._range, offset, min(size, total - offset)) for offset in range(0, total, size)]
        is_short = self._total is not None and self._total <= size
        return [lambda: list(self.sequential_pages())] if is_short else None

    def _concurrent_pages(self, reads: Iterable[Callable[[], list[Page[T]]]]) -> Generator[Page[T]]:
        """Read several pages at once, and yield them in order."""
        with RequestPool(self._options.concurrency, THREADS) as pool, closing(pool.in_order(reads)) as read:
            for pages in read:
                yield from pages

    def _range(self, offset: int, count: int) -> list[Page[T]]:
        """Read some rows: one page, or more if Dune sends shorter pages than requested."""
        pages, end = list[Page[T]](), offset + count
        while offset < end:
            page = self._checked_page(offset, end - offset)
            # Assumption: page-size.
            after = offset + page.num_rows
            if page.next_offset != (None if after == self._total else after):
                raise self._requests.page_error(page, offset)
            pages.append(page)
            offset = after
        return pages

    def sequential_pages(self) -> Generator[Page[T]]:
        """Read page after page until Dune names no next one. Each is requested while the one before it is used."""
        with RequestPool(1, THREADS) as pool:
            pending = self._request_page(pool, 0)
            while pending is not None:
                page = result_of(pending)
                pending = self._request_page(pool, page.next_offset)
                yield page

    def _request_page(self, pool: RequestPool, offset: int | None) -> Future[Page[T]] | None:
        limit = self._options.limit
        if offset is None or (limit is not None and offset >= limit):
            return None
        size = self._page_size if limit is None else min(self._page_size, limit - offset)
        return pool.start(self._checked_page, offset, size)

    def _checked_sample(self) -> list[Page[T]]:
        page, requested = self._sample(), self._options.sample or 0
        if page.num_rows > requested:
            raise DuneResultError(
                f"A sample of {page.num_rows:,} rows of execution {self.execution_id} came, but {requested:,} were "
                "asked for."
            )
        return [page]

    def _checked_page(self, offset: int, limit: int) -> Page[T]:
        page = self._page(offset, limit)
        self._requests.check(page, offset, limit)
        return page

    # --- before the first page ---

    @property
    def _page_size(self) -> int:
        if self._options.page_size:
            return self._options.page_size
        size = MAX_DATAPOINTS // self._width
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

    def _check_sample(self) -> None:
        """Check that a sample fits into one page: Dune cuts off larger ones, and sends no second page."""
        rows = self._options.sample or 0
        rows = rows if self._total is None else min(rows, self._total)
        if rows * self._width > MAX_DATAPOINTS and not self._options.ignore_max_credits_per_request:
            raise DuneConfigurationError(
                f"A sample of {rows:,} rows of execution {self.execution_id} has {rows * self._width:,} values, and "
                f"Dune gives {MAX_DATAPOINTS:,} at once.",
                hint="Pass ignore_max_credits_per_request=True, or sample fewer rows, or name fewer columns.",
            )


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
            f"Dune names {counted(len(names), 'column')} and {counted(len(types), 'type')} for the result of execution "
            f"{execution_id}."
        )
    return names, types


def _check_known(requested: Sequence[str] | None, names: Sequence[str]) -> None:
    if unknown := [name for name in requested or () if name not in names]:
        raise DuneResultError(
            f"The result has no column {unknown[0]!r}.", hint=f"It has {abbreviated(names, most=20)}."
        )
