"""Converts columns of Python objects, from lists and from pandas, to Arrow columns.

Arrow chooses one type for all values of a column, and silently drops what does not fit: the time of a datetime, a time
zone, nanoseconds. So the values of a column must be of one kind.

Arrow has no integers of more than 64 bits, but Dune has. They become texts, with Dune's type in the field's metadata.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Number
from typing import Any

import numpy as np
import pyarrow as pa

from dagster_dune.errors import DuneConfigurationError
from dagster_dune.frames.types.columns import TYPE_KEY

_MISSING = ("NoneType", "NaTType", "NAType")
"""The types of missing values, in Python and in pandas, whose NaT is no datetime here."""
_KINDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((bool, np.bool_), "bool"),
    ((dt.timedelta, np.timedelta64), "timedelta"),  # that of numpy calls itself a whole number
    ((Number,), "number"),
    ((dt.datetime,), "datetime"),
    ((dt.date,), "date"),
    ((str,), "str"),
    ((bytes, bytearray, memoryview), "bytes"),
)


def table_of_mappings(rows: Sequence[Mapping[Any, Any]]) -> pa.Table:
    """Return mappings as a table. They need not have the same keys.

    Raises:
        DuneConfigurationError: The values of a column are not of one kind, or Arrow has no type for them.

    Examples:
        >>> table_of_mappings([{"a": 1}, {"b": "x"}]).to_pylist()
        [{'a': 1, 'b': None}, {'a': None, 'b': 'x'}]
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = [_column_of(str(key), [row.get(key) for row in rows]) for key in keys]
    return pa.Table.from_arrays([array for _, array in columns], schema=pa.schema([field for field, _ in columns]))


def table_of_pandas(frame: Any) -> pa.Table:
    """Return a pandas frame as a table. Index levels with a name become columns; those without one are left out.

    Raises:
        DuneConfigurationError: The values of a column are not of one kind, or a column has the name of an index level.
    """
    index = frame.index
    if taken := [name for name in index.names if name is not None and name in frame.columns]:
        raise DuneConfigurationError(
            f"The index of the DataFrame has the name of its column {taken[0]!r}.",
            hint="Rename the index, or leave it out: frame.reset_index(drop=True).",
        )
    frame = frame.copy(deep=False)
    for level, name in enumerate(index.names):
        if name is not None:
            frame.insert(len(frame.columns), name, index.get_level_values(level).array)
    wide: dict[int, tuple[pa.Field, pa.Array]] = {}
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if column.dtype == "category" and getattr(column.cat.categories, "tz", None) is not None:
            column = column.astype(column.cat.categories.dtype)  # categories lose their zone in older Arrow
            frame.isetitem(place, column)
        _check_objects(str(name), column)
        if column.dtype == object and _mixes_integers_and_decimals(column):
            frame.isetitem(place, type(column)(_as_decimals(column), column.index, dtype=object))
        elif column.dtype == object and (type_ := _wide_type(column.dropna())):
            values = [None if is_null else n for n, is_null in zip(column, column.isna(), strict=True)]
            wide[place] = _wide_column(str(name), type_, values)
            frame.isetitem(place, None)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for place, (field, array) in wide.items():
        table = table.set_column(place, field, array)
    return table


def _column_of(name: str, values: Sequence[object]) -> tuple[pa.Field, pa.Array]:
    kinds = _kinds_of(values)
    values = [value if kinds[type(value)] else None for value in values]
    _check_one_kind(name, values)
    if type_ := _wide_type([value for value in values if value is not None]):
        return _wide_column(name, type_, values)
    try:
        array = pa.array(_as_decimals(values) if _mixes_integers_and_decimals(values) else values)
    except (pa.ArrowException, ValueError, TypeError, ArithmeticError) as error:
        raise DuneConfigurationError(
            f"Column {name!r} of the list cannot be read as one type: {error}.",
            hint="Cast its values to the type that all of them have, such as text.",
        ) from error
    return pa.field(name, array.type), array


def _mixes_integers_and_decimals(values: Iterable[object]) -> bool:
    """Return whether values are both integers and decimals, for which Arrow counts only the first value's digits."""
    types = set(map(type, values))
    return any(issubclass(type_, Decimal) for type_ in types) and any(issubclass(type_, Integral) for type_ in types)


def _as_decimals(values: Iterable[object]) -> list[object]:
    return [Decimal(int(value)) if isinstance(value, Integral) else value for value in values]


def _wide_type(values: Any) -> str | None:
    """Return Dune's type for integers if one of them has more than 64 bits; None for all other values."""
    types = set(map(type, values))
    if not types or not all(issubclass(type_, Integral) and _kind_of(type_) == "number" for type_ in types):
        return None
    lowest, highest = int(min(values)), int(max(values))
    if lowest >= -(2**63) and highest < 2**63:
        return None
    return "int256" if lowest < 0 else "uint256"


def _wide_column(name: str, type_: str, values: Sequence[Any]) -> tuple[pa.Field, pa.Array]:
    texts = [None if value is None else str(int(value)) for value in values]
    return pa.field(name, pa.string(), metadata={TYPE_KEY: type_.encode()}), pa.array(texts, pa.string())


def _check_objects(name: str, series: Any) -> None:
    """Check that a pandas column's Python objects, or those of its categories, are of one kind."""
    if series.dtype == "category":
        series = series.cat.categories.to_series()
    if series.dtype == object:
        _check_one_kind(name, series.dropna())


def _check_one_kind(name: str, values: Iterable[object]) -> None:
    found: dict[str, object] = {}
    kinds = _kinds_of(values)
    for value in values:
        kind = kinds[type(value)]
        if kind and isinstance(value, dt.datetime):
            kind += " without time zone" if value.tzinfo is None else " with time zone"
            _check_nanoseconds(name, value)
        if kind:
            found.setdefault(kind, value)
    if len(found) > 1:
        (first, one), (second, other) = list(found.items())[:2]
        raise DuneConfigurationError(
            f"Column {name!r} holds values of several types, {first} ({one!r:.50}) and {second} ({other!r:.50}).",
            hint="Make all of them of one type.",
        )


def _kinds_of(values: Iterable[object]) -> dict[type, str]:
    """Return the kind of the values of each type; empty for missing values."""
    return {type_: _kind_of(type_) for type_ in set(map(type, values))}


def _kind_of(type_: type) -> str:
    if type_.__name__ in _MISSING:
        return ""
    return next((kind for types, kind in _KINDS if issubclass(type_, types)), type_.__name__)


def _check_nanoseconds(name: str, moment: dt.datetime) -> None:
    if getattr(moment, "nanosecond", 0):  # of pandas
        raise DuneConfigurationError(
            f"Column {name!r} holds {moment!r}, which is finer than a millisecond, and a table on Dune cuts that off.",
            hint="Cut it to milliseconds.",
        )
