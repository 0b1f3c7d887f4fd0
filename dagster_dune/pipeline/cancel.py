"""Cancels a pipeline. Dune has no endpoint for that, so its executions are cancelled one by one, as they start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeAlias

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import deadline, seconds_left
from dagster_dune.api.models import MaterializedViewRefresh, NodeExecution, PipelineStatus, QueryExecution
from dagster_dune.catalog.names import query_name
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.settle import Settlement
from dagster_dune.pipeline.states import Phase, phase_of

CANCEL_SECONDS = 20.0
POLL_SECONDS = 0.5
CANCELLERS = 8
"""The number of executions that are cancelled at once: those that are cancelled too late cost credits."""

Log: TypeAlias = "logging.Logger | logging.LoggerAdapter[Any]"


@dataclass(frozen=True)
class Remains:
    """The nodes of a pipeline that may still run, now or later, after it was cancelled.

    Attributes:
        own: The names of the nodes that were to be cancelled.
        others: The names of its other nodes, which were not to be cancelled.
    """

    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def cancel_pipeline(
    client: DuneApiClient,
    plan: PipelinePlan,
    pipeline_execution_id: str,
    log: Log,
    *,
    size: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Remains:
    """Cancel executions of a pipeline, and those that start meanwhile, until none can start or 20 s have passed.

    Other nodes of the pipeline are not cancelled: another run may be following them. The function waits until Dune
    reports, for nodes that have not started, that they cannot start any more.

    Args:
        client: The client for all requests. It should give up quickly, since the process is about to end.
        plan: The nodes to cancel.
        pipeline_execution_id: The pipeline.
        log: Logs failures to cancel.
        size: How many nodes the pipeline has; as many as the plan if None.
        clock: Returns the time in seconds.
        sleep: Waits for some seconds.

    Returns:
        The nodes that may still run.
    """
    # Assumption: cancel-stops-dependents.
    settlement = Settlement(plan, size)
    cancelled = set[str]()
    ends_at = clock() + CANCEL_SECONDS
    with deadline(CANCEL_SECONDS), ThreadPoolExecutor(CANCELLERS, thread_name_prefix="dune-cancel") as pool:
        while True:
            try:
                settlement.update(client.get_pipeline_status(pipeline_execution_id))
            except DuneError as error:
                log.warning(
                    "The status of pipeline %s could not be read while it is stopped. %s", pipeline_execution_id, error
                )
            running = [(node, id_) for node, id_ in settlement.running if id_ not in cancelled]
            requests = [
                (node, id_, pool.submit(copy_context().run, client.cancel_execution, id_)) for node, id_ in running
            ]
            cancelled |= {id_ for node, id_, request in requests if _is_cancelled(node.label, id_, request, log)}
            others, are_final = _other_nodes(settlement)
            if (settlement.done and are_final) or clock() >= ends_at or seconds_left() <= 0:
                return Remains(tuple(node.label for node in settlement.open_nodes), others)
            sleep(POLL_SECONDS)


def _other_nodes(settlement: Settlement) -> tuple[tuple[str, ...], bool]:
    """Return the names of other nodes that may run, and whether it is of no use to read the status again."""
    open_ = [execution for execution in settlement.other_executions if not _phase(execution).has_ended]
    started = [execution for execution in open_ if _has_started(execution)]
    if settlement.is_over:
        return _names(started), True
    unlisted = settlement.unlisted
    names = _names(open_) + ((f"{unlisted} that Dune has not listed",) if unlisted else ())
    return names, bool(started) or not names


def _phase(execution: NodeExecution) -> Phase:
    progress = execution.progress
    return phase_of(progress.status, progress.error) if progress else Phase.WAITING


def _has_started(execution: NodeExecution) -> bool:
    return _phase(execution) is not Phase.WAITING or bool(execution.progress and execution.progress.execution_id)


def _names(executions: Sequence[NodeExecution]) -> tuple[str, ...]:
    nodes = [(execution.id, _node(execution)) for execution in executions]
    return tuple(dict.fromkeys(node.label if node else f"node {id_}" for id_, node in nodes))


def _is_cancelled(name: str, execution_id: str, request: Future[bool], log: Log) -> bool:
    try:
        request.result()
    except DuneError as error:
        log.warning("The execution %s of %s could not be cancelled. %s", execution_id, name, error)
        return False
    log.info("Cancelled the execution %s of %s.", execution_id, name)
    return True


def plan_as_reported(status: PipelineStatus) -> PipelinePlan:
    """Return the plan of a pipeline as far as its status shows it. The dependencies of its nodes are not known."""
    return PipelinePlan(tuple(node for execution in status.node_executions if (node := _node(execution))))


def _node(execution: NodeExecution) -> PlannedNode | None:
    query = execution.query_execution_status
    if query and query.query_id is not None:
        target = QueryExecution(query_id=query.query_id)
        return PlannedNode(execution.id, query_name(query.query_id), (), target)
    matview = execution.materialized_view_refresh_status
    if matview is None and query is None:
        return None
    name = (matview and matview.name) or f"node {execution.id}"
    return PlannedNode(execution.id, name, (), MaterializedViewRefresh(name=name))
