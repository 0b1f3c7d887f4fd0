"""Columns of Python's values, of lists and of pandas, as columns of Arrow's.

Arrow looks for a type that holds all values of a column, and cuts some of them to it without a word: a datetime to its
date, a time zone, nanoseconds. So the values of a column must be of one kind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pyarrow as pa

from dagster_dune.errors import DuneConfigurationError

_MISSING = ("NoneType", "NaTType", "NAType")
"""Types of NULL: Python's, and those of pandas, which calls its own no datetimes."""
_KINDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((bool, np.bool_), "bool"),
    ((Number,), "number"),
    ((dt.datetime,), "datetime"),
    ((dt.date,), "date"),
    ((str,), "str"),
    ((bytes, bytearray, memoryview), "bytes"),
)


def table_of_mappings(rows: Sequence[Mapping[Any, Any]]) -> pa.Table:
    """Make a table of mappings, which need not all have the same keys.

    Raises:
        DuneConfigurationError: The values of a column are not of one kind, or of none that Arrow has.

    Examples:
        >>> table_of_mappings([{"a": 1}, {"b": "x"}]).to_pylist()
        [{'a': 1, 'b': None}, {'a': None, 'b': 'x'}]
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    arrays = [_array_of(str(key), [row.get(key) for row in rows]) for key in keys]
    return pa.Table.from_arrays(arrays, names=[str(key) for key in keys])


def table_of_pandas(frame: Any) -> pa.Table:
    """Make a table of a frame of pandas. What has a name in its index is a column too; what has none numbers the rows.

    Raises:
        DuneConfigurationError: The values of a column are not of one kind, or one has the name of the index.
    """
    index = frame.index
    if taken := [name for name in index.names if name is not None and name in frame.columns]:
        raise DuneConfigurationError(
            f"The index of the DataFrame has the name of its column {taken[0]!r}.",
            hint="Rename the index, or leave it out: frame.reset_index(drop=True).",
        )
    for place, name in enumerate(frame.columns):
        _check_objects(str(name), frame.iloc[:, place])
    for level, name in enumerate(index.names):
        if name is not None:
            _check_objects(str(name), index.get_level_values(level).to_series())
    nameless = [level for level, name in enumerate(index.names) if name is None]
    if len(nameless) == index.nlevels:
        return pa.Table.from_pandas(frame, preserve_index=False)
    return pa.Table.from_pandas(
        frame.reset_index(level=nameless, drop=True) if nameless else frame, preserve_index=True
    )


def _array_of(name: str, values: Sequence[object]) -> pa.Array:
    kinds = _kinds_of(values)
    values = [value if kinds[type(value)] else None for value in values]
    _check_one_kind(name, values)
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise DuneConfigurationError(
            f"Column {name!r} of the list cannot be read as one type: {error}.",
            hint="Cast its values to the type that all of them have, such as text.",
        ) from error


def _check_objects(name: str, series: Any) -> None:
    """Check values that are Python's, be they a column's own or those of its categories."""
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
    """What the values of each type are; nothing for NULL."""
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
