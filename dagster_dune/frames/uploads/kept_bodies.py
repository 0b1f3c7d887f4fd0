"""All rows on disk as bodies of inserts before the first is sent, so that each is checked, and the price known.

No more than a few slices of the rows stand in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from dagster_dune.api.models import TableColumn
from dagster_dune.errors import DuneConfigurationError, DuneUploadError
from dagster_dune.frames.uploads.bodies import ContentType, content_type, header, rows_of
from dagster_dune.frames.uploads.options import WriteOptions
from dagster_dune.frames.uploads.sources import Rows

WRITERS = 2
Content = bytes | memoryview
Lines = tuple[memoryview, int]
"""Some lines, and how many rows they are."""


@dataclass(frozen=True)
class Body:
    """What one insert sends.

    Attributes:
        path: The file.
        format: What it holds.
        rows: Its rows.
        bytes: Its size.
    """

    path: Path
    format: ContentType
    rows: int
    bytes: int

    def with_more(self, lines: Content, rows: int) -> Body:
        """Add lines to its file.

        Raises:
            DuneUploadError: The disk has no room for them.
        """
        try:
            with self.path.open("ab") as file:
                file.write(lines)
        except OSError as error:
            raise DuneUploadError(
                f"The rows cannot be kept in {self.path.parent} until they are sent: {error}.",
                hint="Nothing was sent. Make room there, or name another folder in TMPDIR.",
            ) from error
        return replace(self, rows=self.rows + rows, bytes=self.bytes + len(lines))


@dataclass(frozen=True)
class Bodies:
    """What all inserts send.

    Attributes:
        bodies: One an insert, in the order of the rows; none where there are none.
        with_nulls: The columns in which some row has no value.
    """

    bodies: list[Body]
    with_nulls: frozenset[str]


def keep_bodies(rows: Rows, columns: list[TableColumn], options: WriteOptions, folder: Path) -> Bodies:
    """Write all rows to disk, in as few files as the size of a request allows.

    Args:
        rows: The rows.
        columns: Those of the table: the rows' own, and the marker's after them where there is one.
        options: How they are written.
        folder: Where.

    Raises:
        DuneConfigurationError: A value does not fit its column, or a row is too large.
        DuneUploadError: The disk has no room.
    """
    format_ = content_type(columns, rows, options.marker)
    begin = header(columns, format_)
    bodies, with_nulls = list[Body](), set[str]()
    with closing(_lines(rows, columns, options, format_, with_nulls)) as pieces:
        for lines, count in pieces:
            if len(begin) + len(lines) > options.max_request_bytes:
                raise DuneConfigurationError(f"A row has more than max_request_bytes={options.max_request_bytes:,}.")
            if not bodies or bodies[-1].bytes + len(lines) > options.max_request_bytes:
                bodies.append(Body(folder / str(len(bodies)), format_, 0, 0))
                bodies[-1] = bodies[-1].with_more(begin, 0)
            bodies[-1] = bodies[-1].with_more(lines, count)
    return Bodies(bodies, frozenset(with_nulls))


def _lines(
    rows: Rows, columns: list[TableColumn], options: WriteOptions, format_: ContentType, with_nulls: set[str]
) -> Generator[Lines]:
    """Write the rows slice by slice, a few at once, in their order; tell which columns have no value somewhere."""
    max_bytes = options.max_request_bytes - len(header(columns, format_))
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="dune-bodies") as pool:
        coming = deque[Future[list[Lines]]]()
        try:
            for slice_ in rows.slices(rows.schema.names):
                with_nulls |= {name for name in slice_.schema.names if slice_.column(name).null_count}
                coming.append(pool.submit(_written, slice_, columns, options.marker, format_, max_bytes))
                if len(coming) > WRITERS:
                    yield from coming.popleft().result()
            while coming:
                yield from coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _written(
    rows: pa.RecordBatch, columns: list[TableColumn], marker: str | None, format_: ContentType, max_bytes: int
) -> list[Lines]:
    """Write some rows, by halves where they are more than a request takes, or than Arrow has in one array."""
    arrays = list(rows.columns)
    if marker is not None:
        arrays.append(pa.array([marker] * rows.num_rows, pa.string()))
    whole = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    try:
        lines = rows_of(whole, columns, format_)
    except (pa.ArrowInvalid, pa.ArrowCapacityError):
        if rows.num_rows == 1:
            raise
    else:
        if len(lines) <= max_bytes or rows.num_rows == 1:
            return [(lines, rows.num_rows)]
    half = rows.num_rows // 2
    return [
        *_written(rows.slice(0, half), columns, marker, format_, max_bytes),
        *_written(rows.slice(half), columns, marker, format_, max_bytes),
    ]
