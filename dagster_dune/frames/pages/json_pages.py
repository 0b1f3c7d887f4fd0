"""A page in JSON as a record batch, with what else it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dagster_dune.errors import DuneResultError
from dagster_dune.frames.types.columns import Column, arrow_schema
from dagster_dune.frames.types.values import Number, Pairs, from_json, json_values


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
    has_twins = len({column.name for column in columns}) < len(columns)
    try:
        page = json_values(body, keep_pairs=has_twins)
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
    before = Counter[str]()
    arrays = []
    for column in columns:
        values = _values_of_twin(rows, column.name, before[column.name]) if has_twins else _values(rows, column.name)
        arrays.append(from_json(values, column))
        before[column.name] += 1
    next_uri = page.get("next_uri")
    return JsonPage(
        pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns)),
        page.get("execution_id"),
        _whole(metadata.get("total_row_count")),
        _whole(page.get("next_offset")),
        next_uri if isinstance(next_uri, str) else None,
    )


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


def _whole(number: object) -> int | None:
    return int(number) if isinstance(number, Number) and number.isdigit() and len(number) < 19 else None


def _check_names(names: object, columns: Sequence[Column]) -> None:
    expected = [column.name for column in columns]
    if isinstance(names, list) and sorted(map(str, names)) != sorted(expected):
        raise DuneResultError(f"A page of the result has the columns {names}, not {expected}.")
