"""Values of a column as Arrow, from their texts: the one way for both of Dune's formats, so that they agree.

CSV holds texts; a JSON value is written as CSV would have it, and an array, a map or a row is taken apart until texts
are left.
"""

from __future__ import annotations

import json
import re
from binascii import unhexlify
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types import times
from dagster_dune.frames.types.columns import Column, field_names
from dagster_dune.frames.types.dune_types import TIMESTAMP_ZONED, DuneType

WIDE_RANGES = {"uint256": (0, 2**256 - 1), "int256": (-(2**255), 2**255 - 1)}


# Assumption: json-column-names.
class Number(str):
    """A number of a JSON document, as it was written: no digit is lost before its type is known."""

    __slots__ = ()


class Pairs(dict[str, Any]):
    """A JSON object in which a name may stand more than once.

    Attributes:
        pairs: All names and values, in order.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def json_values(text: bytes | str, *, keep_pairs: bool = False) -> Any:
    """Read a JSON document, with its numbers as they are written.

    Args:
        text: The document.
        keep_pairs: Whether objects are `Pairs`.
    """
    pairs = Pairs if keep_pairs else None
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=pairs)


def from_json(values: Sequence[Any], column: Column) -> pa.Array:
    """Make an array of the values of a column.

    Args:
        values: As `json_values` gives them.
        column: The column.

    Raises:
        DuneResultError: A value is none of the column's type, or does not fit what was asked for.
    """
    return _nested(values, column.type, column)


def from_text(texts: pa.Array, column: Column) -> pa.Array:
    """Make an array of the texts of a column, as CSV has them; see `from_json`."""
    return _flat(texts, column.type, column)


def _nested(values: Sequence[Any], type_: DuneType, column: Column) -> pa.Array:
    if type_.name == "array":
        return _lists(values, type_, column)
    if type_.name == "map":
        return _maps(values, type_, column)
    if type_.name == "row":
        return _rows(values, type_, column)
    try:
        texts = pa.array([_text(value) for value in values], pa.string())
    except UnicodeEncodeError as error:
        raise DuneResultError(f"Column {column.name!r} holds a text that is no Unicode: {error}.") from error
    return _flat(texts, type_, column)


def _lists(values: Sequence[Any], type_: DuneType, column: Column) -> pa.Array:
    lists = [_checked(value, list, type_, column) for value in values]
    inside = _nested([item for value in lists for item in value or ()], type_.fields[0][1], column)
    return pa.ListArray.from_arrays(_offsets(lists), inside, type=column.arrow_type_of(type_))


def _maps(values: Sequence[Any], type_: DuneType, column: Column) -> pa.Array:
    maps = [_checked(value, dict, type_, column) for value in values]
    keys = _nested([key for value in maps for key in value or ()], type_.fields[0][1], column)
    items = _nested([item for value in maps for item in (value or {}).values()], type_.fields[1][1], column)
    arrow_type = column.arrow_type_of(type_)
    return pa.MapArray.from_arrays(_offsets(maps), keys, items, type=arrow_type)


def _rows(values: Sequence[Any], type_: DuneType, column: Column) -> pa.Array:
    """A row in JSON is an object if its fields have names that differ, an array otherwise."""
    rows = [_checked(value, list | dict, type_, column) for value in values]
    names = [name for name, _ in type_.fields]
    fields = []
    for place, (name, inside) in enumerate(type_.fields):
        try:
            picked = [None if row is None else row[place if isinstance(row, list) else name] for row in rows]
        except (KeyError, IndexError):
            raise _wrong(column, type_, next(row for row in rows if row is not None and _lacks(row, names))) from None
        fields.append(_nested(picked, inside, column))
    is_null = pa.array([row is None for row in rows], pa.bool_())
    return pa.StructArray.from_arrays(fields, names=field_names(type_), mask=is_null)


def _lacks(row: list[Any] | dict[str, Any], names: Sequence[str | None]) -> bool:
    return len(row) < len(names) if isinstance(row, list) else any(name not in row for name in names)


def _checked(value: Any, kind: Any, type_: DuneType, column: Column) -> Any:
    if value is not None and not isinstance(value, kind):
        raise _wrong(column, type_, value)
    return value


def _offsets(values: Sequence[Sequence[Any] | None]) -> pa.Array:
    """Where each list begins; a NULL begins nowhere."""
    offsets: list[int | None] = []
    end = 0
    for value in values:
        offsets.append(None if value is None else end)
        end += len(value or ())
    return pa.array([*offsets, end], pa.int32())


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _written(value)


def _written(value: Any) -> str:
    """Write a JSON value again, its numbers as they were."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(key)}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _flat(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    convert = _CONVERTERS.get(type_.name)
    return convert(texts, type_, column) if convert else texts


