"""Converts texts to Arrow arrays, for both of Dune's formats, so that they agree."""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types import times
from dagster_dune.frames.types.columns import Column
from dagster_dune.frames.types.decimals import UnfitTextError, decimals, wide_integers
from dagster_dune.frames.types.dune_types import TIMESTAMP_ZONED, DuneType
from dagster_dune.frames.types.equal_lengths import content_of, matrix_of, offsets_of, validity_of, with_content

WIDE_RANGES = {"uint256": (0, 2**256 - 1), "int256": (-(2**255), 2**255 - 1)}

LOWER = np.uint8(0x20)
PREFIX = np.frombuffer(b"0x", np.uint8)
UTC = np.frombuffer(b" UTC", np.uint8)
FIRST_MOMENT = pa.scalar("0001-01-01").cast(pa.timestamp("us"))
FIRST_DATE = pa.scalar("0001-01-01").cast(pa.date32())
"""Arrow accepts the year 0, which dates in Python and pandas do not have."""


def from_text(texts: pa.Array, column: Column) -> pa.Array:
    """Return the values of a column as an Arrow array.

    Args:
        texts: The values as Dune writes them in CSV.
        column: The column.

    Raises:
        DuneResultError: A value is not of the column's type, or does not fit its Arrow type.
    """
    return values_of(texts, column.type, column)


