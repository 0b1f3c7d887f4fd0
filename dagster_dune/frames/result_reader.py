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
        DuneConfigurationError: `columns` names one that is not the only one of its name.
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
        if twins := [name for name in options.columns or () if self.names.count(name) > 1]:
            raise DuneConfigurationError(
                f"Execution {execution_id} has several columns called {twins[0]!r}: columns cannot choose one of them.",
                hint="Name them apart in the SQL, or leave columns out.",
            )
        self._on_progress = on_progress or (lambda _: None)
        choices = Choices(options.uint256, options.timestamps, digits)
        columns = columns_of(self.names, self.types, choices)
        by_name = {column.name: column for column in columns}
        self.columns = columns if options.columns is None else tuple(by_name[name] for name in options.columns)
        self.schema = arrow_schema(self.columns)

    def read_in(self, threads: PageThreads, rows_before: int = 0) -> None:
        """Say in which threads pages are read from now on, which must be open as long.

        Args:
            threads: What parses, and asks about NULL.
            rows_before: How many rows of other executions come before these, and are parsed first.
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
            Record batches in the order of the rows, one or more a page.

        Raises:
            DuneResultError: A page is not what it must be; what has been given until then is not the whole result.
            DuneApiError: A page could not be read.
        """
        with PageThreads() as threads, closing(self.pages()) as pages:
            self.read_in(threads)
            for page in pages:
                for batch in page.parts:
                    yield batch
                    self._on_progress(self.export)

    def _page(self, offset: int, limit: int) -> Page[pa.RecordBatch]:
        return self._reader.read(offset, limit)

    def _sample(self) -> Page[pa.RecordBatch]:
        return self._reader.read_sample()
