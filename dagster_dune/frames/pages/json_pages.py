"""A page in JSON as a record batch, with what else it says."""

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
    """The rows of a page in JSON, and what else it says."""

    batch: pa.RecordBatch
    said: Envelope


def read_json(body: bytes, columns: Sequence[Column]) -> JsonPage:
    """Read a page in JSON.

    Args:
        body: As it came.
        columns: The columns that it must have.

    Raises:
        DuneResultError: It is no page of such a result.
    """
    has_twins = len({column.name for column in columns}) < len(columns)
    try:
        page = json_values(body, keep_pairs=has_twins)
    except (ValueError, RecursionError) as error:
        raise DuneResultError(f"A page of the result is no JSON: {error}.") from error
    said = envelope_of(page)
    rows = said.rows
    check_names(said, [column.name for column in columns])
    before = Counter[str]()
    arrays = []
    for column in columns:
        values = _values_of_twin(rows, column.name, before[column.name]) if has_twins else _values(rows, column.name)
        arrays.append(from_json(values, column))
        before[column.name] += 1
    return JsonPage(pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns)), said)


def _values(rows: Sequence[Any], name: str) -> list[Any]:
    try:
        return [row[name] for row in rows]
    except (KeyError, TypeError) as error:
        raise DuneResultError(f"A row of the result has no column {name!r}.") from error


# Assumption: json-column-names.
def _values_of_twin(rows: Sequence[Any], name: str, number: int) -> list[Any]:
    """The values of one of the columns that may share their name: as often as there are columns, it stands in a row."""
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
