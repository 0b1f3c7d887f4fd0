"""Returns the pipeline of a query: all matviews that its SQL reads, directly or not, before their readers."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from dagster_dune.emulator.account.account import Account
from dagster_dune.emulator.dunesql import compile_sql
from dagster_dune.emulator.execution.jobs import Job, query_job, refresh_job
from dagster_dune.emulator.requests import (
    ExecutionOptions,
    MaterializedViewRefresh,
    PipelineNode,
    QueryExecution,
    RequestError,
)


def query_pipeline(account: Account, query_id: int, options: ExecutionOptions) -> list[PipelineNode]:
    """Return the nodes that refresh the matviews of a query and then execute it, in a deterministic order.

    It parses SQL, so it has to be called in a worker thread.

    Args:
        account: The account of the queries and matviews. Matviews of other teams are not refreshed.
        query_id: The query.
        options: The engine tier of every node, and the values of the query's parameters.

    Raises:
        RequestError: The query does not exist, a parameter is wrong, or matviews form a cycle.
        SqlError: The SQL of the query or of a matview upstream is invalid.
    """
    query = account.query(query_id)
    query_reads = _materialized_views(account, query_job(query, options.query_parameters))
    reads: dict[str, list[str]] = {}
    unread = list(query_reads)
    while unread:
        name = unread.pop()
        if name not in reads:
            reads[name] = _materialized_views(account, refresh_job(account, account.materialized_view(name)))
            unread += reads[name]
    ids = {name: number for number, name in enumerate(_in_order(reads), start=1)}
    refreshes = [
        PipelineNode(
            id=number,
            dependencies=_ids_of(reads[name], ids),
            materialized_view_refresh=MaterializedViewRefresh(name=name, performance=options.performance),
        )
        for name, number in ids.items()
    ]
    execution = QueryExecution(
        query_id=query_id, performance=options.performance, query_parameters=options.query_parameters
    )
    sink = PipelineNode(id=len(ids) + 1, dependencies=_ids_of(query_reads, ids), query_execution=execution)
    return [*refreshes, sink]


def _materialized_views(account: Account, job: Job) -> list[str]:
    tables = compile_sql(job.sql, parameters=job.parameters, views=account.view).tables
    return sorted(tables & account.materialized_views.keys())


def _in_order(reads: dict[str, list[str]]) -> list[str]:
    sorter = TopologicalSorter({name: reads[name] for name in sorted(reads)})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        path = " -> ".join(error.args[1])
        raise RequestError(400, f"Materialized views read each other in a cycle: {path}") from error


def _ids_of(names: list[str], ids: dict[str, int]) -> tuple[int, ...]:
    return tuple(sorted(ids[name] for name in names))
