"""Runs pipelines: graphs of jobs, each of which starts when its dependencies have completed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ulid import ULID

from dagster_dune.emulator.account.account import Account
from dagster_dune.emulator.execution.execution import Execution, State
from dagster_dune.emulator.execution.jobs import Job, query_job, refresh_job
from dagster_dune.emulator.execution.queue import ExecutionQueue
from dagster_dune.emulator.faults.assumptions import Assumed
from dagster_dune.emulator.requests import PipelineNode, RequestError


# Assumptions: local-failed-pipeline, local-partial-success, local-unknown-nodes.
@dataclass(frozen=True)
class Node:
    """A validated node: its dependencies and its query or matview exist."""

    id: int
    dependencies: frozenset[int]
    job: Job

    @property
    def label(self) -> str:
        """The name of the node in messages."""
        return f"node {self.id} ({self.job.materialized_view or f'query {self.job.query_id}'})"


def checked_nodes(account: Account, wire_nodes: Sequence[PipelineNode]) -> list[Node]:
    """Validate the nodes of a pipeline, and return them with their jobs.

    Raises:
        RequestError: 400, if a node is invalid, which the message names; 404, if a query does not exist; 403, if one is
            archived.
    """
    if not wire_nodes:
        raise RequestError(400, "The pipeline has no nodes")
    nodes = [Node(node.id, frozenset(node.dependencies or ()), _job(account, node)) for node in wire_nodes]
    ids: set[int] = set()
    for node in nodes:
        if node.id in ids:
            raise RequestError(400, f"Node id {node.id} is used twice")
        ids.add(node.id)
    for node in nodes:
        if unknown := sorted(node.dependencies - ids):
            raise RequestError(400, f"Node {node.id} depends on node {unknown[0]}, which does not exist")
    _sorted(nodes)
    return nodes


def _job(account: Account, node: PipelineNode) -> Job:
    refresh, execution = node.materialized_view_refresh, node.query_execution
    if refresh and execution:
        raise RequestError(400, f"Node {node.id} has both materialized_view_refresh and query_execution: give one")
    if refresh:
        materialized_view = account.find_materialized_view(refresh.name)
        if materialized_view is None:
            raise RequestError(400, f"Node {node.id}: materialized view {refresh.name} not found")
        return refresh_job(account, materialized_view, refresh.performance)
    if execution:
        if execution.query_id not in account.queries:
            raise RequestError(404, f"Node {node.id}: query {execution.query_id} not found")
        return query_job(account.query(execution.query_id), execution.query_parameters, execution.performance)
    raise RequestError(400, f"Node {node.id} has neither materialized_view_refresh nor query_execution: give one")


def _sorted(nodes: Sequence[Node]) -> TopologicalSorter[int]:
    sorter = TopologicalSorter({node.id: node.dependencies for node in nodes})
    try:
        sorter.prepare()
    except CycleError as error:
        path = " -> ".join(str(node_id) for node_id in error.args[1])
        raise RequestError(400, f"The nodes depend on each other in a cycle: {path}") from error
    return sorter


class PipelineExecution:
    """One run of a pipeline.

    Dune documents the statuses pending, executing and completed of pipelines, and no others. Here, a pipeline is
    ``failed``, with an ``error``, when no more node can run and one has not completed. Nodes have the states of
    executions. A node that is never started, since a node upstream did not complete, remains ``QUERY_STATE_PENDING``
    without an execution id.

    Args:
        nodes: The graph.
        executions: The queue.
        pipeline_execution_id: The id; a new one if None.
        started: The executions of an earlier process, which have ended. If given, no further node is started.
        assumed: The assumptions about Dune that do not hold here.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        executions: ExecutionQueue,
        pipeline_execution_id: str | None = None,
        started: Mapping[int, Execution] | None = None,
        assumed: Assumed | None = None,
    ) -> None:
        self.pipeline_execution_id = pipeline_execution_id or str(ULID())
        self._nodes = {node.id: node for node in nodes}
        self._executions = executions
        self._sorter = _sorted(nodes)
        self._started = dict(started or {})
        self._running: set[int] = set()
        self._shown = {node.id: _node_status(node, self._started.get(node.id)) for node in nodes}
        self._stopped = started is not None
        self._assumed = assumed or Assumed({})

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The graph."""
        return tuple(self._nodes.values())

    @property
    def started(self) -> dict[int, Execution]:
        """The executions of started nodes by node id."""
        return dict(self._started)

    def advance(self) -> None:
        """Start all nodes that have not been started and whose dependencies have completed."""
        if self._stopped:
            return
        for node_id in self._sorter.get_ready():
            self._running.add(node_id)
            job = self._nodes[node_id].job
            self._started[node_id] = self._executions.submit(
                job, on_end=partial(self._end, node_id), pipeline_execution_id=self.pipeline_execution_id
            )

    def stop(self) -> None:
        """Start no further nodes."""
        self._stopped = True

    def _end(self, node_id: int, execution: Execution) -> None:
        self._running.discard(node_id)
        self._show(node_id)
        if execution.state.is_success or self._starts_dependents_after(execution.state):
            self._sorter.done(node_id)
            self.advance()

    def _starts_dependents_after(self, state: State) -> bool:
        is_cancelled = state is State.CANCELLED
        return self._assumed.is_other("cancel-stops-dependents" if is_cancelled else "failure-stops-dependents")

    def status(self) -> dict[str, Any]:
        """Return the status of the pipeline as in Dune's API."""
        overall, error = self._overall()
        for node_id in self._running:  # so that large pipelines are not described anew in each answer
            self._show(node_id)
        return {
            "status": overall,
            **({"error": error} if error else {}),
            "node_executions": list(self._shown.values()),
        }

    def _show(self, node_id: int) -> None:
        self._shown[node_id] = _node_status(self._nodes[node_id], self._started.get(node_id))

    def _overall(self) -> tuple[str, str | None]:
        if self._running:
            begun = any(execution.started_at for execution in self._started.values())
            return ("executing" if begun else "pending"), None
        bad = [id_ for id_, execution in self._started.items() if not execution.state.is_success]
        skipped = len(self._nodes) - len(self._started)
        if not bad and not skipped:
            return "completed", None
        reasons = "; ".join(f"{self._nodes[id_].label} {_reason(self._started[id_])}" for id_ in bad)
        reasons = reasons or "the emulator was stopped"
        return "failed", reasons + (f"; {skipped} dependent nodes were not started" if skipped else "")


