"""One page of a result, as Dune sends it, as an Arrow record batch."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types.columns import Column, arrow_schema
from dagster_dune.frames.types.values import Number, from_json, from_text, json_values

# Assumption: csv-null.
NULL_IN_CSV = "<nil>"
"""What stands in CSV for NULL. An empty field is an empty text."""


@dataclass(frozen=True)
class JsonPage:
    """What a page in JSON says.

    Attributes:
        batch: Its rows.
        execution_id: The execution that they are of.
        total_row_count: The rows of the whole result; None where it does not say.
        next_offset: Where the next page begins; None on the last.
        next_uri: The address of the next page.
    """

    batch: pa.RecordBatch
    execution_id: str | None
    total_row_count: int | None
    next_offset: int | None
    next_uri: str | None


def read_json(body: bytes, columns: Sequence[Column]) -> JsonPage:
    """Read a page in JSON.

    Args:
        body: As it came.
        columns: The columns that it must have.

    Raises:
        DuneResultError: It is no page of such a result.
    """
    try:
        page = json_values(body)
    except (ValueError, RecursionError) as error:
        raise DuneResultError(f"A page of the result is no JSON: {error}.") from error
    result = page.get("result") if isinstance(page, dict) else None
    rows = result.get("rows") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(rows, list | None):
        state = page.get("state") if isinstance(page, dict) else None
        raise DuneResultError(f"A page of the result has no rows (state {state}).")
    rows = rows or []
    metadata = result.get("metadata") or {}
    _check_names(metadata.get("column_names"), columns)
    # Assumption: json-column-names.
    twice = [name for name, count in Counter(column.name for column in columns).items() if count > 1]
    if twice:
        raise DuneResultError(
            f"The result has several columns {twice[0]!r}, whose values JSON cannot tell apart.",
            hint="Give each column a name of its own in the SQL.",
        )
    arrays = [from_json(_values(rows, column), column) for column in columns]
    return JsonPage(
        _batch(arrays, columns, len(rows)),
        page.get("execution_id"),
        _whole(metadata.get("total_row_count")),
        _whole(page.get("next_offset")),
        page.get("next_uri"),
    )


def _values(rows: Sequence[Any], column: Column) -> list[Any]:
    try:
        return [row[column.name] for row in rows]
    except (KeyError, TypeError) as error:
        raise DuneResultError(f"A row of the result has no column {column.name!r}.") from error


def _whole(number: object) -> int | None:
    return int(number) if isinstance(number, Number) and number.isdigit() and len(number) < 19 else None


def _check_names(names: object, columns: Sequence[Column]) -> None:
    expected = [column.name for column in columns]
    if isinstance(names, list) and sorted(map(str, names)) != sorted(expected):
        raise DuneResultError(f"A page of the result has the columns {names}, not {expected}.")


def read_csv(body: bytes, columns: Sequence[Column]) -> pa.RecordBatch:
    """Read a page in CSV; its header must name the columns.

    Args:
        body: As it came.
        columns: The columns that it must have.

    Raises:
        DuneResultError: It is no page of such a result.
    """
    end = _end_of_header(body)
    in_file = _order(body[:end], columns)
    rows = _texts(body, end, len(columns))
    if rows is None:
        return pa.RecordBatch.from_pylist([], schema=arrow_schema(columns))
    places = {column: place for place, column in enumerate(in_file)}
    arrays = [from_text(_one_piece(rows.column(places[number])), column) for number, column in enumerate(columns)]
    return _batch(arrays, columns, rows.num_rows)


def _end_of_header(body: bytes) -> int:
    """Where the rows begin: after the first line break that stands in no quotes."""
    end = body.find(b"\n")
    while end >= 0 and body.count(b'"', 0, end) % 2:
        end = body.find(b"\n", end + 1)
    return len(body) if end < 0 else end + 1


def _order(header: bytes, columns: Sequence[Column]) -> list[int]:
    """Which column stands at each place of the file."""
    try:
        names = next(csv.reader(io.StringIO(header.decode("utf-8-sig"), newline=""), strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DuneResultError(f"The header of a page is no CSV in UTF-8: {error}.") from error
    expected = [column.name for column in columns]
    names = names or [""]
    if names == expected:
        return list(range(len(columns)))
    if sorted(names) != sorted(expected) or len(set(names)) != len(names):
        raise DuneResultError(f"A page of the result has the columns {names}, not {expected}.")
    return [expected.index(name) for name in names]


def _texts(body: bytes, start: int, width: int) -> pa.Table | None:
    if start == len(body):
        return None
    names = [str(place) for place in range(width)]
    quotes = body.count(b'"', start)
    if quotes % 2:
        raise DuneResultError("A page of the result ends within quotes: it has not come whole.")
    rows = pa.py_buffer(body)[start:]
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(rows),
            arrow_csv.ReadOptions(column_names=names, block_size=len(rows) + 1, use_threads=False),
            arrow_csv.ParseOptions(newlines_in_values=quotes > 0, ignore_empty_lines=False),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[NULL_IN_CSV], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise DuneResultError(f"A page of the result is no CSV of {width} columns: {error}.") from error


def _one_piece(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def _batch(arrays: Sequence[pa.Array], columns: Sequence[Column], rows: int) -> pa.RecordBatch:
    if not columns:
        raise DuneResultError(f"A page of {rows} rows has no columns.")
    return pa.RecordBatch.from_arrays(list(arrays), schema=arrow_schema(columns))
