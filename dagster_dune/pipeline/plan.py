"""Turns a selection of the catalog into the nodes of one pipeline. Nothing is sent from here."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from dagster_dune._formatting import abbreviated
from dagster_dune.api.models import Performance
from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.graph import CatalogGraph
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.errors import DuneCatalogError, DunePlanError
from dagster_dune.pipeline.nodes import (
    UNCHANGED,
    Override,
    PipelinePlan,
    PlannedNode,
    check_count,
    node_target,
    parts_of,
)


def plan_pipeline(
    catalog: DuneCatalog,
    selection: Mapping[str, str],
    *,
    extra_deps: Mapping[str, Iterable[str]] | None = None,
    performance: Performance | None = None,
    overrides: Mapping[str, Override] | None = None,
    partitions: Mapping[str, Sequence[Partition]] | None = None,
    checks: Iterable[DuneCheck] = (),
    max_nodes: int | None = None,
) -> PipelinePlan:
    """Turn a selection into the nodes of one pipeline. The same selection always gives the same nodes.

    A node depends on the nearest selected objects upstream, found by looking through unselected queries, which Dune
    inlines. An unselected matview is not looked through: its readers get what it stored last time.

    A check's node depends on its asset's, and on the nearest selected objects that its own SQL reads. What reads the
    asset of a gate, through unselected queries too, depends on the gate, whether the asset is selected or not.

    Args:
        catalog: The objects, and which of them read which.
        selection: The objects to run by SQL name, each with the text that sorts objects that could run in any order
            (its asset key).
        extra_deps: Dependencies beside the catalog's own, by SQL name, such as those that a translator adds.
        performance: The tier of the objects that name none; left out of the request if None.
        overrides: What this run changes of single objects, by SQL name.
        partitions: The partitions to run, by the SQL names of partitioned queries, as a node each. A check runs for the
            partitions of its asset.
        checks: The checks with a query that run as well.
        max_nodes: The number of nodes that the pipeline may have; any if None.

    Returns:
        The plan, with ids from 1 in topological order.

    Raises:
        DunePlanError: Nothing is selected, more than `max_nodes`, or a partitioned query without a partition.
        DuneCatalogError: A name is not in the catalog, or the extra dependencies form a cycle.

    Examples:
        >>> from dagster_dune import MaterializedView, Query
        >>> catalog = DuneCatalog(
        ...     materialized_views=[MaterializedView(name="dune.acme.result_daily")],
        ...     queries=[Query(query_id=7, deps=["dune.acme.result_daily"]), Query(query_id=8, deps=["query_7"])],
        ... )
        >>> plan = plan_pipeline(catalog, {"query_8": "c", "dune.acme.result_daily": "a"})
        >>> [(node.id, node.sql_name, node.dependencies) for node in plan.nodes]
        [(1, 'dune.acme.result_daily', ()), (2, 'query_8', (1,))]
    """
    by_query = {check.sql_name: check for check in checks if check.sql_name}
    if not selection and not by_query:
        raise DunePlanError("Nothing is selected, so there is nothing to run on Dune.")
    labels = {**selection, **{name: f"{check.asset} {check.name}" for name, check in by_query.items()}}
    partitions = partitions or {}
    parts = {name: parts_of(catalog[name], partitions.get(_partitioned_object(name, by_query), ())) for name in labels}
    check_count(sum(map(len, parts.values())), max_nodes)
    graph = catalog.graph.with_deps(extra_deps) if extra_deps else catalog.graph
    upstream = node_dependencies(graph, selection, by_query)
    nodes: dict[str, list[PlannedNode]] = {}
    ids = itertools.count(1)
    for name in _topological(upstream, labels):
        override = (overrides or {}).get(name, UNCHANGED)
        nodes[name] = [
            PlannedNode(
                id=next(ids),
                sql_name=name,
                dependencies=tuple(sorted(up.id for ups in upstream[name] for up in nodes[ups] if up.meets(part))),
                target=node_target(catalog[name], performance, override, part),
                partition=part,
                check=by_query.get(name),
            )
            for part in parts[name]
        ]
        _check_no_duplicates(nodes[name])
    return PipelinePlan(tuple(node for of_object in nodes.values() for node in of_object))


def node_dependencies(
    graph: CatalogGraph, selection: Collection[str], checks: Mapping[str, DuneCheck]
) -> dict[str, set[str]]:
    """Return the dependencies of each node, by SQL name.

    Args:
        graph: Which objects read which.
        selection: The objects that run.
        checks: The checks that run, by the SQL names of their queries.

    Returns:
        By the SQL name of each object and of each check's query, the names of those that must complete before it.
    """
    gates: dict[str, list[str]] = {}
    for name, check in checks.items():
        if check.is_gate:
            gates.setdefault(check.asset, []).append(name)
    upstream = {}
    for name in selection:
        nearest, passed = graph.walk(name, selection.__contains__)
        upstream[name] = {*nearest, *(gate for asset in nearest | passed for gate in gates.get(asset, ()))}
    for name, check in checks.items():
        nearest, _ = graph.walk(name, selection.__contains__)
        upstream[name] = nearest | ({check.asset} & set(selection))
    return upstream


def check_gates(graph: CatalogGraph, objects: Collection[str], checks: Iterable[DuneCheck]) -> None:
    """Check that no gate depends on a node that depends on the gate, whichever of these objects are selected.

    Raises:
        DuneCatalogError: A gate reads a reader of its asset, directly or not.
    """
    by_query = {check.sql_name: check for check in checks if check.sql_name}
    try:
        TopologicalSorter(node_dependencies(graph, objects, by_query)).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        gate = next(by_query[name] for name in cycle if name in by_query and by_query[name].is_gate)
        raise DuneCatalogError(
            f"The gate {gate.name} of {gate.asset} reads what reads {gate.asset}, so that each would wait for the "
            f"other: {' -> '.join(cycle)}.",
            hint="Let its SQL read what comes before its asset's readers, or make it a check of kind rows.",
        ) from error


def _partitioned_object(name: str, checks: Mapping[str, DuneCheck]) -> str:
    """Return the SQL name of the object whose partitions a node runs for."""
    return checks[name].asset if name in checks else name


def _check_no_duplicates(nodes: Sequence[PlannedNode]) -> None:
    """Raise a DunePlanError if two nodes would pay for the same execution."""
    seen: dict[str, PlannedNode] = {}
    for node in nodes:
        other = seen.setdefault(node.target.model_dump_json(), node)
        if other is not node:
            raise DunePlanError(
                f"{other.label} and {node.label} would be executed with the same parameters, and paid for twice.",
                hint="Let the templates of its partitions tell them apart, as {partition_key} does.",
            )


def _topological(upstream: Mapping[str, set[str]], labels: Mapping[str, str]) -> list[str]:
    """Sort names topologically by Kahn's algorithm, with the smallest label first among those that are ready.

    Raises:
        DunePlanError: The dependencies have a cycle.
    """
    waiting = {name: len(ups) for name, ups in upstream.items()}
    readers: dict[str, list[str]] = {name: [] for name in upstream}
    for name, ups in upstream.items():
        for up in ups:
            readers[up].append(name)
    ready = [(labels[name], name) for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for reader in readers[name]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, (labels[reader], reader))
    if cycle := sorted(upstream.keys() - set(order)):
        raise DunePlanError(
            f"These wait for each other in a circle, so nothing was sent: {abbreviated(cycle, most=20)}.",
            hint="A gate must not read what reads its asset.",
        )
    return order
