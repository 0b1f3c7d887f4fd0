"""Pages of a result: the options that select a part of it, and its pages as CSV or unparsed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from dagster_dune.api.endpoints.base import comma_separated, given
from dagster_dune.errors import DuneConfigurationError


class ResultOptions(TypedDict, total=False):
    """The options that select which part of a result is read.

    Attributes:
        limit: The number of rows at the most; Dune caps a page at 250,000 values by default. 0 reads the shape alone.
        offset: The number of rows to leave out, from the first.
        columns: The names of the columns to read; all if None.
        filters: A condition for the rows, like a WHERE clause without the keyword.
        sort_by: The columns that order the rows, like an ORDER BY clause without the keywords.
        sample_count: The number of rows to choose at random. It excludes `limit`, `offset` and `filters`.
        allow_partial_results: Whether to read what there is of a result that Dune has cut short
            (``QUERY_STATE_COMPLETED_PARTIAL``); Dune refuses it otherwise.
        ignore_max_credits_per_request: Whether a page may hold more than 250,000 values.
    """

    limit: int | None
    offset: int | None
    columns: Sequence[str] | None
    filters: str | None
    sort_by: str | None
    sample_count: int | None
    allow_partial_results: bool
    ignore_max_credits_per_request: bool


@dataclass
class CsvStream:
    """A page of a result as CSV, piece by piece. Iterate over it once, inside the `with` block.

    Dune writes NULL as ``<nil>``; an empty field is an empty text.

    Attributes:
        next_offset: The offset of the next page; None after the last.
        next_uri: The address of the next page.
        bytes_read: How many decompressed bytes have arrived so far.
    """

    next_offset: int | None
    next_uri: str | None
    _pieces: Iterator[bytes]
    bytes_read: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.bytes_read += len(piece)
            yield piece


@dataclass(frozen=True)
class ResultsPage:
    """One page of a result as Dune sends it.

    Attributes:
        format: The format of the body: ``"csv"`` or ``"json"``.
        body: The page itself, decompressed.
        next_offset: The offset of the next page of CSV; None after the last. The body of JSON contains its own.
        next_uri: The address of the next page of CSV.
    """

    format: Literal["csv", "json"]
    body: bytes
    next_offset: int | None
    next_uri: str | None


def csv_stream(headers: Mapping[str, str], pieces: Iterator[bytes]) -> CsvStream:
    """Return the page of CSV with these headers."""
    return CsvStream(next_offset(headers), headers.get("x-dune-next-uri"), pieces)


def next_offset(headers: Mapping[str, str]) -> int | None:
    """Return the offset of the next page from the headers of a page of CSV; None if they have none."""
    following = headers.get("x-dune-next-offset", "")
    return int(following) if re.fullmatch(r"[0-9]{1,18}", following) else None


def params_of(options: ResultOptions) -> dict[str, Any]:
    """Return the fields of the query string.

    Raises:
        DuneConfigurationError: `sample_count` is combined with an option that it excludes.
    """
    if options.get("sample_count") is not None and (
        options.get("limit") is not None or options.get("offset") or options.get("filters") is not None
    ):
        raise DuneConfigurationError(
            "sample_count cannot be combined with limit, offset and filters.",
            hint="Sample the whole result, or filter it in SQL before.",
        )
    return given(
        limit=options.get("limit"),
        offset=options.get("offset"),
        columns=comma_separated(options.get("columns")),
        filters=options.get("filters"),
        sort_by=options.get("sort_by"),
        sample_count=options.get("sample_count"),
        allow_partial_results="true" if options.get("allow_partial_results") else None,
        ignore_max_credits_per_request="true" if options.get("ignore_max_credits_per_request") else None,
    )
