"""Executions and their results: https://docs.dune.com/api-reference/executions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from dagster_dune.api import models
from dagster_dune.api.bodies import MAX_RESULT_PAGE_BYTES
from dagster_dune.api.endpoints.base import PAGE_SIZE, Endpoints, comma_separated, given, segment
from dagster_dune.api.errors import DuneServerError
from dagster_dune.errors import DuneConfigurationError

MAX_RESULT_PAGES = 1_000_000

T = TypeVar("T")


class ResultOptions(TypedDict, total=False):
    """Which part of a result is read.

    Attributes:
        limit: The number of rows at the most; Dune caps a page at 250,000 values by default. 0 reads the shape alone.
        offset: The number of rows to leave out, from the first.
        columns: The names of the columns to read; all if None.
        filters: What the rows must fulfil, like a WHERE without the word.
        sort_by: The columns that order the rows, like an ORDER BY without the words.
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
        next_offset: Where the next page starts; None after the last.
        next_uri: The address of the next page.
        bytes_read: How much has come so far, unpacked.
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
        format: What the body is: ``"csv"`` or ``"json"``.
        body: The page itself, unpacked.
        next_offset: Where the next page begins, and None on the last; of CSV alone, as JSON says it in the body.
        next_uri: The address of the next page; of CSV alone.
    """

    format: Literal["csv", "json"]
    body: bytes
    next_offset: int | None
    next_uri: str | None


class Executions(Endpoints):
    """Following executions, and reading what they made."""

    def get_execution_status(self, execution_id: str) -> models.ExecutionStatus:
        """Read how far an execution is and, once it ended, its shape, its times and what it cost.

        ``GET /v1/execution/{id}/status``. No credits.

        Raises:
            DuneNotFoundError: Dune does not know it.
            DuneBadRequestError: It is no execution id.
            DuneApiError: It could not be read.
        """
        return self._read(models.ExecutionStatus, f"v1/execution/{segment(execution_id)}/status")

    def cancel_execution(self, execution_id: str) -> bool:
        """Cancel an execution: ``POST /v1/execution/{id}/cancel``. What it has cost by then is charged.

        Returns:
            Whether Dune did; False where it had ended already.

        Raises:
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._change(models.Cancelled, "POST", f"v1/execution/{segment(execution_id)}/cancel").success

    def get_execution_results(self, execution_id: str, **options: Unpack[ResultOptions]) -> models.ExecutionResults:
        """Read one page of an execution's rows: ``GET /v1/execution/{id}/results``.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            options: Which part of it: see `ResultOptions`.

        Raises:
            DuneConfigurationError: `sample_count` stands beside an option that it excludes.
            DuneNotFoundError: Dune does not know it, or its rows have expired (after 90 days).
            DuneServerError: The page is larger than 256 MiB. Ask for fewer rows or columns, or stream it as CSV.
            DuneApiError: It could not be read.
        """
        return self._rows(_execution_path(execution_id), options)

    def get_query_results(self, query_id: int, **options: Unpack[ResultOptions]) -> models.ExecutionResults:
        """Read one page of a query's latest result, without executing it: ``GET /v1/query/{id}/results``.

        Credits: exports are charged by size.

        Raises:
            DuneNotFoundError: There is no such query, or its latest version was never executed.
            DuneApiError: As in `get_execution_results`.
        """
        return self._rows(f"v1/query/{int(query_id)}/results", options)

    def iter_execution_pages(
        self,
        execution_id: str,
        *,
        page_size: int = PAGE_SIZE,
        columns: Sequence[str] | None = None,
        allow_partial_results: bool = False,
        ignore_max_credits_per_request: bool = False,
    ) -> Iterator[models.ExecutionResults]:
        """Read an execution's rows page by page, each when it is asked for: see `get_execution_results`.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            page_size: The rows of a page.
            columns: See `ResultOptions`, as for the rest.
            allow_partial_results: Whether a result that Dune has cut short will do.
            ignore_max_credits_per_request: Whether a page may hold more than 250,000 values.

        Raises:
            DuneConfigurationError: `page_size` is less than 1, or `columns` no list of names.
            DuneServerError: The pages do not end.
            DuneApiError: As in `get_execution_results`.
        """
        if page_size < 1:
            raise DuneConfigurationError(f"page_size must be at least 1, not {page_size}.")
        path = _execution_path(execution_id)

        def read(offset: int) -> models.ExecutionResults:
            return self.get_execution_results(
                execution_id,
                limit=page_size,
                offset=offset,
                columns=columns,
                allow_partial_results=allow_partial_results,
                ignore_max_credits_per_request=ignore_max_credits_per_request,
            )

        def next_of(offset: int, page: models.ExecutionResults) -> int | None:
            if page.next_offset and not (page.result and page.result.rows):
                reason = f"the page at offset {offset} has no rows, and yet another comes after it"
                raise DuneServerError(reason, method="GET", path=f"/api/{path}", status=200)
            return page.next_offset

        return self._pages(path, read, next_of, MAX_RESULT_PAGES)

    @contextmanager
    def stream_execution_csv(self, execution_id: str, **options: Unpack[ResultOptions]) -> Iterator[CsvStream]:
        """Read one page of an execution's rows as CSV, as it comes: ``GET /v1/execution/{id}/results/csv``.

        It never stands in memory as a whole, so that its size has no bound. Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            options: Which part of it: see `ResultOptions`.

        Yields:
            The CSV, piece by piece, and where the next page starts.

        Raises:
            DuneApiError: As in `get_execution_results`; also while it is read, where the connection breaks.
        """
        with self._csv(_execution_path(execution_id), options) as stream:
            yield stream

    @contextmanager
    def stream_query_csv(self, query_id: int, **options: Unpack[ResultOptions]) -> Iterator[CsvStream]:
        """Read one page of a query's latest result as CSV, as it comes: ``GET /v1/query/{id}/results/csv``.

        Credits: exports are charged by size.

        Raises:
            DuneApiError: As in `get_query_results`.
        """
        with self._csv(f"v1/query/{int(query_id)}/results", options) as stream:
            yield stream

    def download_execution_results(
        self,
        execution_id: str,
        *,
        format: Literal["csv", "json"] = "csv",  # noqa: A002  (the word that users look for)
        **options: Unpack[ResultOptions],
    ) -> ResultsPage:
        """Read one page of an execution's rows as it stands on the wire: ``GET /v1/execution/{id}/results[/csv]``.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            format: What the page is written in.
            options: Which part of it: see `ResultOptions`.

        Raises:
            DuneApiError: As in `get_execution_results`.
        """
        path = _execution_path(execution_id) + ("/csv" if format == "csv" else "")
        headers, body = self._transport.download(path, _params(options))
        return ResultsPage(format, body, _next_offset(headers), headers.get("x-dune-next-uri"))

    def read_execution_csv(
        self, execution_id: str, read: Callable[[CsvStream], T], **options: Unpack[ResultOptions]
    ) -> T:
        """Hand one page of an execution's rows to a function as it comes: ``GET /v1/execution/{id}/results/csv``.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            read: Is given the page. Where the connection breaks, it is called again, with the page from its beginning.
            options: Which part of it: see `ResultOptions`.

        Returns:
            What `read` returns.

        Raises:
            DuneApiError: As in `get_execution_results`.
        """
        path = f"{_execution_path(execution_id)}/csv"
        return self._transport.read_page(path, _params(options), lambda *page: read(_csv_stream(*page)))

    def _rows(self, path: str, options: ResultOptions) -> models.ExecutionResults:
        return self._transport.send(
            models.ExecutionResults, "GET", path, params=_params(options), max_bytes=MAX_RESULT_PAGE_BYTES
        )

    @contextmanager
    def _csv(self, path: str, options: ResultOptions) -> Iterator[CsvStream]:
        with self._transport.stream(f"{path}/csv", _params(options)) as page:
            yield _csv_stream(*page)


def _csv_stream(headers: Mapping[str, str], pieces: Iterator[bytes]) -> CsvStream:
    return CsvStream(_next_offset(headers), headers.get("x-dune-next-uri"), pieces)


def _next_offset(headers: Mapping[str, str]) -> int | None:
    following = headers.get("x-dune-next-offset", "")
    return int(following) if re.fullmatch(r"[0-9]{1,18}", following) else None


def _execution_path(execution_id: str) -> str:
    return f"v1/execution/{segment(execution_id)}/results"


def _params(options: ResultOptions) -> dict[str, Any]:
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
