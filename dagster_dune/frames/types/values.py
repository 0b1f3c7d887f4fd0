"""Converts JSON values to Arrow. Each value is first written as it would be in CSV, so that both formats agree.

Arrays, maps and rows are split recursively into columns of texts, which `texts` converts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types.columns import Column, field_names
from dagster_dune.frames.types.dune_types import DuneType
from dagster_dune.frames.types.texts import conversion_error, values_of


# Assumption: json-column-names.
class Number(str):
    """A number as the JSON document writes it, so that no digit is lost before its type is known."""

    __slots__ = ()


class Pairs(dict[str, Any]):
    """A JSON object that may have a name more than once.

    Attributes:
        pairs: All names and values, in order.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def json_values(text: bytes | str, *, keep_pairs: bool = False) -> Any:
    """Parse a JSON document, in which each number becomes a `Number`.

    Args:
        text: The document.
        keep_pairs: Whether objects become `Pairs`.
    """
    pairs = Pairs if keep_pairs else None
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=pairs)


def from_json(values: Sequence[Any], column: Column) -> pa.Array:
    """Return the values of a column as an Arrow array.

    Args:
        values: The values, from `json_values`.
        column: The column.

    Raises:
        DuneResultError: A value is not of the column's type, or does not fit its Arrow type.
    """
    return _nested(values, column.type, column)


def _nested(values: Sequence[Any], type_: DuneType, column: Column) -> pa.Array:
    if type_.name == "array":
        return _lists(values, type_, column)
    if type_.name == "map":
        return _maps(values, type_, column)
    if type_.name == "row":
        return _rows(values, type_, column)
    try:
        texts = pa.array([_text(value) for value in values], pa.string())
    except RecursionError as error:
        raise DuneResultError(
            f"Column {column.name!r} holds a value that is nested too deeply to be read.",
            hint="Cast it to a text in the SQL: JSON_FORMAT.",
        ) from error
    except UnicodeEncodeError as error:
        raise DuneResultError(f"Column {column.name!r} holds a text that is no Unicode: {error}.") from error
    return values_of(texts, type_, column)


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
    """Convert rows, which JSON writes as objects if their fields have different names, and as arrays otherwise."""
    rows = [_checked(value, list | dict, type_, column) for value in values]
    names = [name for name, _ in type_.fields]
    if unfit := [row for row in rows if row is not None and not _fits(row, names)]:
        raise conversion_error(column, type_, unfit[0])
    fields = []
    for place, (name, inside) in enumerate(type_.fields):
        picked = [None if row is None else row[place if isinstance(row, list) else name] for row in rows]
        fields.append(_nested(picked, inside, column))
    is_null = pa.array([row is None for row in rows], pa.bool_())
    return pa.StructArray.from_arrays(fields, names=field_names(type_), mask=is_null)


def _fits(row: list[Any] | dict[str, Any], names: Sequence[str | None]) -> bool:
    """Return whether a row has exactly these fields."""
    return len(row) == len(names) and (isinstance(row, list) or row.keys() == set(names))


def _checked(value: Any, kind: Any, type_: DuneType, column: Column) -> Any:
    if value is not None and not isinstance(value, kind):
        raise conversion_error(column, type_, value)
    return value


def _offsets(values: Sequence[Sequence[Any] | None]) -> pa.Array:
    """Return the offset at which each list begins, None for NULL, and the end of the last one."""
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
    return _serialized(value)


def _serialized(value: Any) -> str:
    """Serialize a JSON value, with its numbers as the document wrote them."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_serialized(key)}:{_serialized(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_serialized, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
