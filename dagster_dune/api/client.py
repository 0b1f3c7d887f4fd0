"""`DuneApiClient`: Dune's HTTP API, one method an endpoint."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

from dagster_dune.api import models
from dagster_dune.api.address import DEFAULT_BASE_URL, checked_base_url
from dagster_dune.errors import DuneConfigurationError

if TYPE_CHECKING:
    from types import TracebackType

    from dagster_dune.api.transport import Transport

DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 5
PAGE_SIZE = 1000

AnswerT = TypeVar("AnswerT", bound=models.DuneModel)


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


class DuneApiClient:
    """A client of Dune's API. Use it as a context manager, or call `close`.

    The key travels in the ``X-Dune-Api-Key`` header alone. Reads are retried with backoff, honouring Retry-After;
    a request that starts paid work is sent again only where Dune surely did not start it, and raises
    `AmbiguousSubmission` where that cannot be known.

    Args:
        api_key: A key of the user or team that owns the queries, see https://dune.com/settings/api.
        base_url: Where the API is, without ``/api/v1``. It must be https, except on this machine's loopback.
        timeout: The seconds that one request may take to connect, and that it may wait for each part of the answer.
        max_retries: How often a request is sent again at the most.

    Raises:
        DuneConfigurationError: The key is empty, the address unsafe, or a number out of range.

    Examples:
        >>> client = DuneApiClient("key")
        >>> client
        DuneApiClient(base_url='https://api.dune.com')
        >>> client.close()
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
    ) -> None:
        if timeout <= 0:
            raise DuneConfigurationError(f"timeout must be a positive number of seconds, not {timeout}.")
        if max_retries < 0:
            raise DuneConfigurationError(f"max_retries must not be negative, but is {max_retries}.")
        self.base_url = checked_base_url(base_url)
        self._api_key = checked_api_key(api_key)
        self._timeout = timeout
        self._max_retries = max_retries
        self._opened: Transport | None = None
        self._opening = Lock()

    def __repr__(self) -> str:
        return f"DuneApiClient(base_url={self.base_url!r})"

    def __enter__(self) -> DuneApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. The client opens new ones if it is used again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _transport(self) -> Transport:
        with self._opening:  # one transport, also where several threads send the first requests at once
            if self._opened is None:
                from dagster_dune.api.transport import Transport  # noqa: PLC0415  (httpx is slow to import)

                self._opened = Transport(
                    api_key=self._api_key,
                    base_url=self.base_url,
                    timeout=self._timeout,
                    max_retries=self._max_retries,
                )
            return self._opened

    # --- pipelines ---

    def execute_pipeline(self, pipeline: models.Pipeline) -> models.PipelineSubmitted:
        """Run a graph of matview refreshes and query executions. Charged for.

        See https://docs.dune.com/api-reference/pipelines/endpoint/execute-pipeline.

        Args:
            pipeline: The nodes, each with the ids of those that must complete before it.

        Returns:
            The id to follow the pipeline by.

        Raises:
            AmbiguousSubmission: Dune may have started the pipeline; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        body = {"pipeline": _without_none(pipeline)}
        return self._submit(models.PipelineSubmitted, "pipelines/execute", body)

    def execute_lineage(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.PipelineSubmitted:
        """Run a query after every matview that it reads, directly or not, as Dune works them out. Charged for.

        The other body of `execute_pipeline`'s endpoint.

        Args:
            query_id: The query at the end.
            performance: The engine tier; the plan's default if None.
            query_parameters: Values of the query's parameters; Dune's saved defaults if empty.

        Returns:
            The id to follow the pipeline by.

        Raises:
            AmbiguousSubmission: Dune may have started the pipeline; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        body = {"query_id": query_id} | _execution_options(performance, query_parameters)
        return self._submit(models.PipelineSubmitted, "pipelines/execute", body)

    def get_pipeline_status(self, pipeline_execution_id: str) -> models.PipelineStatus:
        """Read how far a pipeline and each of its nodes are."""
        path = f"pipelines/executions/{_segment(pipeline_execution_id)}/status"
        return self._read(models.PipelineStatus, path)

    def get_query_pipeline(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.Pipeline:
        """Read what `execute_lineage` would run: every matview that the query reads, then the query."""
        options = _execution_options(performance, query_parameters)
        if "query_parameters" in options:
            options["query_parameters"] = json.dumps(options["query_parameters"])
        return self._read(models.QueryPipeline, f"query/{int(query_id)}/pipeline", options).pipeline

    def execute_query_pipeline(
        self,
        query_id: int,
        performance: models.Performance,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.PipelineSubmitted:
        """Run a query's pipeline through ``POST /v1/query/{id}/pipeline/execute``. Charged for.

        It does what `execute_lineage` does, but insists on a performance tier.
        """
        body = _execution_options(performance, query_parameters)
        return self._submit(models.PipelineSubmitted, f"query/{int(query_id)}/pipeline/execute", body)

    # --- matviews ---

    def list_materialized_views(self) -> Iterator[models.MaterializedViewInfo]:
        """Read every matview of the account, page by page."""
        offset: int | None = 0
        while offset is not None:
            page = self._read(models.MaterializedViewList, "materialized-views", {"limit": PAGE_SIZE, "offset": offset})
            yield from page.materialized_views
            offset = _next_offset(offset, page.next_offset)

    def get_materialized_view(self, name: str) -> models.MaterializedViewInfo:
        """Read one matview by its full name, ``dune.<team>.result_<name>``."""
        return self._read(models.MaterializedViewInfo, f"materialized-views/{_segment(name)}")

    def upsert_materialized_view(
        self,
        name: str,
        query_id: int,
        *,
        cron_expression: str | None = None,
        performance: models.Performance | None = None,
        is_private: bool | None = None,
    ) -> models.MaterializedViewWritten:
        """Create a matview, or change the one of this name; Dune then refreshes it. Charged for.

        Args:
            name: The name without ``dune.<team>.``, such as ``result_daily_volume``.
            query_id: The query that makes its rows.
            cron_expression: Five fields, from every 15 minutes to weekly; never refreshed by Dune if None.
            performance: The engine tier of its refreshes; the plan's default if None.
            is_private: Whether only the owner may read it.

        Returns:
            The full name and the execution that fills it.
        """
        body = _given(
            name=name,
            query_id=query_id,
            cron_expression=cron_expression,
            performance=performance,
            is_private=is_private,
        )
        return self._submit(models.MaterializedViewWritten, "materialized-views", body)

    def delete_materialized_view(self, name: str) -> models.Message:
        """Delete a matview; its query stays."""
        return self._transport.send(models.Message, "DELETE", f"materialized-views/{_segment(name)}")

    def refresh_materialized_view(
        self, name: str, performance: models.Performance | None = None
    ) -> models.ExecutionSubmitted:
        """Refresh one matview, and nothing that it reads. Charged for."""
        path = f"materialized-views/{_segment(name)}/refresh"
        return self._submit(models.ExecutionSubmitted, path, _given(performance=performance))

    # --- queries ---

    def list_queries(self) -> Iterator[models.QueryOverview]:
        """Read an overview of every query of the account, page by page."""
        offset: int | None = 0
        while offset is not None:
            page = self._read(models.QueryList, "queries", {"limit": PAGE_SIZE, "offset": offset})
            yield from page.queries
            seen = offset + len(page.queries)
            offset = seen if page.queries and seen < (page.total or 0) else None

    def get_query(self, query_id: int) -> models.SavedQuery:
        """Read one saved query: its SQL, its name and its parameters."""
        return self._read(models.SavedQuery, f"query/{int(query_id)}")

    def create_query(
        self,
        name: str,
        query_sql: str,
        *,
        description: str | None = None,
        parameters: Sequence[models.Parameter] | None = None,
        tags: Sequence[str] | None = None,
        is_private: bool | None = None,
    ) -> models.QueryWritten:
        """Save a new query. Sent once: Dune would save a second one if it were repeated."""
        body = _query_fields(name, query_sql, description, parameters, tags, is_private)
        return self._submit(models.QueryWritten, "query", body)

    def update_query(
        self,
        query_id: int,
        *,
        name: str | None = None,
        query_sql: str | None = None,
        description: str | None = None,
        parameters: Sequence[models.Parameter] | None = None,
        tags: Sequence[str] | None = None,
        is_private: bool | None = None,
    ) -> models.QueryWritten:
        """Change the given fields of a saved query."""
        body = _query_fields(name, query_sql, description, parameters, tags, is_private)
        return self._transport.send(models.QueryWritten, "PATCH", f"query/{int(query_id)}", json=body)

    def execute_query(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.ExecutionSubmitted:
        """Execute one saved query, and refresh nothing that it reads. Charged for."""
        body = _execution_options(performance, query_parameters)
        return self._submit(models.ExecutionSubmitted, f"query/{int(query_id)}/execute", body)

    def execute_sql(self, sql: str, performance: models.Performance | None = None) -> models.ExecutionSubmitted:
        """Execute SQL that is not saved. Charged for."""
        return self._submit(models.ExecutionSubmitted, "sql/execute", _given(sql=sql, performance=performance))

    # --- executions and results ---

    def get_execution_status(self, execution_id: str) -> models.ExecutionStatus:
        """Read how far an execution is and, once it ended, its shape, its times and what it cost."""
        return self._read(models.ExecutionStatus, f"execution/{_segment(execution_id)}/status")

    def get_execution_results(
        self,
        execution_id: str,
        *,
        limit: int | None = None,
        offset: int | None = None,
        columns: Sequence[str] | None = None,
        allow_partial_results: bool = False,
    ) -> models.ExecutionResults:
        """Read one page of an execution's rows. Exports are charged by size.

        Args:
            execution_id: An execution that has completed.
            limit: The number of rows at the most; Dune caps a page at 250,000 values by default.
            offset: The number of rows to leave out, from the first.
            columns: The names of the columns to read; all if None.
            allow_partial_results: Whether to read what there is of a result that Dune has cut short
                (``QUERY_STATE_COMPLETED_PARTIAL``); Dune refuses it otherwise.
        """
        path = f"execution/{_segment(execution_id)}/results"
        return self._results(path, limit, offset, columns, allow_partial_results)

    def download_execution_results(
        self,
        execution_id: str,
        *,
        format: Literal["csv", "json"] = "csv",  # noqa: A002  (the word that users look for)
        limit: int | None = None,
        offset: int | None = None,
        columns: Sequence[str] | None = None,
        filters: str | None = None,
        sort_by: str | None = None,
        sample_count: int | None = None,
        allow_partial_results: bool = False,
    ) -> ResultsPage:
        """Read one page of an execution's rows as it stands on the wire. Exports are charged by size.

        See https://docs.dune.com/api-reference/executions/endpoint/get-execution-result-csv.

        Args:
            execution_id: An execution that has completed.
            format: What the page is written in.
            limit: The number of rows at the most; Dune caps a page at 250,000 values by default.
            offset: The number of rows to leave out, from the first.
            columns: The names of the columns to read; all if None.
            filters: Which rows, such as ``amount > 10``.
            sort_by: In which order, such as ``amount desc``.
            sample_count: How many rows, drawn at random; excludes limit, offset and filters.
            allow_partial_results: Whether to read what there is of a result that Dune has cut short.
        """
        path = f"execution/{_segment(execution_id)}/results" + ("/csv" if format == "csv" else "")
        params = _given(
            limit=limit,
            offset=offset,
            columns=_column_list(columns) if columns else None,
            filters=filters,
            sort_by=sort_by,
            sample_count=sample_count,
            allow_partial_results="true" if allow_partial_results else None,
        )
        headers, body = self._transport.download(path, params)
        next_offset = headers.get("x-dune-next-offset", "")
        known = int(next_offset) if next_offset.isascii() and next_offset.isdigit() else None
        return ResultsPage(format, body, known, headers.get("x-dune-next-uri"))

    def get_query_results(
        self,
        query_id: int,
        *,
        limit: int | None = None,
        offset: int | None = None,
        columns: Sequence[str] | None = None,
        allow_partial_results: bool = False,
    ) -> models.ExecutionResults:
        """Read one page of a query's latest result, without executing it. Exports are charged by size."""
        return self._results(f"query/{int(query_id)}/results", limit, offset, columns, allow_partial_results)

    def iter_execution_pages(
        self,
        execution_id: str,
        *,
        page_size: int = PAGE_SIZE,
        columns: Sequence[str] | None = None,
        allow_partial_results: bool = False,
    ) -> Iterator[models.ExecutionResults]:
        """Read an execution's rows page by page, each when it is asked for; see `get_execution_results`."""
        offset: int | None = 0
        while offset is not None:
            page = self.get_execution_results(
                execution_id,
                limit=page_size,
                offset=offset,
                columns=columns,
                allow_partial_results=allow_partial_results,
            )
            yield page
            offset = _next_offset(offset, page.next_offset)

    def cancel_execution(self, execution_id: str) -> bool:
        """Cancel an execution.

        Returns:
            Whether Dune did; False where it had ended already.
        """
        path = f"execution/{_segment(execution_id)}/cancel"
        return self._transport.send(models.Cancelled, "POST", path).success

    # --- usage ---

    def get_usage(self, start_date: date | None = None, end_date: date | None = None) -> models.Usage:
        """Read the credits used, by billing period."""
        body = _given(start_date=start_date and start_date.isoformat(), end_date=end_date and end_date.isoformat())
        return self._transport.send(models.Usage, "POST", "usage", json=body)

    # --- the three ways to send a request ---

    def _read(self, answer: type[AnswerT], path: str, params: Mapping[str, Any] | None = None) -> AnswerT:
        return self._transport.send(answer, "GET", path, params=params)

    def _submit(self, answer: type[AnswerT], path: str, body: Mapping[str, Any]) -> AnswerT:
        return self._transport.submit(answer, path, body)

    def _results(
        self, path: str, limit: int | None, offset: int | None, columns: Sequence[str] | None, allow_partial: bool
    ) -> models.ExecutionResults:
        params = _given(
            limit=limit,
            offset=offset,
            columns=_column_list(columns) if columns else None,
            allow_partial_results="true" if allow_partial else None,
        )
        return self._read(models.ExecutionResults, path, params)


def checked_api_key(api_key: str) -> str:
    """Return the key, if it can be one.

    Raises:
        DuneConfigurationError: It is empty, or holds characters that no header can carry.
    """
    if not api_key or not api_key.strip():
        raise DuneConfigurationError(
            "The Dune API key is empty.",
            hint="Set DUNE_API_KEY, or pass api_key (see dune.com/settings/api).",
        )
    if set(api_key) == {"*"}:
        raise DuneConfigurationError(
            "The Dune API key is a row of asterisks, which Dagster's launchpad shows in place of a secret.",
            hint="Set DUNE_API_KEY where runs are executed, or remove the resources section from the launchpad's "
            "configuration: the key then comes from your code.",
        )
    if not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
        raise DuneConfigurationError(
            "The Dune API key holds characters that no key has (spaces around it, a line break, non-ASCII).",
            hint="Copy it again from dune.com/settings/api.",
        )
    return api_key


def _segment(text: str) -> str:
    if not text:
        raise DuneConfigurationError("An empty id or name was given to the Dune client.")
    return quote(text, safe="")


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _column_list(columns: Sequence[str]) -> str:
    """Names with commas between them, in double quotes where they hold one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(columns)
    return text.getvalue()


def _without_none(model: models.DuneModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_none=True)


def _execution_options(
    performance: models.Performance | None, query_parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    return _given(performance=performance, query_parameters=dict(query_parameters) if query_parameters else None)


def _query_fields(
    name: str | None,
    query_sql: str | None,
    description: str | None,
    parameters: Sequence[models.Parameter] | None,
    tags: Sequence[str] | None,
    is_private: bool | None,
) -> dict[str, Any]:
    return _given(
        name=name,
        query_sql=query_sql,
        description=description,
        parameters=None
        if parameters is None
        else [parameter.model_dump(mode="json", exclude_none=True, by_alias=True) for parameter in parameters],
        tags=None if tags is None else list(tags),
        is_private=is_private,
    )


def _next_offset(offset: int, next_offset: int | None) -> int | None:
    return next_offset if next_offset is not None and next_offset > offset else None
