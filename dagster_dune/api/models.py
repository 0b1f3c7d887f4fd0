"""The wire models of Dune's API: what is sent, and what is read of its answers.

Answers tolerate fields that are not listed here and optional fields that are missing, so that Dune may add to them.
The names are those of Dune's OpenAPI document.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_TIER = r"^[A-Za-z0-9_.-]+$"

Performance = Annotated[str, Field(pattern=_TIER)]
"""An engine tier: ``small``, ``medium``, ``large`` or ``free``; which of them a plan has is the plan's affair.

A word that is not known here is passed on, since Dune may add tiers. See
https://docs.dune.com/api-reference/executions/endpoint/execute-query.
"""

KNOWN_TIERS = "small, medium, large, free"


def is_tier(word: str) -> bool:
    """Whether a word can be the name of an engine tier, known here or not."""
    return re.match(_TIER, word) is not None


T = TypeVar("T")
Many = Annotated[tuple[T, ...], BeforeValidator(lambda value: value or ())]
"""A list that Dune may also leave out or give as null."""


class DuneModel(BaseModel):
    """The base of every wire model: immutable, and tolerant of fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


# --- pipelines ---


class MaterializedViewRefresh(DuneModel):
    """A node that refreshes a matview, named in full: ``dune.<team>.result_<name>``."""

    name: str
    performance: Performance | None = None


class QueryExecution(DuneModel):
    """A node that executes a query. Unset fields are left out of the request."""

    query_id: int
    performance: Performance | None = None
    query_parameters: dict[str, Any] | None = None


class PipelineNode(DuneModel):
    """One node of a pipeline: exactly one of a matview refresh and a query execution."""

    id: int
    dependencies: Many[int] = ()
    materialized_view_refresh: MaterializedViewRefresh | None = None
    query_execution: QueryExecution | None = None


class Pipeline(DuneModel):
    """A graph of nodes, each with the ids of the nodes that must complete before it."""

    nodes: tuple[PipelineNode, ...] = ()


class QueryPipeline(DuneModel):
    """The answer of ``GET /v1/query/{id}/pipeline``: what Dune would run for a query and its matviews."""

    pipeline: Pipeline


class PipelineSubmitted(DuneModel):
    """The answer to a pipeline's submission."""

    pipeline_execution_id: str = Field(min_length=1)


class MaterializedViewRefreshStatus(DuneModel):
    """How far the refresh of one matview is."""

    name: str | None = None
    status: str | None = None
    execution_id: str | None = None
    error: str | None = None


class QueryExecutionStatus(DuneModel):
    """How far the execution of one query is."""

    query_id: int | None = None
    status: str | None = None
    execution_id: str | None = None
    error: str | None = None


class NodeExecution(DuneModel):
    """How far one node of a pipeline is."""

    id: int
    materialized_view_refresh_status: MaterializedViewRefreshStatus | None = None
    query_execution_status: QueryExecutionStatus | None = None

    @property
    def progress(self) -> MaterializedViewRefreshStatus | QueryExecutionStatus | None:
        """The status of whichever kind the node is, or None while Dune gives neither."""
        return self.materialized_view_refresh_status or self.query_execution_status


class PipelineStatus(DuneModel):
    """The answer of ``GET /v1/pipelines/executions/{id}/status``."""

    status: str | None = None
    error: str | None = None
    node_executions: Many[NodeExecution] = ()


# --- executions and results ---


class ExecutionSubmitted(DuneModel):
    """The answer to the submission of one execution."""

    execution_id: str = Field(min_length=1)
    state: str | None = None
    sql_id: str | None = None


class ExecutionErrorPlace(DuneModel):
    """Where in the SQL an execution failed; lines and columns count from 1."""

    line: int | None = None
    column: int | None = None


class ExecutionError(DuneModel):
    """Why an execution failed."""

    type: str | None = None
    message: str | None = None
    metadata: ExecutionErrorPlace | None = None


