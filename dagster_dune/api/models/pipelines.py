"""Pipelines: graphs of matview refreshes and query executions, and their status."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dagster_dune.api.models.base import DuneModel, Lenient, Many, Performance, Readable, Text


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
    """A graph of nodes, each with the ids of the nodes that must complete before it.

    It is read strictly: an incomplete list of what Dune would run, and charge for, is an error.
    """

    nodes: Many[PipelineNode] = ()


class QueryPipeline(DuneModel):
    """The answer of ``GET /v1/query/{id}/pipeline``: what Dune would run for a query and its matviews."""

    pipeline: Pipeline


class PipelineSubmitted(DuneModel):
    """The answer to a pipeline's submission."""

    pipeline_execution_id: str = Field(min_length=1)


class MaterializedViewRefreshStatus(DuneModel):
    """The status of the refresh of one matview."""

    name: Lenient[str | None] = None
    status: Text = None
    execution_id: Text = None
    error: Text = None


class QueryExecutionStatus(DuneModel):
    """The status of the execution of one query."""

    query_id: Lenient[int | None] = None
    status: Text = None
    execution_id: Text = None
    error: Text = None


class NodeExecution(DuneModel):
    """The status of one node of a pipeline. An id that cannot be read is 0, which no node has."""

    id: Lenient[int] = 0
    materialized_view_refresh_status: Lenient[MaterializedViewRefreshStatus | None] = None
    query_execution_status: Lenient[QueryExecutionStatus | None] = None

    @property
    def progress(self) -> MaterializedViewRefreshStatus | QueryExecutionStatus | None:
        """The status of the matview or the query that the node runs; None while Dune sends neither."""
        return self.materialized_view_refresh_status or self.query_execution_status


class PipelineStatus(DuneModel):
    """The answer of ``GET /v1/pipelines/executions/{id}/status``."""

    status: Text = None
    error: Text = None
    # Assumption: null-nodes.
    node_executions: Many[Readable[NodeExecution]] = ()
