"""Rows as Dune takes them: CSV, and NDJSON where there are texts, since CSV's empty field is a NULL there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.models import TableColumn
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.types.texts import WIDE_RANGES
from dagster_dune.frames.uploads.schema import WIDE, is_bytes, is_text

CSV: Literal["text/csv"] = "text/csv"
NDJSON: Literal["application/x-ndjson"] = "application/x-ndjson"
ContentType = Literal["text/csv", "application/x-ndjson"]
BATCH_ROWS = 20_000
_BARE = ("boolean", "tinyint", "smallint", "integer", "bigint")
"""Types whose values are no texts in JSON. Doubles are texts: no reader rounds those, and NaN is one of them."""

_CONTROL = r"[\x00-\x1f]"
_HEX = np.frombuffer("".join(f"{value:02x}" for value in range(256)).encode(), np.uint8).reshape(256, 2)


def content_type(columns: Sequence[TableColumn]) -> ContentType:
    """Which format is exact for the types of a table: CSV is shorter, but tells no empty text from NULL."""
    return NDJSON if any(column.type == "varchar" for column in columns) else CSV


def header(columns: Sequence[TableColumn], format_: ContentType) -> bytes:
    """What a body begins with."""
    return (",".join(column.name for column in columns) + "\n").encode() if format_ == CSV else b""


def rows_of(batch: pa.RecordBatch, columns: Sequence[TableColumn], format_: ContentType) -> bytes:
    """Write rows, a line each.

    Args:
        batch: The rows.
        columns: The columns of the table, in the order of the batch's.
        format_: Of `content_type`.

    Returns:
        The lines, without a header.

    Raises:
        DuneConfigurationError: A value does not fit its column.
    """
    texts = [texts_of(array, column) for array, column in zip(batch.columns, columns, strict=True)]
    if format_ == CSV:
        joined = _joined(texts, [",", *[","] * (len(texts) - 2)] if len(texts) > 1 else [], "", "\n")
    else:
        texts = [_json(text, column) for text, column in zip(texts, columns, strict=True)]
        names = [json.dumps(column.name) for column in columns]
        joined = _joined(texts, [f",{name}:" for name in names[1:]], f"{{{names[0]}:", "}\n")
    return b"".join(joined.to_pylist()) if joined.offset else _content(joined)


def _content(lines: pa.Array) -> bytes:
    """The lines one after another, as they stand in memory."""
    _, offsets, data = lines.buffers()
    return bytes(data[: int(np.frombuffer(offsets, np.int32)[len(lines)])]) if data else b""


def _joined(texts: Sequence[pa.Array], between: Sequence[str], begin: str, end: str) -> pa.Array:
    pieces: list[pa.Array | pa.Scalar] = [pa.scalar(begin)]
    for number, text in enumerate(texts):
        pieces += [pa.scalar(between[number - 1])] if number else []
        pieces.append(pc.fill_null(text, ""))
    joined = pc.binary_join_element_wise(*pieces, pa.scalar(end), pa.scalar(""))
    return joined.cast(pa.binary())


# Assumption: table-bodies.
def texts_of(array: pa.Array, column: TableColumn) -> pa.Array:
    """Write the values of a column as plain texts, NULL as NULL."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    type_ = str(column.type)
    if type_ in WIDE:
        return _wide(array, column)
    kind = "decimal" if type_.startswith("decimal") else type_
    return _WRITERS.get(kind, _cast)(array, column)


def _cast(array: pa.Array, _: TableColumn) -> pa.Array:
    return pc.cast(array, pa.string())


def _floats(array: pa.Array, _: TableColumn) -> pa.Array:
    texts = pc.cast(array, pa.string())
    for arrow, dune in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        texts = pc.if_else(pc.equal(texts, arrow), dune, texts)
    return texts


def _decimals(array: pa.Array, _: TableColumn) -> pa.Array:
    texts = pc.cast(array, pa.string())
    if not pc.any(pc.match_substring(texts, "E")).as_py():
        return texts
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())


# Assumption: table-milliseconds.
def _timestamps(array: pa.Array, column: TableColumn) -> pa.Array:
    try:
        plain = array.cast(pa.timestamp("ms", array.type.tz and "UTC"))
    except pa.ArrowInvalid as error:
        raise DuneConfigurationError(
            f"Column {column.name!r} has timestamps that are finer than a millisecond, which a table on Dune cuts off.",
            hint="Cut them to milliseconds.",
        ) from error
    texts = pc.cast(plain, pa.string())
    longest = len("9999-12-31 23:59:59.999") + (array.type.tz is not None)
    if pc.any(pc.greater(pc.utf8_length(texts), longest)).as_py() or pc.any(pc.starts_with(texts, "-")).as_py():
        raise DuneConfigurationError(f"Column {column.name!r} has a year that is none of 0 to 9999.")
    return texts


def _bytes(array: pa.Array, _: TableColumn) -> pa.Array:
    array = array.cast(pa.binary())
    array = pa.concat_arrays([array]) if array.offset else array
    filled = pc.fill_null(array, b"")
    _, offset_buffer, data = filled.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    values = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data else np.empty(0, np.uint8)
    digits = _HEX[values].reshape(-1)
    starts = ((offsets - offsets[0]) * 2).astype(np.int32)
    texts = pa.Array.from_buffers(pa.string(), len(array), [None, pa.py_buffer(starts), pa.py_buffer(digits)])
    texts = pc.binary_join_element_wise("0x", texts, "")
    return pc.if_else(array.is_valid(), texts, None)


def _wide(array: pa.Array, column: TableColumn) -> pa.Array:
    lowest, highest = WIDE_RANGES[str(column.type)]
    if is_bytes(array.type):
        is_signed = column.type == "int256"
        numbers = [None if b is None else int.from_bytes(b, "big", signed=is_signed) for b in array.to_pylist()]
        return pa.array([None if number is None else str(number) for number in numbers], pa.string())
    texts = array.cast(pa.string()) if is_text(array.type) else _decimals(array, column)
    surely = "^[0-9]{1,76}$" if lowest == 0 else "^-?[0-9]{1,76}$"  # all of these fit
    for text in pc.filter(texts, pc.invert(pc.match_substring_regex(texts, surely))).to_pylist():
        if not re.fullmatch("-?[0-9]{1,78}", text) or not lowest <= int(text) <= highest:
            raise DuneConfigurationError(f"Column {column.name!r} holds {text!r}, which is no {column.type}.")
    return texts


def _json(texts: pa.Array, column: TableColumn) -> pa.Array:
    """Write plain texts as JSON."""
    if column.type in _BARE:
        return pc.fill_null(texts, "null")
    if column.type == "varchar":
        texts = _escaped(texts)
    return pc.fill_null(pc.binary_join_element_wise('"', texts, '"', ""), "null")


def _escaped(texts: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(texts, _CONTROL)).as_py():
        escaped = [None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.to_pylist()]
        return pa.array(escaped, pa.string())
    return pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')


_WRITERS: dict[str, Callable[[pa.Array, TableColumn], pa.Array]] = {
    "real": _floats,
    "double": _floats,
    "decimal": _decimals,
    "timestamp": _timestamps,
    "timestamp with time zone": _timestamps,
    "varbinary": _bytes,
}
