"""A page in CSV as a record batch, read in blocks while it comes: its text never stands in memory as a whole."""

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
"""What stands in CSV for NULL. An empty field is an empty text."""

BLOCK_BYTES = 2**20
"""How much is taken apart at once: as much again, and more, is needed beside it."""


class Run(Protocol):
    """Does some work, such as in another thread, and returns what it returns."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Do it."""


def _at_once(work: Callable[[], T]) -> T:
    return work()


class Block(NamedTuple):
    """Some whole rows: where they stand, and how many quotes there are."""

    text: bytearray
    end: int
    quotes: int


def read_csv(
    pieces: Iterable[bytes],
    columns: Sequence[Column],
    parse: Run = _at_once,
    buffer: bytearray | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read a page in CSV; its header must name the columns.

    Args:
        pieces: Its bytes, cut anywhere.
        columns: The columns that it must have.
        parse: Makes a block a batch, such as in another thread.
        buffer: Memory to gather blocks in, from `new_block_buffer`, which nobody else uses meanwhile; its own if None.
            Touching fresh memory costs more time than the copying does.

    Yields:
        Its rows, a batch for each block; none where it has no rows.

    Raises:
        DuneResultError: It is no page of such a result.
    """
    schema = arrow_schema(columns)
    places: list[int] | None = None
    for block in _blocks(pieces, new_block_buffer() if buffer is None else buffer):
        start = 0
        if places is None:
            start = _end_of_header(block)
            places = _places(bytes(block.text[:start]), columns)
        if start < block.end:
            yield parse(partial(_rows, block, start, places, columns, schema))
    if places is None:
        _places(b"", columns)
    parse(pa.default_memory_pool().release_unused)  # what its thread has freed, which allocators would keep


def new_block_buffer() -> bytearray:
    """Memory for blocks that are not unusually large."""
    return bytearray(BLOCK_BYTES + BLOCK_BYTES // 4)


def _rows(
    block: Block, start: int, places: Sequence[int], columns: Sequence[Column], schema: pa.Schema
) -> pa.RecordBatch:
    """Make a batch of the rows of a block."""
    texts = _texts(block, start, len(columns))
    arrays = [from_text(_one_piece(texts.column(place)), column) for place, column in zip(places, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _blocks(pieces: Iterable[bytes], buffer: bytearray) -> Iterator[Block]:
    """Cut a page into blocks of whole rows; each is overwritten when the next one is asked for."""
    view, length, wanted = memoryview(buffer), 0, BLOCK_BYTES
    for piece in pieces:
        if length + len(piece) > len(buffer):
            buffer = bytearray(2 * (length + len(piece)))
            buffer[:length] = view[:length]
            view = memoryview(buffer)
        view[length : length + len(piece)] = piece
        length += len(piece)
        if length < wanted:
            continue
        block = _whole_rows(buffer, length)
        wanted = BLOCK_BYTES if block.end else 2 * length
        if block.end:
            yield block
            view[: length - block.end] = view[block.end : length]
            length -= block.end
    if length:
        yield Block(buffer, length, _quotes(buffer, 0, length))


def _whole_rows(text: bytearray, length: int) -> Block:
    """Where the last whole row ends: after a line break that stands in no quotes, so that those before it are even."""
    end = text.rfind(b"\n", 0, length)
    quotes = _quotes(text, 0, end + 1)
    while end >= 0 and quotes % 2:
        before = text.rfind(b"\n", 0, end)
        quotes -= text.count(b'"', before + 1, end + 1)
        end = before
    return Block(text, end + 1, quotes)


def _quotes(text: bytearray, start: int, end: int) -> int:
    """How many quotes there are. Looking for the first one is quicker than counting, and most texts have none."""
    return text.count(b'"', start, end) if text.find(b'"', start, end) >= 0 else 0


def _end_of_header(block: Block) -> int:
    """Where the rows begin: after the first line break that stands in no quotes."""
    text = block.text
    end = text.find(b"\n", 0, block.end)
    while end >= 0 and text.count(b'"', 0, end) % 2:
        end = text.find(b"\n", end + 1, block.end)
    return block.end if end < 0 else end + 1


def _places(header: bytes, columns: Sequence[Column]) -> list[int]:
    """Where each column stands in a line."""
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
    """The rows of a block as texts."""
    names = [str(place) for place in range(width)]
    quotes = block.quotes - block.text.count(b'"', 0, start)
    if quotes % 2:
        raise DuneResultError("A page of the result ends within quotes: it has not come whole.")
    rows = pa.py_buffer(block.text)[start : block.end]
    if block.text.startswith(BOM_UTF8, start):  # a text's own; Arrow takes the first one for a mark of the encoding
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


def _one_piece(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
