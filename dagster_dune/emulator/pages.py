"""Pages of a result: some of its rows, some of its columns, and where the next page starts."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from dagster_dune.emulator.results import ResultSet
from dagster_dune.emulator.wire import RequestError

MAX_DATAPOINTS = 250_000


@dataclass(frozen=True)
class Page:
    """A part of a result.

    Attributes:
        rows: The rows and columns that were asked for.
        offset: The number of rows before it.
        next_offset: Where the next page starts, or None at the end.
    """

    rows: ResultSet
    offset: int
    next_offset: int | None


def cut(result: ResultSet, *, limit: int | None, offset: int, columns: str | None, unlimited: bool = False) -> Page:
    """Cut a page out of a result.

    Args:
        result: All rows and columns.
        limit: The number of rows at the most. There are fewer if the page would hold more than 250,000 values.
        offset: The number of rows to leave out, from the first.
        columns: Column names with commas between them, each in double quotes if it holds a comma; all if None.
        unlimited: Whether a page may hold more than 250,000 values.

    Raises:
        RequestError: 400, for a column that the result does not have.
    """
    chosen = result.columns
    if columns is not None:
        known = {column.name: column for column in result.columns}
        names = next(csv.reader([columns], skipinitialspace=True), [])
        if unknown := [name for name in names if name not in known]:
            raise RequestError(400, f"columns: the result has no column {unknown[0]!r}, but {', '.join(known)}")
        chosen = tuple(known[name] for name in names)
    total = len(result.rows)
    size = total if limit is None else limit
    if not unlimited:
        size = min(size, max(1, MAX_DATAPOINTS // max(1, len(chosen))))
    end = min(offset + size, total)
    rows = result.rows[offset:end]
    if chosen != result.columns:
        rows = [{column.name: row[column.name] for column in chosen} for row in rows]
    return Page(ResultSet(chosen, rows), offset, end if offset < end < total else None)
