"""Executions: execute queries and SQL, return statuses and results, cancel."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dagster_dune.emulator.account.query_parameters import free_values, parameter_values
from dagster_dune.emulator.engine.results import NULL_IN_CSV, ResultSet
from dagster_dune.emulator.execution.execution import Execution, State
from dagster_dune.emulator.execution.jobs import Job, query_job
from dagster_dune.emulator.http.paging import Page, cut
from dagster_dune.emulator.http.routes.common import (
    PageOptions,
    answer,
    local_dune,
    query_id,
    read_body,
    read_options,
    timestamp,
)
from dagster_dune.emulator.http.routes.pipelines import execution_options
from dagster_dune.emulator.http.row_filters import filtered
from dagster_dune.emulator.requests import ExecuteSql, ExecutionOptions, RequestError
from dagster_dune.emulator.sql_errors import SqlError

PARAMETER_PREFIX = "params."


# Assumptions: local-partial-read, local-expiry, local-results-query-id, local-latest-parameters.
class ResultOptions(PageOptions):
    """The requested part of a result; with a limit of 0 only its metadata."""

    limit: int | None = Field(default=None, ge=0)
    columns: str | None = None
    filters: str | None = None
    sort_by: str | None = None
    sample_count: int | None = Field(default=None, ge=1)
    allow_partial_results: bool = False
    ignore_max_datapoints_per_request: bool = False
    ignore_max_credits_per_request: bool = False


async def execute_query(request: Request) -> Response:
    """Execute a saved query. The options are in the body or, as in the specification, in the query string."""
    dune = local_dune(request)
    query = dune.account.query(query_id(request))
    options = await read_body(request, ExecutionOptions) if await request.body() else execution_options(request)
    return _submitted(dune.executions.submit(query_job(query, options.query_parameters, options.performance)))


async def execute_sql(request: Request) -> Response:
    """Execute SQL that is not saved."""
    body = await read_body(request, ExecuteSql)
    job = Job(body.sql, free_values(body.query_parameters), performance=body.performance or "medium")
    return _submitted(local_dune(request).executions.submit(job))


async def get_status(request: Request) -> Response:
    """Return the status of an execution."""
    execution = _execution(request)
    result = execution.readable_result
    metadata = _metadata(execution, result) if result else None
    return answer(
        **_progress(execution),
        execution_cost_credits=execution.credits if execution.state.is_terminal else None,
        result_metadata=metadata,
    )


async def get_results(request: Request) -> Response:
    """Return a page of an execution's rows; without rows if it has not completed."""
    return await json_page(request, _execution(request))


async def get_results_csv(request: Request) -> Response:
    """Return a page of an execution's rows as CSV."""
    return await _csv_page(request, _execution(request))


async def get_latest_results(request: Request) -> Response:
    """Return a page of the rows of a query's latest execution."""
    return await json_page(request, _latest(request))


async def get_latest_results_csv(request: Request) -> Response:
    """Return a page of the rows of a query's latest execution as CSV."""
    return await _csv_page(request, _latest(request))


async def cancel(request: Request) -> Response:
    """Cancel an execution; without success if it has ended."""
    execution = _execution(request)
    had_ended = execution.state.is_terminal
    await local_dune(request).executions.cancel(execution)
    return answer(success=not had_ended and execution.state is State.CANCELLED)


def _execution(request: Request) -> Execution:
    return local_dune(request).executions.get(request.path_params["execution_id"])


def _latest(request: Request) -> Execution:
    """Return the latest execution of a query, with the values of ``params.<key>`` if there are any."""
    dune = local_dune(request)
    query = dune.account.query(query_id(request))
    options = request.query_params.items()
    given = {name.removeprefix(PARAMETER_PREFIX): value for name, value in options if name.startswith(PARAMETER_PREFIX)}
    values = parameter_values(query.parameters, given) if given else None
    return dune.executions.latest(query.query_id, values, query.sql)


def _submitted(execution: Execution) -> Response:
    return answer(execution_id=execution.execution_id, state=execution.state)