def _reason(execution: Execution) -> str:
    return f"failed: {execution.error.message}" if execution.error else "was cancelled"


def _node_status(node: Node, execution: Execution | None) -> dict[str, Any]:
    progress: dict[str, Any] = {"status": execution.state if execution else State.PENDING}
    if execution:
        progress["execution_id"] = execution.execution_id
        if execution.error:
            progress["error"] = execution.error.message
    if node.job.materialized_view:
        return {"id": node.id, "materialized_view_refresh_status": {"name": node.job.materialized_view} | progress}
    return {"id": node.id, "query_execution_status": {"query_id": node.job.query_id} | progress}


class Pipelines:
    """All pipelines since the last reset."""

    def __init__(self, account: Account, executions: ExecutionQueue, assumed: Assumed) -> None:
        self._assumed = assumed
        self._account = account
        self._executions = executions
        self._pipelines: dict[str, PipelineExecution] = {}

    def submit(self, wire_nodes: Sequence[PipelineNode]) -> PipelineExecution:
        """Validate a pipeline and start it.

        Raises:
            RequestError: 400, if a node is invalid, which the message names; 404, if a query does not exist; 403, if
                one is archived. Nothing was started.
        """
        try:
            nodes = checked_nodes(self._account, wire_nodes)
        except RequestError:
            if self._assumed.is_other("refused-not-started"):
                self._start_valid_nodes(wire_nodes)
            raise
        pipeline = PipelineExecution(nodes, self._executions, assumed=self._assumed)
        self._pipelines[pipeline.pipeline_execution_id] = pipeline
        pipeline.advance()
        return pipeline

    def _start_valid_nodes(self, wire_nodes: Sequence[PipelineNode]) -> None:
        for node in wire_nodes:
            with suppress(RequestError):
                self._executions.submit(_job(self._account, node))

    def get(self, pipeline_execution_id: str) -> PipelineExecution:
        """Return a pipeline.

        Raises:
            RequestError: 404.
        """
        if pipeline_execution_id not in self._pipelines:
            raise RequestError(404, f"Pipeline execution {pipeline_execution_id} not found")
        return self._pipelines[pipeline_execution_id]

    def all(self) -> list[PipelineExecution]:
        """Return all pipelines, the oldest first."""
        return list(self._pipelines.values())

    def restore(self, pipeline: PipelineExecution) -> None:
        """Add a pipeline of an earlier process."""
        self._pipelines[pipeline.pipeline_execution_id] = pipeline

    def stop(self) -> None:
        """Start no further nodes of any pipeline."""
        for pipeline in self._pipelines.values():
            pipeline.stop()

    def reset(self) -> None:
        """Remove all pipelines, and start no further nodes of them."""
        self.stop()
        self._pipelines.clear()
