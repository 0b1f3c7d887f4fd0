"""Encodes rows for Dune: in CSV, which is shorter, if that is exact for them, and otherwise in NDJSON.

In CSV an empty field is NULL, so an empty text cannot be written. Other values that a CSV reader may change are sent as
NDJSON too: words for NULL, texts with blanks at an end, control characters, and NULL in a table of one column, which
would be an empty line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.models import TableColumn
from dagster_dune.frames.types.equal_lengths import content_of, offsets_of
from dagster_dune.frames.uploads.sources import Rows
from dagster_dune.frames.uploads.texts import contains, texts_of

CSV: Literal["text/csv"] = "text/csv"
NDJSON: Literal["application/x-ndjson"] = "application/x-ndjson"
ContentType = Literal["text/csv", "application/x-ndjson"]
_BARE = ("boolean", "tinyint", "smallint", "integer", "bigint")
"""Types whose JSON values are not quoted. Doubles are quoted, so that no reader rounds them and NaN can be written."""

_NULL_WORDS = pa.array(
    [
        "",
        "null",
        "NULL",
        "Null",
        "nil",
        "NIL",
        "<nil>",
        "\\N",
        "none",
        "None",
        "NONE",
        "na",
        "NA",
        "n/a",
        "N/A",
        "nan",
        "NaN",
    ]
)
_CONTROL = r"[\x00-\x1f]"
_BLANK = 0x20
_TEXT_OR_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"(:?)')


# Assumption: table-bodies.
def content_type(columns: Sequence[TableColumn], rows: Rows, marker: str | None = None) -> ContentType:
    """Return the format for some rows: CSV, which is shorter and so cheaper, if it is exact for all of them.

    Args:
        columns: The columns of the table.
        rows: The rows. A stream is sent as NDJSON if its values would have to be checked, since it can be read once.
        marker: The value of the table's last column if the rows do not have that column; None otherwise.
    """
    is_single = len(columns) == 1
    frame_columns = columns if marker is None else columns[:-1]
    columns_to_check = [column for column in frame_columns if is_single or column.type == "varchar"]
    if marker is not None and not is_exact_in_csv(pa.array([marker])):
        return NDJSON
    if not columns_to_check:
        return CSV
    if not rows.can_be_read_again:
        return NDJSON
    is_exact = all(
        (column.type != "varchar" or is_exact_in_csv(texts_of(array, column))) and not (is_single and array.null_count)
        for slice_ in rows.slices([column.name for column in columns_to_check])
        for array, column in zip(slice_.columns, columns_to_check, strict=True)
    )
    return CSV if is_exact else NDJSON


def is_exact_in_csv(texts: pa.Array) -> bool:
    """Return whether every CSV reader reads these texts unchanged.

    Examples:
        >>> is_exact_in_csv(pa.array(['a, "b"', None])), is_exact_in_csv(pa.array([""]))
        (True, False)
    """
    if pc.any(pc.is_in(texts, _NULL_WORDS)).as_py():
        return False
    content, offsets = content_of(texts), offsets_of(texts)
    if (content < _BLANK).any():
        return False
    starts = (offsets - offsets[0])[:-1][np.diff(offsets) > 0]
    ends = (offsets - offsets[0])[1:][np.diff(offsets) > 0] - 1
    return not ((content[starts] == _BLANK).any() or (content[ends] == _BLANK).any())


def header(columns: Sequence[TableColumn], format_: ContentType) -> bytes:
    """Return the line that a body begins with, its names in lower case; empty in NDJSON."""
    return (",".join(column.name.lower() for column in columns) + "\n").encode() if format_ == CSV else b""


def respelled(lines: bytes, spelling: Mapping[bytes, bytes], format_: ContentType) -> bytes:
    """Return lines with the names of columns in the spelling of a table.

    Args:
        lines: The header of a body in CSV; whole lines of one in NDJSON.
        spelling: The names by their lower-case form, which has the same length.
        format_: The format of the body.

    Examples:
        >>> respelled(b'{"a":"a","b":1}', {b"a": b"A", b"b": b"b"}, NDJSON)
        b'{"A":"a","b":1}'
    """
    if format_ == CSV:
        return b",".join(spelling[name.lower()] for name in lines.split(b","))
    return _TEXT_OR_KEY.sub(lambda match: b'"%s":' % spelling[match[1].lower()] if match[2] else match[0], lines)


def rows_of(batch: pa.RecordBatch, columns: Sequence[TableColumn], format_: ContentType) -> memoryview:
    """Encode rows, one line each.

    Args:
        batch: A slice of the rows.
        columns: The columns of the table, in the order of the batch's columns.
        format_: The format, from `content_type`.

    Returns:
        The lines, without a header.

    Raises:
        DuneConfigurationError: A value does not fit its column.
    """
    texts = [texts_of(array, column) for array, column in zip(batch.columns, columns, strict=True)]
    parts = _csv_parts(texts, columns) if format_ == CSV else _json_parts(texts, columns)
    pieces = [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    return _content(pc.binary_join_element_wise(*pieces, "", null_handling="replace", null_replacement=""))


def _content(lines: pa.Array) -> memoryview:
    """Return a view of the lines in memory, one after another."""
    offsets, data = offsets_of(lines), lines.buffers()[2]
    return memoryview(data)[offsets[0] : offsets[-1]] if data else memoryview(b"")


def _csv_parts(texts: Sequence[pa.Array], columns: Sequence[TableColumn]) -> Iterator[str | pa.Array]:
    for number, (text, column) in enumerate(zip(texts, columns, strict=True)):
        if number:
            yield ","
        yield _quoted(text) if column.type == "varchar" else text
    yield "\n"


def _quoted(texts: pa.Array) -> pa.Array:
    """Return the texts with quotes around those that need them."""
    if not contains(texts, ",") and not contains(texts, '"'):
        return texts
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(pc.match_substring_regex(texts, '[,"]'), quoted, texts)


def _json_parts(texts: Sequence[pa.Array], columns: Sequence[TableColumn]) -> Iterator[str | pa.Array]:
    """Yield names and values in turn. Quotes are part of the names, unless a column has NULLs, which take no quotes."""
    before = "{"
    for text, column in zip(texts, columns, strict=True):
        values = _escaped(text) if column.type == "varchar" else text
        quote = "" if column.type in _BARE or text.null_count else '"'
        yield f"{before}{json.dumps(column.name.lower())}:{quote}"
        if text.null_count and column.type not in _BARE:
            values = pc.binary_join_element_wise('"', values, '"', "")
        yield pc.fill_null(values, "null")
        before = f"{quote},"
    yield f"{before.removesuffix(',')}}}\n"


def _escaped(texts: pa.Array) -> pa.Array:
    if (content_of(texts) < _BLANK).any() and pc.any(pc.match_substring_regex(texts, _CONTROL)).as_py():
        escaped = [None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.to_pylist()]
        return pa.array(escaped, pa.string())
    for character in ("\\", '"'):
        if contains(texts, character):
            texts = pc.replace_substring(texts, character, f"\\{character}")
    return texts