def values_of(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    """Return texts as an array, for the type of a column or a type inside it; see `from_text`."""
    convert = _CONVERTERS.get(type_.name)
    return convert(texts, type_, column) if convert else texts


def _cast(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    target = column.arrow_type_of(type_)
    try:
        return pc.cast(texts, target)
    except pa.ArrowInvalid as error:
        raise conversion_error(column, type_, first_invalid_value(texts, target), target) from error


def first_invalid_value(values: pa.Array, target: pa.DataType) -> str:
    """Return the first value that cannot be cast, by binary search."""
    while len(values) > 1:
        half = len(values) // 2
        try:
            pc.cast(values[:half], target)
        except pa.ArrowInvalid:
            values = values[:half]
        else:
            values = values[half:]
    return str(values[0])


def _integers(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    if (content_of(texts) | LOWER == ord("x")).any():  # hexadecimal: Arrow would read it
        raise conversion_error(column, type_, next(text for text in texts.to_pylist() if text and "x" in text.lower()))
    return _cast(texts, type_, column)


def _floats(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    """Parse floats; a finite number that would become infinite is an error."""
    numbers = _cast(texts, type_, column)
    is_infinite = pc.fill_null(pc.is_inf(numbers), False)
    if pc.any(is_infinite).as_py():
        too_large = pc.filter(texts, pc.and_(is_infinite, pc.match_substring_regex(texts, "[0-9]")))
        if len(too_large):
            raise conversion_error(column, type_, too_large[0], numbers.type)
    return numbers


def _booleans(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    is_true = pc.equal(texts, "true")
    others = pc.filter(texts, pc.invert(pc.or_(is_true, pc.equal(texts, "false"))))
    if len(others):
        raise conversion_error(column, type_, others[0])
    return is_true


def _bytes(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    """Parse ``0x`` and hexadecimal digits, all values at once."""
    rows = matrix_of(texts)
    if rows is not None and rows.shape[1] > 2 and rows.shape[1] % 2 == 0 and (rows[:, :2] == PREFIX).all():
        with suppress(ValueError):
            return with_content(texts, pa.binary(), unhexlify(rows[:, 2:].tobytes()))
    if pc.all(pc.starts_with(texts, "0x")).as_py() is False:
        raise conversion_error(column, type_, pc.filter(texts, pc.invert(pc.starts_with(texts, "0x")))[0])
    digits = pc.fill_null(pc.utf8_slice_codeunits(texts, 2), "")
    offsets, data = offsets_of(digits), digits.buffers()[2]
    try:
        packed = unhexlify(memoryview(data)[offsets[0] : offsets[-1]]) if data else b""
    except ValueError:
        packed = None
    if packed is None or (offsets % 2 != offsets[0] % 2).any():
        raise conversion_error(
            column, type_, next(text for text in texts.to_pylist() if text and not _is_hexadecimal(text))
        )
    starts = ((offsets - offsets[0]) // 2).astype(np.int32)
    return pa.Array.from_buffers(
        pa.binary(),
        len(texts),
        [validity_of(texts), pa.py_buffer(starts), pa.py_buffer(packed)],
        null_count=texts.null_count,
    )


def _is_hexadecimal(text: str) -> bool:
    return re.fullmatch(r"0x([0-9a-fA-F]{2})*", text) is not None


def _decimals(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    target = column.arrow_type_of(type_)
    try:
        return decimals(texts, target)
    except UnfitTextError as error:
        raise conversion_error(column, type_, error.text, target) from error


def _wide_integers(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    if column.uint256 == "text":
        return texts
    target = column.arrow_type_of(type_)
    try:
        return wide_integers(texts, WIDE_RANGES[type_.name], target)
    except UnfitTextError as error:
        raise conversion_error(column, type_, error.text, target) from error


def _times(read: Callable[[str], int], texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    """Parse times one by one, which Arrow cannot parse."""
    target = column.arrow_type_of(type_)
    values: list[int | None] = []
    for text in texts.to_pylist():
        try:
            values.append(None if text is None else read(text))
        except ValueError as error:
            raise conversion_error(column, type_, text, target, str(error)) from error
    kind = pa.int32() if target == pa.date32() else pa.int64()
    return pa.array(values, kind).cast(target)


def _dates(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    with suppress(pa.ArrowInvalid):  # as of a date that is written as its midnight
        dates = pc.cast(texts, pa.date32())
        if not pc.any(pc.less(dates, FIRST_DATE)).as_py():
            return dates
    return _times(times.days, texts, type_, column)


def _timestamps(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    target = column.arrow_type_of(type_)
    plain = _without_utc(texts)
    if plain is not texts or type_.name == "timestamp":
        with suppress(pa.ArrowInvalid):  # as of a finer one, or one in another form
            moments = pc.cast(plain, pa.timestamp("us"))
            if not pc.any(pc.less(moments, FIRST_MOMENT)).as_py():
                return moments.cast(target)
    return _times(partial(times.microseconds, cut=column.timestamps == "cut"), texts, type_, column)


def _without_utc(texts: pa.Array) -> pa.Array:
    """Return the texts without `` UTC`` at their ends if all have it, and the same array otherwise."""
    rows = matrix_of(texts)
    if rows is not None and rows.shape[1] > 4:
        return with_content(texts, pa.string(), rows[:, :-4].tobytes()) if (rows[:, -4:] == UTC).all() else texts
    return pc.utf8_slice_codeunits(texts, 0, -4) if pc.all(pc.ends_with(texts, " UTC")).as_py() else texts


def _clock_times(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    return _times(partial(times.clock_microseconds, cut=column.timestamps == "cut"), texts, type_, column)


_CONVERTERS: dict[str, Callable[[pa.Array, DuneType, Column], pa.Array]] = {
    "boolean": _booleans,
    "tinyint": _integers,
    "smallint": _integers,
    "integer": _integers,
    "bigint": _integers,
    "real": _floats,
    "double": _floats,
    "decimal": _decimals,
    "varbinary": _bytes,
    "date": _dates,
    "time": _clock_times,
    "timestamp": _timestamps,
    TIMESTAMP_ZONED: _timestamps,
    "interval day to second": partial(_times, times.interval_microseconds),
    "uint256": _wide_integers,
    "int256": _wide_integers,
}


def conversion_error(
    column: Column, type_: DuneType, value: object, target: pa.DataType | None = None, why: str = ""
) -> DuneResultError:
    """Return the error for a value that is not of its column's type."""
    shown = str(value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    into = f" that {target} can hold" if target is not None else ""
    hints = []
    if type_.name in ("uint256", "int256"):
        hints.append('uint256="text" holds every value exactly.')
    elif "show it twice" in why:
        hints.append("AT TIME ZONE 'UTC' in the SQL keeps the moment; timestamps=\"cut\" takes the earlier one.")
    elif "time" in type_.name and "cut" in why:
        hints.append('timestamps="cut" takes the nearest that fits.')
    reason = f" ({why})" if why else ""
    return DuneResultError(
        f"Column {column.name!r} is declared {type_.text}, but {shown!r} is no value of it{into}{reason}.",
        hint=" ".join(hints),
    )