def _cast(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    target = column.arrow_type_of(type_)
    try:
        return pc.cast(texts, target)
    except pa.ArrowInvalid as error:
        raise _wrong(column, type_, _first_that_fails(texts, target), target) from error


def _first_that_fails(texts: pa.Array, target: pa.DataType) -> str:
    """Find the value that a cast stumbled over, by halves."""
    while len(texts) > 1:
        half = len(texts) // 2
        try:
            pc.cast(texts[:half], target)
        except pa.ArrowInvalid:
            texts = texts[:half]
        else:
            texts = texts[half:]
    return str(texts[0])


def _integers(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    if any(pc.any(pc.starts_with(texts, sign)).as_py() for sign in ("0x", "0X")):  # hexadecimal: Arrow would read it
        raise _wrong(column, type_, next(text for text in texts.to_pylist() if text and "x" in text.lower()))
    return _cast(texts, type_, column)


def _booleans(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    is_true = pc.equal(texts, "true")
    others = pc.filter(texts, pc.invert(pc.or_(is_true, pc.equal(texts, "false"))))
    if len(others):
        raise _wrong(column, type_, others[0])
    return is_true


def _bytes(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    """Read ``0x`` and hexadecimal digits, all values at once."""
    if pc.all(pc.starts_with(texts, "0x")).as_py() is False:
        raise _wrong(column, type_, pc.filter(texts, pc.invert(pc.starts_with(texts, "0x")))[0])
    digits = pc.fill_null(pc.utf8_slice_codeunits(texts, 2), "")
    _, offset_buffer, data = digits.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[digits.offset : digits.offset + len(digits) + 1]
    try:
        packed = unhexlify(memoryview(data)[offsets[0] : offsets[-1]]) if data else b""
    except ValueError:
        packed = None
    if packed is None or (offsets % 2 != offsets[0] % 2).any():
        raise _wrong(column, type_, next(text for text in texts.to_pylist() if text and not _is_hexadecimal(text)))
    starts = ((offsets - offsets[0]) // 2).astype(np.int32)
    return pa.Array.from_buffers(
        pa.binary(),
        len(texts),
        [_validity(texts), pa.py_buffer(starts), pa.py_buffer(packed)],
        null_count=texts.null_count,
    )


def _is_hexadecimal(text: str) -> bool:
    return re.fullmatch(r"0x([0-9a-fA-F]{2})*", text) is not None


def _validity(array: pa.Array) -> pa.Buffer | None:
    if not array.null_count:
        return None
    return pa.py_buffer(np.packbits(array.is_valid().to_numpy(zero_copy_only=False), bitorder="little"))


def _wide_integers(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    if column.uint256 == "text":
        return texts
    if column.uint256 != "binary":
        return _integers(texts, type_, column)
    lowest, highest = WIDE_RANGES[type_.name]
    values: list[bytes | None] = []
    for text in texts.to_pylist():
        if text is None:
            values.append(None)
            continue
        number = int(text) if re.fullmatch(r"-?[0-9]{1,78}", text) else highest + 1
        if not lowest <= number <= highest:
            raise _wrong(column, type_, text)
        values.append(number.to_bytes(32, "big", signed=number < 0))
    return pa.array(values, pa.binary(32))


def _times(read: Callable[[str], int], texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    """Read times one by one: those that Arrow cannot read itself."""
    target = column.arrow_type_of(type_)
    values: list[int | None] = []
    for text in texts.to_pylist():
        try:
            values.append(None if text is None else read(text))
        except ValueError as error:
            raise _wrong(column, type_, text, target, str(error)) from error
    kind = pa.int32() if target == pa.date32() else pa.int64()
    return pa.array(values, kind).cast(target)


def _dates(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    try:
        return pc.cast(texts, pa.date32())
    except pa.ArrowInvalid:
        return _times(times.days, texts, type_, column)


def _timestamps(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    target = column.arrow_type_of(type_)
    is_utc = pc.all(pc.ends_with(texts, " UTC")).as_py()
    plain = pc.utf8_slice_codeunits(texts, 0, -4) if is_utc else texts
    if plain is not texts or type_.name == "timestamp":
        try:
            return pc.cast(plain, pa.timestamp("us")).cast(target)
        except pa.ArrowInvalid:
            pass  # finer, or written in another way
    return _times(partial(times.microseconds, cut=column.timestamps == "cut"), texts, type_, column)


def _clock_times(texts: pa.Array, type_: DuneType, column: Column) -> pa.Array:
    return _times(partial(times.clock_microseconds, cut=column.timestamps == "cut"), texts, type_, column)


_CONVERTERS: dict[str, Callable[[pa.Array, DuneType, Column], pa.Array]] = {
    "boolean": _booleans,
    "tinyint": _integers,
    "smallint": _integers,
    "integer": _integers,
    "bigint": _integers,
    "real": _cast,
    "double": _cast,
    "decimal": _cast,
    "varbinary": _bytes,
    "date": _dates,
    "time": _clock_times,
    "timestamp": _timestamps,
    TIMESTAMP_ZONED: _timestamps,
    "interval day to second": partial(_times, times.interval_microseconds),
    "uint256": _wide_integers,
    "int256": _wide_integers,
}


def _wrong(
    column: Column, type_: DuneType, value: object, target: pa.DataType | None = None, why: str = ""
) -> DuneResultError:
    shown = str(value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    into = f" that {target} can hold" if target is not None else ""
    hints = []
    if type_.name in ("uint256", "int256"):
        hints.append('uint256="text" holds every value exactly.')
    elif "time" in type_.name and "cut" in why:
        hints.append('timestamps="cut" takes the nearest that fits.')
    reason = f" ({why})" if why else ""
    return DuneResultError(
        f"Column {column.name!r} is declared {type_.text}, but {shown!r} is no value of it{into}{reason}.",
        hint=" ".join(hints),
    )