class ResultMetadata(DuneModel):
    """The shape and the size of a result. Column types are Trino's; times are in milliseconds, sizes in bytes."""

    column_names: tuple[str, ...] = ()
    column_types: tuple[str, ...] = ()
    row_count: int | None = None
    total_row_count: int | None = None
    datapoint_count: int | None = None
    result_set_bytes: int | None = None
    total_result_set_bytes: int | None = None
    pending_time_millis: int | None = None
    execution_time_millis: int | None = None


class Execution(DuneModel):
    """What every answer about an execution carries."""

    execution_id: str | None = None
    query_id: int | None = None
    state: str | None = None
    is_execution_finished: bool | None = None
    submitted_at: datetime | None = None
    execution_started_at: datetime | None = None
    execution_ended_at: datetime | None = None
    cancelled_at: datetime | None = None
    expires_at: datetime | None = None
    error: ExecutionError | None = None


class ExecutionStatus(Execution):
    """The answer of ``GET /v1/execution/{id}/status``."""

    execution_cost_credits: float | None = None
    queue_position: int | None = None
    result_metadata: ResultMetadata | None = None


class ResultData(DuneModel):
    """One page of rows, each a mapping of column name to JSON value."""

    rows: Many[dict[str, Any]] = ()
    metadata: ResultMetadata | None = None


class ExecutionResults(Execution):
    """The answer of ``GET /v1/execution/{id}/results``: one page, and where the next one starts."""

    result: ResultData | None = None
    next_offset: int | None = None
    next_uri: str | None = None


class Cancelled(DuneModel):
    """The answer to a cancellation."""

    success: bool = False


# --- queries and matviews ---


class Parameter(DuneModel):
    """A parameter of a saved query, with Dune's saved default in `value` (`values` where several are allowed)."""

    key: str
    type: str = "text"
    value: str | None = None
    values: tuple[str, ...] | None = None
    enum_options: tuple[str, ...] | None = Field(default=None, alias="enumOptions")
    is_multiselect: bool | None = Field(default=None, alias="isMultiselect")
    description: str | None = None


class SavedQuery(DuneModel):
    """The answer of ``GET /v1/query/{id}``."""

    query_id: int
    query_sql: str | None = None
    name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    parameters: tuple[Parameter, ...] | None = None
    version: int | None = None
    owner: str | None = None
    is_private: bool | None = None
    is_archived: bool | None = None


class QueryOverview(DuneModel):
    """One row of ``GET /v1/queries``."""

    id: int
    name: str | None = None
    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class QueryList(DuneModel):
    """One page of ``GET /v1/queries``; `total` counts all pages."""

    queries: Many[QueryOverview] = ()
    total: int | None = None


class QueryWritten(DuneModel):
    """The answer to the creation or the change of a query."""

    query_id: int


class MaterializedViewInfo(DuneModel):
    """A matview, as listed or fetched; `last_execution_ids` comes with the latter alone.

    `sql_id` is its full name, and its only identity: Dune fills in `id` for keys of its own team alone.
    """

    sql_id: str
    id: str | None = None
    query_id: int | None = None
    is_private: bool | None = None
    table_size_bytes: int | None = None
    last_execution_ids: tuple[str, ...] | None = None


class MaterializedViewList(DuneModel):
    """One page of ``GET /v1/materialized-views``."""

    materialized_views: Many[MaterializedViewInfo] = ()
    next_offset: int | None = None


class MaterializedViewWritten(DuneModel):
    """The answer to the creation or the change of a matview, which starts a refresh."""

    name: str
    execution_id: str | None = None


class Message(DuneModel):
    """An answer that is nothing but a message."""

    message: str = ""


# --- usage ---


class BillingPeriod(DuneModel):
    """The credits of one billing period. Dates are ``YYYY-MM-DD``."""

    start_date: str | None = None
    end_date: str | None = None
    credits_used: float | None = None
    credits_included: float | None = None


class Usage(DuneModel):
    """The answer of ``POST /v1/usage``."""

    billing_periods: tuple[BillingPeriod, ...] = ()
    bytes_used: int | None = None
    bytes_allowed: int | None = None
    private_queries: int | None = None
    private_dashboards: int | None = None
