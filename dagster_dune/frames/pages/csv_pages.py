"""Reads a page in CSV into record batches, block by block while it arrives: its text is never in memory as a whole."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import pyarrow as pa
import pyarrow.csv as arrow_csv

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types.columns import Column, arrow_schema
from dagster_dune.frames.types.texts import from_text

T = TypeVar("T")

# Assumption: csv-null.
NULL_IN_CSV = "<nil>"
"""How NULL is written in CSV. An empty field is an empty text."""

BLOCK_BYTES = 2**20
"""The size of the blocks that are parsed. Parsing a block takes more memory than the block itself."""


class Runner(Protocol):
    """Calls a function, for instance in another thread, and returns its result."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Call the function."""


def _run_directly(work: Callable[[], T]) -> T:
    return work()


class Block(NamedTuple):
    """Complete rows: the first `end` bytes of `text`, and the number of quotes in them."""

    text: bytearray
    end: int
    quotes: int


def read_csv(
    pieces: Iterable[bytes],
    columns: Sequence[Column],
    parse: Runner = _run_directly,
    buffer: bytearray | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read a page in CSV; its header must name the columns.

    Args:
        pieces: The bytes of the page, in pieces of any size.
        columns: The columns that the page must have.
        parse: Calls the function that parses a block, for instance in another thread.
        buffer: A buffer from `new_block_buffer` to collect blocks in, which nothing else may use meanwhile; a new one
            if None. Touching fresh memory costs more time than copying into used memory.

    Yields:
        The rows, a batch for each block; nothing if the page has no rows.

    Raises:
        DuneResultError: The bytes are no page of such a result.
    """
    schema = arrow_schema(columns)
    indices: list[int] | None = None
    for block in _blocks(pieces, new_block_buffer() if buffer is None else buffer):
        start = 0
        if indices is None:
            start = _end_of_header(block)
            indices = _column_indices(bytes(block.text[:start]), columns)
        if start < block.end:
            yield parse(partial(_rows, block, start, indices, columns, schema))
    if indices is None:
        _column_indices(b"", columns)
    parse(pa.default_memory_pool().release_unused)  # an allocator keeps the memory that a thread has freed


def new_block_buffer() -> bytearray:
    """Return a buffer that holds any block, unless a row of it is unusually large."""
    return bytearray(BLOCK_BYTES + BLOCK_BYTES // 4)


def _rows(
    block: Block, start: int, indices: Sequence[int], columns: Sequence[Column], schema: pa.Schema
) -> pa.RecordBatch:
    """Return the rows of a block as a batch."""
    texts = _texts(block, start, len(columns))
    arrays = [
        from_text(_single_chunk(texts.column(index)), column) for index, column in zip(indices, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _blocks(pieces: Iterable[bytes], buffer: bytearray) -> Iterator[Block]:
    """Cut a page into blocks of complete rows. The next block overwrites the one before."""
    view, length, min_length = memoryview(buffer), 0, BLOCK_BYTES
    for piece in pieces:
        if length + len(piece) > len(buffer):
            buffer = bytearray(2 * (length + len(piece)))
            buffer[:length] = view[:length]
            view = memoryview(buffer)
        view[length : length + len(piece)] = piece
        length += len(piece)
        if length < min_length:
            continue
        block = _complete_rows(buffer, length)
        min_length = BLOCK_BYTES if block.end else 2 * length
        if block.end:
            yield block
            view[: length - block.end] = view[block.end : length]
            length -= block.end
    if length:
        yield Block(buffer, length, _quotes(buffer, 0, length))


def _complete_rows(text: bytearray, length: int) -> Block:
    """Return the block up to the last line break outside of quotes, before which the number of quotes is even."""
    end = text.rfind(b"\n", 0, length)
    quotes = _quotes(text, 0, end + 1)
    while end >= 0 and quotes % 2:
        before = text.rfind(b"\n", 0, end)
        quotes -= text.count(b'"', before + 1, end + 1)
        end = before
    return Block(text, end + 1, quotes)


def _quotes(text: bytearray, start: int, end: int) -> int:
    """Return the number of quotes. Finding the first one is faster than counting, and most texts have none."""
    return text.count(b'"', start, end) if text.find(b'"', start, end) >= 0 else 0


def _end_of_header(block: Block) -> int:
    """Return where the rows begin: after the first line break outside of quotes."""
    text = block.text
    end = text.find(b"\n", 0, block.end)
    while end >= 0 and text.count(b'"', 0, end) % 2:
        end = text.find(b"\n", end + 1, block.end)
    return block.end if end < 0 else end + 1


def _column_indices(header: bytes, columns: Sequence[Column]) -> list[int]:
    """Return the index of each column in a line."""
    try:
        names = next(csv.reader(io.StringIO(header.decode("utf-8-sig"), newline=""), strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DuneResultError(f"The header of a page is no CSV in UTF-8: {error}.") from error
    expected = [column.name for column in columns]
    names = names or [""]
    if names == expected:
        return list(range(len(columns)))
    if sorted(names) != sorted(expected) or len(set(names)) != len(names):
        raise DuneResultError(f"A page of the result has the columns {names}, not {expected}.")
    return [names.index(name) for name in expected]


def _texts(block: Block, start: int, width: int) -> pa.Table:
    """Return the rows of a block as a table of texts."""
    names = [str(index) for index in range(width)]
    quotes = block.quotes - block.text.count(b'"', 0, start)
    if quotes % 2:
        raise DuneResultError("A page of the result ends within quotes: it has not come whole.")
    rows = pa.py_buffer(block.text)[start : block.end]
    if block.text.startswith(BOM_UTF8, start):  # Arrow removes the first mark, and this one is part of a text
        rows = pa.py_buffer(BOM_UTF8 + rows.to_pybytes())
    has_quotes = block.quotes > 0
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(rows),
            arrow_csv.ReadOptions(column_names=names, block_size=len(rows) + 1, use_threads=False),
            arrow_csv.ParseOptions(
                quote_char='"' if has_quotes else False, newlines_in_values=has_quotes, ignore_empty_lines=False
            ),
            arrow_csv.ConvertOptions(
                check_utf8=not block.text.isascii(),
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[NULL_IN_CSV],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DuneResultError(f"A page of the result is no CSV of {width} columns: {error}.") from error


def _single_chunk(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
