"""Executions and their results: https://docs.dune.com/api-reference/executions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeVar, Unpack

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import PAGE_SIZE, Endpoints, query_number, segment
from dagster_dune.api.endpoints.result_pages import (
    CsvStream,
    ResultOptions,
    ResultsPage,
    csv_stream,
    next_offset,
    params_of,
)
from dagster_dune.api.errors import DuneServerError
from dagster_dune.api.http.bodies import MAX_RESULT_PAGE_BYTES
from dagster_dune.errors import DuneConfigurationError

MAX_RESULT_PAGES = 1_000_000

T = TypeVar("T")


class Executions(Endpoints):
    """Follows executions, and reads their results."""

    def get_execution_status(self, execution_id: str) -> models.ExecutionStatus:
        """Read the state of an execution and, once it has ended, the shape of its result, its times and its cost.

        ``GET /v1/execution/{id}/status``. No credits.

        Raises:
            DuneNotFoundError: Dune does not know it.
            DuneBadRequestError: It is not an execution id.
            DuneApiError: It could not be read.
        """
        path = f"v1/execution/{segment(execution_id)}/status"
        return self._read_about(execution_id, "execution_id", models.ExecutionStatus, path)

    def cancel_execution(self, execution_id: str) -> bool:
        """Cancel an execution: ``POST /v1/execution/{id}/cancel``. Its cost until then is charged.

        Returns:
            Whether it was cancelled; False if it had ended already.

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
            DuneConfigurationError: `sample_count` is combined with an option that it excludes.
            DuneNotFoundError: Dune does not know it, or its rows have expired (after 90 days).
            DuneServerError: The page is larger than 256 MiB. Ask for fewer rows or columns, or stream it as CSV.
            DuneApiError: It could not be read.
        """
        return self._read_about(
            execution_id,
            "execution_id",
            models.ExecutionResults,
            _execution_path(execution_id),
            params=params_of(options),
            max_bytes=MAX_RESULT_PAGE_BYTES,
        )

    def get_query_results(self, query_id: int, **options: Unpack[ResultOptions]) -> models.ExecutionResults:
        """Read one page of a query's latest result, without executing it: ``GET /v1/query/{id}/results``.

        Credits: exports are charged by size.

        Raises:
            DuneNotFoundError: There is no such query, or its latest version was never executed.
            DuneApiError: As in `get_execution_results`.
        """
        return self._transport.send(
            models.ExecutionResults,
            "GET",
            f"v1/query/{query_number(query_id)}/results",
            params=params_of(options),
            max_bytes=MAX_RESULT_PAGE_BYTES,
        )

    def iter_execution_pages(
        self,
        execution_id: str,
        *,
        page_size: int = PAGE_SIZE,
        columns: Sequence[str] | None = None,
        allow_partial_results: bool = False,
        ignore_max_credits_per_request: bool = False,
    ) -> Iterator[models.ExecutionResults]:
        """Read an execution's rows page by page as they are iterated: see `get_execution_results`.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            page_size: The rows of a page.
            columns: See `ResultOptions`, also for the other options.
            allow_partial_results: Whether to accept a result that Dune has cut short.
            ignore_max_credits_per_request: Whether a page may hold more than 250,000 values.

        Raises:
            DuneConfigurationError: `page_size` is less than 1, or `columns` is not a list of names.
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
        """Read one page of an execution's rows as CSV, as it arrives: ``GET /v1/execution/{id}/results/csv``.

        It is not kept in memory, so its size has no limit. Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            options: Which part of it: see `ResultOptions`.

        Yields:
            The CSV, piece by piece, and where the next page starts.

        Raises:
            DuneApiError: As in `get_execution_results`; also raised while it is read, if the connection breaks.
        """
        with self._csv(_execution_path(execution_id), options) as stream:
            yield stream

    @contextmanager
    def stream_query_csv(self, query_id: int, **options: Unpack[ResultOptions]) -> Iterator[CsvStream]:
        """Read one page of a query's latest result as CSV, as it arrives: ``GET /v1/query/{id}/results/csv``.

        Credits: exports are charged by size.

        Raises:
            DuneApiError: As in `get_query_results`.
        """
        with self._csv(f"v1/query/{query_number(query_id)}/results", options) as stream:
            yield stream

    def download_execution_results(
        self,
        execution_id: str,
        *,
        format: Literal["csv", "json"] = "csv",  # noqa: A002  (the word that users look for)
        **options: Unpack[ResultOptions],
    ) -> ResultsPage:
        """Read one page of an execution's rows, unparsed: ``GET /v1/execution/{id}/results[/csv]``.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            format: The format of the page.
            options: Which part of it: see `ResultOptions`.

        Raises:
            DuneApiError: As in `get_execution_results`.
        """
        path = _execution_path(execution_id) + ("/csv" if format == "csv" else "")
        headers, body = self._transport.download(path, params_of(options))
        return ResultsPage(format, body, next_offset(headers), headers.get("x-dune-next-uri"))

    def read_execution_csv(
        self, execution_id: str, read: Callable[[CsvStream], T], **options: Unpack[ResultOptions]
    ) -> T:
        """Pass one page of an execution's rows to a function as it arrives: ``GET /v1/execution/{id}/results/csv``.

        Credits: exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            read: The function. If the connection breaks, it is called again, with the page from its beginning.
            options: Which part of it: see `ResultOptions`.

        Returns:
            What `read` returns.

        Raises:
            DuneApiError: As in `get_execution_results`.
        """
        path = f"{_execution_path(execution_id)}/csv"
        return self._transport.read_page(path, params_of(options), lambda *page: read(csv_stream(*page)))

    @contextmanager
    def _csv(self, path: str, options: ResultOptions) -> Iterator[CsvStream]:
        with self._transport.stream(f"{path}/csv", params_of(options)) as page:
            yield csv_stream(*page)


def _execution_path(execution_id: str) -> str:
    return f"v1/execution/{segment(execution_id)}/results"
