"""Writes all rows to disk as bodies of inserts before the first is sent, to check them and know the price.

Only a few slices of the rows are in memory at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from dagster_dune.api.models import TableColumn
from dagster_dune.api.waiting import result_of
from dagster_dune.errors import DuneConfigurationError, DuneUploadError
from dagster_dune.frames.uploads.bodies import CSV, ContentType, content_type, header, respelled, rows_of
from dagster_dune.frames.uploads.options import WriteOptions
from dagster_dune.frames.uploads.sources import Rows

WRITERS = 2
RESPELLED_BYTES = 2**20
Content = bytes | memoryview
Lines = tuple[memoryview, int]
"""Encoded lines, and the number of their rows."""


@dataclass(frozen=True)
class Body:
    """The body of one insert, in a file.

    Attributes:
        path: The file.
        format: The format of the file.
        rows: The number of rows in it.
        bytes: The size of the file.
    """

    path: Path
    format: ContentType
    rows: int
    bytes: int

    def with_more(self, lines: Content, rows: int) -> Body:
        """Append lines to the file, and return the body with its new size.

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

    def respell(self, spelling: Mapping[str, str]) -> None:
        """Write the names of the columns as a table has them, in place: names have the length that they had.

        Args:
            spelling: The names by their lower-case form.
        """
        names = {lower.encode(): name.encode() for lower, name in spelling.items()}
        with self.path.open("r+b") as file:
            while lines := file.readlines(1 if self.format == CSV else RESPELLED_BYTES):
                joined = b"".join(lines)
                file.seek(-len(joined), os.SEEK_CUR)
                file.write(respelled(joined.removesuffix(b"\n"), names, self.format))
                if self.format == CSV:
                    return
                file.seek(1, os.SEEK_CUR)


@dataclass(frozen=True)
class Bodies:
    """The bodies of all inserts.

    Attributes:
        bodies: One body for each insert, in the order of the rows; empty if there are no rows.
        with_nulls: The names of the columns that hold a NULL.
    """

    bodies: list[Body]
    with_nulls: frozenset[str]


def write_bodies(rows: Rows, columns: list[TableColumn], options: WriteOptions, folder: Path) -> Bodies:
    """Write all rows to disk, in as few files as the maximum size of a request allows.

    Args:
        rows: The rows.
        columns: The columns of the table: those of the rows, and then that of the marker if there is one.
        options: How the rows are written.
        folder: The folder for the files.

    Raises:
        DuneConfigurationError: A value does not fit its column, or a row is too large.
        DuneUploadError: The disk has no room.
    """
    format_ = content_type(columns, rows, options.marker)
    header_line = header(columns, format_)
    bodies, with_nulls = list[Body](), set[str]()
    with closing(_lines(rows, columns, options, format_, with_nulls)) as pieces:
        for lines, count in pieces:
            if len(header_line) + len(lines) > options.max_request_bytes:
                raise DuneConfigurationError(f"A row has more than max_request_bytes={options.max_request_bytes:,}.")
            if not bodies or bodies[-1].bytes + len(lines) > options.max_request_bytes:
                bodies.append(Body(folder / str(len(bodies)), format_, 0, 0))
                bodies[-1] = bodies[-1].with_more(header_line, 0)
            bodies[-1] = bodies[-1].with_more(lines, count)
    return Bodies(bodies, frozenset(with_nulls))


def _lines(
    rows: Rows, columns: list[TableColumn], options: WriteOptions, format_: ContentType, with_nulls: set[str]
) -> Generator[Lines]:
    """Encode the rows slice by slice, a few at once, and yield them in order; add the columns with NULL to a set."""
    max_bytes = options.max_request_bytes - len(header(columns, format_))
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="dune-bodies") as pool:
        pending = deque[Future[list[Lines]]]()
        try:
            for slice_ in rows.slices(rows.schema.names):
                with_nulls |= {name for name in slice_.schema.names if slice_.column(name).null_count}
                pending.append(pool.submit(_lines_of, slice_, columns, options.marker, format_, max_bytes))
                if len(pending) > WRITERS:
                    yield from result_of(pending.popleft())
            while pending:
                yield from result_of(pending.popleft())
        finally:
            for future in pending:
                future.cancel()


def _lines_of(
    rows: pa.RecordBatch, columns: list[TableColumn], marker: str | None, format_: ContentType, max_bytes: int
) -> list[Lines]:
    """Encode rows. They are split in half, repeatedly, if they exceed the size of a request or of an Arrow array."""
    arrays = list(rows.columns)
    if marker is not None:
        arrays.append(pa.array([marker] * rows.num_rows, pa.string()))
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    try:
        lines = rows_of(batch, columns, format_)
    except (pa.ArrowInvalid, pa.ArrowCapacityError):
        if rows.num_rows == 1:
            raise
    else:
        if len(lines) <= max_bytes or rows.num_rows == 1:
            return [(lines, rows.num_rows)]
    half = rows.num_rows // 2
    return [
        *_lines_of(rows.slice(0, half), columns, marker, format_, max_bytes),
        *_lines_of(rows.slice(half), columns, marker, format_, max_bytes),
    ]
