"""Reads the rows of several executions, such as those of some partitions, one after another."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import accumulate, groupby, zip_longest
from operator import itemgetter

import pyarrow as pa

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.pool import RequestPool
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.pages.page_threads import PageThreads
from dagster_dune.frames.result_reader import ResultReader
from dagster_dune.frames.types.columns import ARROW_DIGITS, Column, arrow_schema
from dagster_dune.frames.types.dune_types import without_lengths
from dagster_dune.paging.execution_pages import THREADS, ExecutionPages
from dagster_dune.paging.options import Export, ReadOptions
from dagster_dune.paging.requests import Page
from dagster_dune.paging.several_pages import pages_in_order


class ResultReaders:
    """Reads the rows of several executions with the same columns, one after another; see `ResultReader`."""

    def __init__(
        self,
        client: DuneApiClient,
        execution_ids: Sequence[str],
        options: ReadOptions,
        *,
        digits: int = ARROW_DIGITS,
        on_progress: Callable[[Export], None] | None = None,
    ) -> None:
        if not execution_ids:
            raise DuneConfigurationError("There is no execution to read.")
        if any(option is not None for option in (options.limit, options.sample, options.sort_by)):
            raise DuneConfigurationError(
                "limit, sample and sort_by are of one execution, and cannot be asked of several.",
                hint="Read them one by one, or sort and cut the frame.",
            )
        self._on_progress = on_progress or (lambda _: None)
        self._concurrency = options.concurrency
        with RequestPool(self._concurrency, THREADS) as pool:
            opening = [partial(ResultReader, client, each, options, digits=digits) for each in execution_ids]
            self._readers = list(pool.in_order(opening))
        self.columns = self._readers[0].columns
        for reader in self._readers[1:]:
            self.columns = _common_columns(self.columns, reader, execution_ids[0])
        self.schema = arrow_schema(self.columns)
        sizes = [reader.export.total_bytes for reader in self._readers]
        known = [size for size in sizes if size is not None]
        self.export = Export(total_bytes=sum(known) if len(known) == len(sizes) else None)
        if options.max_bytes is not None and sum(known) > options.max_bytes:
            raise DuneResultError(
                f"The results of {self.name} have {sum(known):,} bytes, more than max_bytes={options.max_bytes:,}."
            )

    @property
    def name(self) -> str:
        """A description of what is read, for messages."""
        return f"{len(self._readers)} executions"

    @property
    def expected_rows(self) -> int | None:
        """The number of rows to be read; None if it is not known before they are read."""
        rows = [reader.expected_rows for reader in self._readers]
        return None if None in rows else sum(count for count in rows if count is not None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows; see `ResultReader.batches`."""
        done = Export()
        with closing(self._pages()) as pages:
            for reader, own_pages in groupby(pages, itemgetter(0)):
                for page in reader.counted(page for _, page in own_pages):
                    self._count(done, reader.export)
                    for batch in page.parts:
                        yield pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
                        self._on_progress(self.export)
                self._count(done, reader.export)
                done = Export(self.export.rows, self.export.bytes, self.export.extra_bytes)

    def _pages(self) -> Generator[tuple[ExecutionPages[pa.RecordBatch], Page[pa.RecordBatch]]]:
        """Read the pages in order. Pages are read concurrently, across executions, where their number is known."""
        with PageThreads() as threads:
            for reader, rows_before in zip(self._readers, self._rows_before(), strict=True):
                reader.use_threads(threads, rows_before)
            yield from pages_in_order(self._readers, self._concurrency)

    def _rows_before(self) -> Iterator[int]:
        return accumulate((reader.expected_rows or 0 for reader in self._readers[:-1]), initial=0)

    def _count(self, done: Export, read: Export) -> None:
        self.export.rows = done.rows + read.rows
        self.export.bytes = done.bytes + read.bytes
        self.export.extra_bytes = done.extra_bytes + read.extra_bytes


def _common_columns(columns: Sequence[Column], reader: ResultReader, first_id: str) -> tuple[Column, ...]:
    """Return the columns with the types that fit the rows of another execution, too.

    Declared lengths of texts may differ: that of a text that the SQL contains, such as a parameter, is its own length.

    Raises:
        DuneResultError: The other execution has other columns.
    """
    common = [_with_common_type(one, other) for one, other in zip_longest(columns, reader.columns)]
    if None in common:
        raise DuneResultError(
            f"The columns of executions {first_id} and {reader.execution_id} differ: "
            f"{_differing(columns, reader.columns)}.",
            hint="The SQL was changed between them: execute the older ones again, or read them one by one.",
        )
    return tuple(column for column in common if column is not None)


def _with_common_type(one: Column | None, other: Column | None) -> Column | None:
    if one is None or other is None or one == other:
        return one if one == other else None
    column, same = (replace(column, type=without_lengths(column.type)) for column in (one, other))
    return column if column == same else None


def _differing(one: Sequence[Column], other: Sequence[Column]) -> str:
    first, second = (
        {(column.name, without_lengths(column.type).text) for column in columns} for columns in (one, other)
    )
    return ", ".join(f"{name} {type_}" for name, type_ in sorted(first ^ second)) or "their order"
