"""The rows of an execution as a stream of Arrow record batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.pages.page_reader import PageReader
from dagster_dune.frames.pages.page_threads import PageThreads
from dagster_dune.frames.types.columns import ARROW_DIGITS, Choices, arrow_schema, columns_of
from dagster_dune.paging.execution_pages import ExecutionPages
from dagster_dune.paging.options import Export, ReadOptions
from dagster_dune.paging.requests import Page


class ResultReader(ExecutionPages[pa.RecordBatch]):
    """Reads the rows of one execution, once.

    Args:
        client: A client, which must stay open until the stream has been read.
        execution_id: An execution that has completed.
        options: Which rows and columns are read.
        digits: The digits of the widest decimal that the target can hold.
        on_progress: Called after each batch.

    Attributes:
        status: The status of the execution before the first page.
        columns: The columns of the frame.
        schema: The Arrow schema of the frame.
        export: The rows and bytes that have been read so far.

    Raises:
        DuneResultError: It has not completed, has failed or expired, or is larger than `max_bytes`.
        DuneConfigurationError: `columns` has a name that several columns of the result share.
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
        super().__init__(client, execution_id, options)
        if twice := [name for name in options.columns or () if self.names.count(name) > 1]:
            raise DuneConfigurationError(
                f"Execution {execution_id} has several columns called {twice[0]!r}: columns cannot choose one of them.",
                hint="Name them apart in the SQL, or leave columns out.",
            )
        self._on_progress = on_progress or (lambda _: None)
        choices = Choices(options.uint256, options.timestamps, digits)
        columns = columns_of(self.names, self.types, choices)
        by_name = {column.name: column for column in columns}
        self.columns = columns if options.columns is None else tuple(by_name[name] for name in options.columns)
        self.schema = arrow_schema(self.columns)

    def use_threads(self, threads: PageThreads, rows_before: int = 0) -> None:
        """Set the threads that read the pages, which must stay open until the last page has been read.

        Args:
            threads: The threads that parse, and that look up the text ``<nil>``.
            rows_before: The number of rows of other executions that come before these, and are parsed first.
        """
        self._reader = PageReader(
            self._client,
            self.execution_id,
            self._options,
            self.columns,
            self._requests,
            self.export,
            threads,
            rows_before,
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows.

        Yields:
            Record batches in the order of the rows, one or more for each page.

        Raises:
            DuneResultError: A page is wrong; the batches that were yielded before are not the complete result.
            DuneApiError: A page could not be read.
        """
        with PageThreads() as threads, closing(self.pages()) as pages:
            self.use_threads(threads)
            for page in pages:
                for batch in page.parts:
                    yield batch
                    self._on_progress(self.export)

    def _page(self, offset: int, limit: int) -> Page[pa.RecordBatch]:
        return self._reader.read(offset, limit)

    def _sample(self) -> Page[pa.RecordBatch]:
        return self._reader.read_sample()
