"""The values of a column as plain texts, as a table on Dune takes them in both formats."""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.models import TableColumn
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.types.decimals import SURE_DIGITS
from dagster_dune.frames.types.equal_lengths import content_of, matrix_of, offsets_of, with_content
from dagster_dune.frames.types.texts import PREFIX, WIDE_RANGES
from dagster_dune.frames.uploads.schema import WIDE, is_bytes, is_text

FIRST_MILLISECOND, LAST_MILLISECOND = -62_167_219_200_000, 253_402_300_799_999
"""The years 0 to 9999."""


# Assumption: table-bodies.
def texts_of(array: pa.Array, column: TableColumn) -> pa.Array:
    """Write the values of a column as plain texts, NULL as NULL.

    Args:
        array: The values, plain as `Rows.slices` gives them.
        column: The column that they are for.

    Raises:
        DuneConfigurationError: A value does not fit its column.
    """
    type_ = str(column.type)
    if type_ in WIDE:
        return _wide(array, column)
    kind = "decimal" if type_.startswith("decimal") else type_
    return _WRITERS.get(kind, _cast)(array, column)


def holds(texts: pa.Array, character: str) -> bool:
    """Whether one of the texts holds a character of ASCII; what lies under a NULL counts too."""
    return bool((content_of(texts) == ord(character)).any())


def _cast(array: pa.Array, _: TableColumn) -> pa.Array:
    return pc.cast(array, pa.string())


def _floats(array: pa.Array, _: TableColumn) -> pa.Array:
    texts = pc.cast(array, pa.string())
    if pc.all(pc.is_finite(array)).as_py() is not False:
        return texts
    for arrow, dune in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        texts = pc.if_else(pc.equal(texts, arrow), dune, texts)
    return texts


def _decimals(array: pa.Array, _: TableColumn) -> pa.Array:
    texts = pc.cast(array, pa.string())
    if not holds(texts, "E"):
        return texts
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())


# Assumption: table-milliseconds.
def _timestamps(array: pa.Array, column: TableColumn) -> pa.Array:
    try:
        plain = array.cast(pa.timestamp("ms", array.type.tz and "UTC"))
    except pa.ArrowInvalid as error:
        if array.type.unit == "s":
            raise _wrong_year(column) from error
        raise DuneConfigurationError(
            f"Column {column.name!r} has timestamps that are finer than a millisecond, which a table on Dune cuts off.",
            hint="Cut them to milliseconds.",
        ) from error
    ends = pc.min_max(plain.cast(pa.int64())).as_py()
    if ends["min"] is not None and not FIRST_MILLISECOND <= ends["min"] <= ends["max"] <= LAST_MILLISECOND:
        raise _wrong_year(column)
    return pc.cast(plain, pa.string())


def _wrong_year(column: TableColumn) -> DuneConfigurationError:
    return DuneConfigurationError(f"Column {column.name!r} has a year that is none of 0 to 9999.")


def _bytes(array: pa.Array, _: TableColumn) -> pa.Array:
    """Write ``0x`` and hexadecimal digits, all values at once."""
    values = array.cast(pa.binary())
    rows = matrix_of(values)
    if rows is not None:
        texts = np.empty((len(rows), 2 + 2 * rows.shape[1]), np.uint8)
        texts[:, :2] = PREFIX
        texts[:, 2:] = np.frombuffer(hexlify(rows.tobytes()), np.uint8).reshape(len(rows), -1)
        return with_content(values, pa.string(), texts.tobytes())
    filled = pc.fill_null(values, b"")
    starts = (offsets_of(filled) - offsets_of(filled)[0]) * 2
    digits = hexlify(content_of(filled).tobytes())
    buffers = [None, pa.py_buffer(starts.astype(np.int32)), pa.py_buffer(digits)]
    joined = pc.binary_join_element_wise("0x", pa.Array.from_buffers(pa.string(), len(values), buffers), "")
    return pc.if_else(values.is_valid(), joined, None)


def _wide(array: pa.Array, column: TableColumn) -> pa.Array:
    lowest, highest = WIDE_RANGES[str(column.type)]
    if is_bytes(array.type):
        is_signed = column.type == "int256"
        numbers = [None if b is None else int.from_bytes(b, "big", signed=is_signed) for b in array.to_pylist()]
        return pa.array([None if number is None else str(number) for number in numbers], pa.string())
    texts = array.cast(pa.string()) if is_text(array.type) else _decimals(array, column)
    for text in () if _surely_fit(texts) else texts.drop_null().to_pylist():
        if not re.fullmatch("-?[0-9]{1,78}", text) or not lowest <= int(text) <= highest:
            raise DuneConfigurationError(f"Column {column.name!r} holds {text!r}, which is no {column.type}.")
    return texts


def _surely_fit(texts: pa.Array) -> bool:
    """Whether all texts are digits, and not too many: looked up at once."""
    lengths = np.diff(offsets_of(texts))
    if len(lengths) == 0:
        return True
    is_short = lengths.max() <= SURE_DIGITS and np.count_nonzero(lengths == 0) == texts.null_count
    return bool(is_short and (content_of(texts) - np.uint8(ord("0")) < 10).all())  # less than "0" is 200 and more


_WRITERS: dict[str, Callable[[pa.Array, TableColumn], pa.Array]] = {
    "real": _floats,
    "double": _floats,
    "decimal": _decimals,
    "timestamp": _timestamps,
    "timestamp with time zone": _timestamps,
    "varbinary": _bytes,
}