def _progress(execution: Execution) -> dict[str, Any]:
    state, ended = execution.shown_state, execution.ended_at
    return {
        "execution_id": execution.execution_id,
        "query_id": execution.job.query_id,
        "state": state,
        "is_execution_finished": state.is_terminal,
        "submitted_at": timestamp(execution.submitted_at),
        "execution_started_at": timestamp(execution.started_at),
        "execution_ended_at": timestamp(ended),
        "cancelled_at": timestamp(ended) if state is State.CANCELLED else None,
        "expires_at": timestamp(execution.expires_at),
        "error": _error(execution.error) if execution.error else None,
    }


def _error(error: SqlError) -> dict[str, Any]:
    place = {"line": error.line, "column": error.column}
    metadata = {name: number for name, number in place.items() if number is not None}
    return {"type": error.type, "message": error.message} | ({"metadata": metadata} if metadata else {})


def _metadata(execution: Execution, shown: ResultSet) -> dict[str, Any]:
    everything = execution.result or shown
    begun, ended = execution.started_at or execution.submitted_at, execution.ended_at or execution.submitted_at
    return {
        "column_names": [column.name for column in shown.columns],
        "column_types": [column.shown_type for column in shown.columns],
        "row_count": len(shown.rows),
        "total_row_count": len(everything.rows),
        "datapoint_count": len(shown.rows) * len(shown.columns),
        "result_set_bytes": execution.result_bytes if shown is everything else shown.bytes_estimate(),
        "total_result_set_bytes": execution.result_bytes,
        "pending_time_millis": (begun - execution.submitted_at) // 1_000_000,
        "execution_time_millis": (ended - begun) // 1_000_000,
    }


async def _page(request: Request, execution: Execution, result: ResultSet) -> Page:
    options = read_options(request, ResultOptions)
    if execution.state is State.PARTIAL and not options.allow_partial_results:
        raise RequestError(400, "Partial Result, please request with 'allow_partial_results=true'")
    assumed = local_dune(request).assumed
    if options.filters and assumed.is_other("csv-nil-filter"):
        result = result.with_null_as(NULL_IN_CSV)
    filters_pages = options.filters is not None and assumed.is_other("filtered-offset")
    page = await asyncio.to_thread(
        cut,
        result,
        limit=options.limit,
        offset=options.offset,
        columns=options.columns,
        filters=None if filters_pages else options.filters,
        sort_by=options.sort_by,
        sample_count=options.sample_count,
        unlimited=options.ignore_max_datapoints_per_request or options.ignore_max_credits_per_request,
    )
    return replace(page, rows=filtered(page.rows, options.filters or "")) if filters_pages else page


async def json_page(request: Request, execution: Execution) -> Response:
    """Return the requested page of an execution's rows."""
    result = execution.readable_result
    if result is None:
        return answer(**_progress(execution))
    page = await _page(request, execution, result)
    return answer(
        **_progress(execution),
        result={"rows": page.rows.to_json(), "metadata": _metadata(execution, page.rows)},
        next_offset=page.next_offset,
        next_uri=_next_uri(request, page),
    )


async def _csv_page(request: Request, execution: Execution) -> Response:
    result, state = execution.readable_result, execution.shown_state
    if result is None:
        raise RequestError(400, f"Execution {execution.execution_id} has no rows: its state is {state.value}")
    page = await _page(request, execution, result)
    next_page = {"x-dune-next-offset": page.next_offset, "x-dune-next-uri": _next_uri(request, page)}
    headers = {name: str(value) for name, value in next_page.items() if value is not None}
    return PlainTextResponse(await asyncio.to_thread(page.rows.to_csv), headers=headers)


def _next_uri(request: Request, page: Page) -> str | None:
    if page.next_offset is None:
        return None
    options = {name: value for name, value in request.query_params.items() if name != "api_key"}
    options |= {"limit": str(len(page.rows.rows)), "offset": str(page.next_offset)}
    return str(request.url.replace(query=urlencode(options)))


routes = [
    Route("/query/{query_id}/execute", execute_query, methods=["POST"]),
    Route("/sql/execute", execute_sql, methods=["POST"]),
    Route("/execution/{execution_id}/status", get_status),
    Route("/execution/{execution_id}/results", get_results),
    Route("/execution/{execution_id}/results/csv", get_results_csv),
    Route("/execution/{execution_id}/cancel", cancel, methods=["POST"]),
    Route("/query/{query_id}/results", get_latest_results),
    Route("/query/{query_id}/results/csv", get_latest_results_csv),
]
