"""Writes results to CSV and NDJSON files, which appear only when they are complete, for tools without Parquet.

Bytes are ``0x`` and hexadecimal digits as on Dune. In CSV a NULL is an empty field, and an empty text is ``""``. In a
file with one column, a NULL is ``""`` too, since many readers skip empty lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from dagster_dune.frames.exports import Source, destination
from dagster_dune.frames.targets import unique_names
from dagster_dune.paging.options import Export


def write_csv(source: Source, to: str | os.PathLike[str]) -> Export:
    """Write a result as CSV with a header; nested values are JSON."""
    with destination(to, {}) as file:
        header = [pa.array([name], pa.string()) for name in source.schema.names]
        file.write(_csv_of(header))
        for batch in source.batches():
            columns = [_for_csv(column) for column in batch.columns]
            file.write(_without_empty_lines(columns[0]) if len(columns) == 1 else _csv_of(columns))
    return source.export


def _csv_of(columns: list[pa.Array]) -> pa.Buffer:
    table = pa.Table.from_arrays(columns, names=[str(place) for place in range(len(columns))])
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(table, sink, arrow_csv.WriteOptions(include_header=False))
    return sink.getvalue()


def _without_empty_lines(column: pa.Array) -> bytes | pa.Buffer:
    """Return the CSV of a single column, without empty lines. Only texts can contain line breaks."""
    if pa.types.is_string(column.type):
        return _csv_of([pc.fill_null(column, "")])
    text = _csv_of([column])
    if not column.null_count:
        return text
    return b"".join((line or b'""') + b"\n" for line in text.to_pybytes().splitlines())


def _for_csv(column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type) or pa.types.is_duration(column.type) or _is_bytes(column.type):
        texts = [None if value is None else _plain(value) for value in _values_of(column)]
        return pa.array([text if isinstance(text, str | None) else json.dumps(text) for text in texts], pa.string())
    return column


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_))


def write_ndjson(source: Source, to: str | os.PathLike[str]) -> Export:
    """Write a result as one JSON object per line. Values that are no JSON numbers, and decimals, become texts."""
    names = unique_names(source.schema.names)
    with destination(to, {}) as file:
        for batch in source.batches():
            rows = zip(*map(_values_of, batch.columns), strict=True)
            lines = (json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False) for row in rows)
            file.writelines(f"{line}\n".encode() for line in lines)
    return source.export


def _values_of(column: pa.Array) -> list[Any]:
    """Return the values of a column as Python objects. A 32-bit float gets the shortest digits that represent it."""
    values: list[Any] = column.to_pylist()
    has_reals = pa.types.is_nested(column.type) or pa.types.is_float32(column.type)
    return [_with_own_digits(value, column.type) for value in values] if has_reals else values


def _with_own_digits(value: Any, type_: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_float32(type_):
        return float(str(np.float32(value)))
    if pa.types.is_map(type_):
        return [(_with_own_digits(key, type_.key_type), _with_own_digits(item, type_.item_type)) for key, item in value]
    if pa.types.is_list(type_):
        return [_with_own_digits(item, type_.value_type) for item in value]
    if pa.types.is_struct(type_):
        return {field.name: _with_own_digits(value[field.name], field.type) for field in type_}
    return value


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent."""
    convert = _PLAIN.get(type(value))
    return convert(value) if convert else value


def _not_finite(value: float) -> str:
    """Return the text that Dune writes for a double that is NaN or infinite."""
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


_PLAIN: dict[type, Callable[[Any], Any]] = {
    float: lambda value: value if isfinite(value) else _not_finite(value),
    bytes: lambda value: "0x" + value.hex(),
    Decimal: lambda value: format(value, "f"),
    datetime: lambda value: value.isoformat(" ", "microseconds"),
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    dict: lambda value: {key: _plain(item) for key, item in value.items()},
    list: lambda value: [_plain(item) for item in value],
    tuple: lambda value: [_plain(item) for item in value],
}
