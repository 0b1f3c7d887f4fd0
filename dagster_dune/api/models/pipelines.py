"""Pipelines: graphs of matview refreshes and query executions, and how far they are."""

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

    It is read strictly: what Dune would run, and charge for, is known as a whole or not at all.
    """

    nodes: Many[PipelineNode] = ()


class QueryPipeline(DuneModel):
    """The answer of ``GET /v1/query/{id}/pipeline``: what Dune would run for a query and its matviews."""

    pipeline: Pipeline


class PipelineSubmitted(DuneModel):
    """The answer to a pipeline's submission."""

    pipeline_execution_id: str = Field(min_length=1)


class MaterializedViewRefreshStatus(DuneModel):
    """How far the refresh of one matview is."""

    name: Lenient[str | None] = None
    status: Text = None
    execution_id: Text = None
    error: Text = None


class QueryExecutionStatus(DuneModel):
    """How far the execution of one query is."""

    query_id: Lenient[int | None] = None
    status: Text = None
    execution_id: Text = None
    error: Text = None


class NodeExecution(DuneModel):
    """How far one node of a pipeline is. An id that is none is 0, which no node has."""

    id: Lenient[int] = 0
    materialized_view_refresh_status: Lenient[MaterializedViewRefreshStatus | None] = None
    query_execution_status: Lenient[QueryExecutionStatus | None] = None

    @property
    def progress(self) -> MaterializedViewRefreshStatus | QueryExecutionStatus | None:
        """The status of whichever kind the node is, or None while Dune gives neither."""
        return self.materialized_view_refresh_status or self.query_execution_status


class PipelineStatus(DuneModel):
    """The answer of ``GET /v1/pipelines/executions/{id}/status``."""

    status: Text = None
    error: Text = None
    # Assumption: null-nodes.
    node_executions: Many[Readable[NodeExecution]] = ()
