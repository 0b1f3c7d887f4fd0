"""Writes the values of a column as texts, in the form that a table on Dune reads in both formats."""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.api.models import TableColumn
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.types.decimals import SAFE_DIGITS, UnfitTextError, decimals
from dagster_dune.frames.types.equal_lengths import content_of, matrix_of, offsets_of, with_content
from dagster_dune.frames.types.texts import PREFIX, WIDE_RANGES, first_invalid_value
from dagster_dune.frames.uploads.schema import WIDE, is_bytes, is_text, number_in_arrow

FIRST_DAY, LAST_DAY = -719_528, 2_932_896
"""The years 0 to 9999."""
_TICKS_A_DAY = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}


# Assumption: table-bodies.
def texts_of(array: pa.Array, column: TableColumn) -> pa.Array:
    """Return the values of a column as texts; NULLs stay NULL.

    Args:
        array: The values, from `Rows.slices`.
        column: The column of the table.

    Raises:
        DuneConfigurationError: A value does not fit its column.
    """
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    type_ = str(column.type)
    if not (type_ in WIDE and pa.types.is_decimal(array.type)):  # which may have more digits than its type says
        _check_content(array, column)
    if type_ in WIDE:
        return _wide(array, column)
    kind = "decimal" if type_.startswith("decimal") else type_
    return _WRITERS.get(kind, _cast)(_as_declared(array, column), column)


def contains(texts: pa.Array, character: str) -> bool:
    """Return whether a text contains an ASCII character. The memory behind a NULL is searched too."""
    return bool((content_of(texts) == ord(character)).any())


def _check_content(array: pa.Array, column: TableColumn) -> None:
    """Check what Arrow does not check in data from files and other packages: that texts are UTF-8, decimals' digits."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        value = _first_invalid(array)
        raise DuneConfigurationError(
            f"Column {column.name!r} holds {value:.100}, which is no value of its type {array.type}: {error}.",
            hint="Decode texts with the encoding that they have; cast decimals to a type of more digits, or to text.",
        ) from error


def _first_invalid(array: pa.Array) -> str:
    for place in range(len(array)):
        value = array[place : place + 1]
        try:
            value.validate(full=True)
        except pa.ArrowInvalid:
            return repr(value.cast(pa.binary())[0].as_py()) if is_text(array.type) else str(value[0].as_py())
    return "something"  # that is wrong with the column as a whole


def _as_declared(array: pa.Array, column: TableColumn) -> pa.Array:
    """Return numbers as the numeric type of their column, or as texts if it is a decimal; other values unchanged."""
    if pa.types.is_decimal32(array.type) or pa.types.is_decimal64(array.type):
        # Arrow casts few of them to whole numbers.
        array = array.cast(pa.decimal128(array.type.precision, array.type.scale))
    target, given = number_in_arrow(column.type), array.type
    if target is None or not (pa.types.is_integer(given) or pa.types.is_decimal(given)):
        return array
    try:
        if not pa.types.is_decimal(target):
            return pc.cast(array, target)
        if pa.types.is_decimal(given) and (given.precision, given.scale) == (
            target.precision,
            target.scale,
        ):
            return array
        texts = _decimals(array, column)
        decimals(texts, target)
    except UnfitTextError as error:
        value = error.text
    except pa.ArrowInvalid:
        value = first_invalid_value(array, target)
    else:
        return texts
    raise DuneConfigurationError(
        f"Column {column.name!r} holds {value}, which is no {column.type}.",
        hint="Name a type that holds all of its values in types, or leave the column out of it.",
    )


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
    if not contains(texts, "E"):
        return texts
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())


# Assumption: table-milliseconds.
def _timestamps(array: pa.Array, column: TableColumn) -> pa.Array:
    _check_years(array, _TICKS_A_DAY[array.type.unit], column)
    try:
        plain = array.cast(pa.timestamp("ms", array.type.tz and "UTC"))
    except pa.ArrowInvalid as error:
        raise DuneConfigurationError(
            f"Column {column.name!r} has timestamps that are finer than a millisecond, which a table on Dune cuts off.",
            hint="Cut them to milliseconds.",
        ) from error
    return pc.cast(plain, pa.string())


def _dates(array: pa.Array, column: TableColumn) -> pa.Array:
    _check_years(array, 1, column)
    return pc.cast(array, pa.string())


def _check_years(array: pa.Array, ticks_a_day: int, column: TableColumn) -> None:
    first, last = FIRST_DAY * ticks_a_day, (LAST_DAY + 1) * ticks_a_day - 1
    ticks = array.view(pa.int32() if pa.types.is_date32(array.type) else pa.int64())
    ends = pc.min_max(ticks).as_py()
    for end in (ends["min"], ends["max"]):
        if end is not None and not first <= end <= last:
            value = pc.cast(array.filter(pc.equal(ticks, end))[:1], pa.string())[0]
            raise DuneConfigurationError(
                f"Column {column.name!r} holds {value}, a year that is none of 0 to 9999.",
                hint="Write NULL for what has no end, and for what is no date.",
            )


def _bytes(array: pa.Array, _: TableColumn) -> pa.Array:
    """Return ``0x`` and the hexadecimal digits of each value, computed for all values at once."""
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
    for text in () if _are_short_digits(texts) else texts.drop_null().to_pylist():
        if not re.fullmatch("-?[0-9]{1,78}", text) or not lowest <= int(text) <= highest:
            raise DuneConfigurationError(f"Column {column.name!r} holds {text!r}, which is no {column.type}.")
    return texts


def _are_short_digits(texts: pa.Array) -> bool:
    """Return whether all texts are only digits, and few enough to be in range, without a look at each text."""
    lengths = pc.min_max(pc.binary_length(texts)).as_py()  # of those that are not NULL
    if lengths["max"] is None:
        return True
    is_short = 0 < lengths["min"] <= lengths["max"] <= SAFE_DIGITS
    return bool(is_short and (content_of(texts) - np.uint8(ord("0")) < 10).all())  # less than "0" is 200 and more


_WRITERS: dict[str, Callable[[pa.Array, TableColumn], pa.Array]] = {
    "real": _floats,
    "double": _floats,
    "decimal": _decimals,
    "date": _dates,
    "timestamp": _timestamps,
    "timestamp with time zone": _timestamps,
    "varbinary": _bytes,
}
