"""Reads a page in JSON into a record batch and an envelope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types.columns import Column, arrow_schema
from dagster_dune.frames.types.values import Pairs, from_json, json_values
from dagster_dune.paging.requests import Envelope, check_names, envelope_of


class JsonPage(NamedTuple):
    """The rows of a page in JSON, and its other fields."""

    batch: pa.RecordBatch
    envelope: Envelope


def read_json(body: bytes, columns: Sequence[Column], names_of_result: Sequence[str] = ()) -> JsonPage:
    """Read a page in JSON.

    Args:
        body: The body of the response.
        columns: The columns that the page must have.
        names_of_result: The names of all columns of the result, which the page may name in place of those.

    Raises:
        DuneResultError: The body is no page of such a result.
    """
    has_duplicates = len({column.name for column in columns}) < len(columns)
    try:
        page = json_values(body, keep_pairs=has_duplicates)
    except (ValueError, RecursionError) as error:
        raise DuneResultError(f"A page of the result is no JSON: {error}.") from error
    envelope = envelope_of(page)
    rows = envelope.rows
    check_names(envelope, [column.name for column in columns], names_of_result)
    before = Counter[str]()
    arrays = []
    for column in columns:
        values = (
            _values_of_duplicate(rows, column.name, before[column.name])
            if has_duplicates
            else _values(rows, column.name)
        )
        arrays.append(from_json(values, column))
        before[column.name] += 1
    return JsonPage(pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns)), envelope)


def _values(rows: Sequence[Any], name: str) -> list[Any]:
    try:
        return [row[name] for row in rows]
    except (KeyError, TypeError) as error:
        raise DuneResultError(f"A row of the result has no column {name!r}.") from error


# Assumption: json-column-names.
def _values_of_duplicate(rows: Sequence[Any], name: str, number: int) -> list[Any]:
    """Return the values of the column with this number among those of one name; a row has the name once for each."""
    values = []
    for row in rows:
        found = [value for key, value in row.pairs if key == name] if isinstance(row, Pairs) else []
        if number >= len(found):
            raise DuneResultError(
                f"The result has several columns {name!r}, whose values JSON does not tell apart here.",
                hint="Give each column a name of its own in the SQL.",
            )
        values.append(found[number])
    return values
