"""Executions and their results."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from dagster_dune.api.models.base import Charge, DuneModel, Lenient, Many, Moment, Text


class ExecutionSubmitted(DuneModel):
    """The answer to the submission of one execution."""

    execution_id: str = Field(min_length=1)
    state: Text = None
    sql_id: Lenient[str | None] = None


class ExecutionErrorPlace(DuneModel):
    """Where in the SQL an execution failed; lines and columns count from 1."""

    line: Lenient[int | None] = None
    column: Lenient[int | None] = None


class ExecutionError(DuneModel):
    """Why an execution failed."""

    type: Text = None
    message: Text = None
    metadata: Lenient[ExecutionErrorPlace | None] = None


def _as_error(value: Any) -> Any:
    """Return an error that is not an object as one with this message."""
    return value if value is None or isinstance(value, dict | ExecutionError) else {"message": value}


class ResultMetadata(DuneModel):
    """The shape and the size of a result. Column types are Trino's; times are in milliseconds, sizes in bytes."""

    column_names: Lenient[Many[str]] = ()
    column_types: Lenient[Many[str]] = ()
    row_count: Lenient[int | None] = None
    total_row_count: Lenient[int | None] = None
    datapoint_count: Lenient[int | None] = None
    result_set_bytes: Lenient[int | None] = None
    total_result_set_bytes: Lenient[int | None] = None
    pending_time_millis: Lenient[int | None] = None
    execution_time_millis: Lenient[int | None] = None


class Execution(DuneModel):
    """The fields of every answer about an execution. Times are in UTC."""

    execution_id: Text = None
    query_id: Lenient[int | None] = None
    state: Text = None
    is_execution_finished: Lenient[bool | None] = None
    submitted_at: Lenient[Moment | None] = None
    execution_started_at: Lenient[Moment | None] = None
    execution_ended_at: Lenient[Moment | None] = None
    cancelled_at: Lenient[Moment | None] = None
    expires_at: Lenient[Moment | None] = None
    error: Annotated[ExecutionError | None, BeforeValidator(_as_error)] = None


class ExecutionStatus(Execution):
    """The answer of ``GET /v1/execution/{id}/status``."""

    execution_cost_credits: Lenient[Charge | None] = None
    queue_position: Lenient[int | None] = None
    result_metadata: Lenient[ResultMetadata | None] = None


class ResultData(DuneModel):
    """One page of rows, each a mapping of column names to JSON values. It is read strictly: no row is left out."""

    rows: Many[dict[str, Any]] = ()
    metadata: Lenient[ResultMetadata | None] = None


class ExecutionResults(Execution):
    """The answer of ``GET /v1/execution/{id}/results``: one page, and the offset of the next."""

    result: ResultData | None = None
    next_offset: int | None = None
    next_uri: Lenient[str | None] = None


class Cancelled(DuneModel):
    """The answer to a cancellation."""

    success: Lenient[bool] = False
