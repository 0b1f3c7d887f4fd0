"""Returns pages of results: selected rows and columns, and the offset of the next page."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from dagster_dune.emulator.engine.results import ResultSet
from dagster_dune.emulator.http.row_filters import filtered, sampled, sorted_rows
from dagster_dune.emulator.requests import RequestError

MAX_DATAPOINTS = 250_000


@dataclass(frozen=True)
class Page:
    """A part of a result.

    Attributes:
        rows: The requested rows and columns.
        offset: The number of rows before the page.
        next_offset: The offset of the next page, or None at the end.
    """

    rows: ResultSet
    offset: int
    next_offset: int | None


def cut(
    result: ResultSet,
    *,
    limit: int | None = None,
    offset: int = 0,
    columns: str | None = None,
    filters: str | None = None,
    sort_by: str | None = None,
    sample_count: int | None = None,
    unlimited: bool = False,
) -> Page:
    """Return a page of a result.

    Args:
        result: All rows and columns.
        limit: The maximum number of rows. There are fewer if the page would have more than 250,000 values.
        offset: The number of rows to skip.
        columns: Column names separated by commas, in double quotes if they contain commas; all if None.
        filters: The condition for rows, which is applied before `offset` and `limit`.
        sort_by: The columns that order the rows.
        sample_count: The number of rows to choose at random.
        unlimited: Whether a page may have more than 250,000 values.

    Raises:
        RequestError: 400, for an unknown column, or options that cannot be combined.
    """
    if sample_count is not None and (limit is not None or offset or filters is not None):
        raise RequestError(400, "sample_count cannot be combined with limit, offset and filters")
    chosen = result.columns
    if columns is not None:
        known = result.by_name()
        names = next(csv.reader([columns], skipinitialspace=True), [])
        if unknown := [name for name in names if name not in known]:
            raise RequestError(400, f"columns: the result has no column {unknown[0]!r}, but {', '.join(known)}")
        chosen = tuple(known[name] for name in names)
    if filters is not None:
        result = filtered(result, filters)
    if sort_by is not None:
        result = sorted_rows(result, sort_by)
    if sample_count is not None:
        result = sampled(result, sample_count)
    total = len(result.rows)
    size = total if limit is None else limit
    if not unlimited:
        size = min(size, max(1, MAX_DATAPOINTS // max(1, len(chosen))))
    end = min(offset + size, total)
    rows = result.rows[offset:end]
    if chosen != result.columns:
        rows = [{column.key: row[column.key] for column in chosen} for row in rows]
    return Page(ResultSet(chosen, rows), offset, end if offset < end < total else None)
