"""From a selection of the catalog to the nodes of one pipeline. Pure: nothing is sent from here."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dagster_dune.api.models import (
    MaterializedViewRefresh,
    Performance,
    Pipeline,
    PipelineNode,
    QueryExecution,
)
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.graph import CatalogGraph
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.parameters import ParameterValue, check_as_written, checked_values, joined
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.errors import DuneCatalogError, DunePlanError

DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Override:
    """What one run changes of a catalog object.

    Attributes:
        performance: The tier; the object's own if None.
        query_parameters: Values beside, and instead of, the object's own.
    """

    performance: Performance | None = None
    query_parameters: Mapping[str, ParameterValue] = field(default_factory=dict)


UNCHANGED = Override()


@dataclass(frozen=True)
class PlannedNode:
    """One node of a pipeline, and what it stands for.

    Attributes:
        id: Its number in the pipeline, from 1.
        sql_name: The catalog object it runs, as SQL names it.
        dependencies: The ids of the nodes that must complete before it.
        target: What Dune is asked to do.
        selected: Whether it was asked for. False only where Dune chooses the nodes itself (the lineage form).
        partition: What part of the object it runs; None where that has no partitions.
        check: The check that it is; None where it is an asset.
        anew_after: The run up to which nothing of it counts, where it must run anew; empty elsewhere.
    """

    id: int
    sql_name: str
    dependencies: tuple[int, ...]
    target: MaterializedViewRefresh | QueryExecution
    selected: bool = True
    partition: Partition | None = None
    check: DuneCheck | None = None
    anew_after: str = ""

    @property
    def label(self) -> str:
        """What it runs, as messages name it."""
        name = self.check.label if self.check else self.sql_name
        return f"{name} ({self.partition.label})" if self.partition else name

    @cached_property
    def digest(self) -> str:
        """A hash of what runs, for which partition and with which parameters, on any tier: 12 hexadecimal digits."""
        what = self.target.model_dump(mode="json", exclude={"performance"}, exclude_none=True)
        if isinstance(self.target, QueryExecution) and self.target.query_parameters:
            what["query_parameters"] = {key: _as_recorded(value) for key, value in self.target.query_parameters.items()}
        if self.partition:
            what["partition"] = self.partition.keys
        if self.anew_after:
            what["anew_after"] = self.anew_after
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH]

    def to_wire(self) -> PipelineNode:
        """The node as the request carries it."""
        if isinstance(self.target, MaterializedViewRefresh):
            return PipelineNode(id=self.id, dependencies=self.dependencies, materialized_view_refresh=self.target)
        return PipelineNode(id=self.id, dependencies=self.dependencies, query_execution=self.target)


@dataclass(frozen=True)
class PipelinePlan:
    """The nodes of one pipeline in topological order: what a node depends on stands before it."""

    nodes: tuple[PlannedNode, ...]

    @cached_property
    def by_id(self) -> Mapping[int, PlannedNode]:
        """The nodes by their ids."""
        return {node.id: node for node in self.nodes}

    @property
    def digests(self) -> tuple[str, ...]:
        """The digest of each node."""
        return tuple(node.digest for node in self.nodes)

    def restricted(self, digests: Collection[str]) -> PipelinePlan:
        """Return the plan of some of its nodes alone, with ids from 1; what they lose is taken as done."""
        kept = [node.id for node in self.nodes if node.digest in digests]
        return self.renumbered({node_id: number for number, node_id in enumerate(kept, start=1)})

    def renumbered(self, ids: Mapping[int, int]) -> PipelinePlan:
        """Return the plan of the nodes with these ids, under the new ids that stand beside them."""
        return PipelinePlan(
            tuple(
                replace(node, id=ids[node.id], dependencies=tuple(ids[up] for up in node.dependencies if up in ids))
                for node in self.nodes
                if node.id in ids
            )
        )

    def to_wire(self) -> Pipeline:
        """The pipeline as the request carries it."""
        return Pipeline(nodes=tuple(node.to_wire() for node in self.nodes))


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
    inlines. An unselected matview is a wall: its readers get what it stored last time.

    A check's node depends on its asset's, and on the nearest selected objects that its own SQL reads. What reads the
    asset of a gate, through unselected queries too, depends on the gate, whether the asset is selected or not.

    Args:
        catalog: What exists, and what reads what.
        selection: The objects to run by their SQL names, each with the text that sorts it among its equals (its asset
            key).
        extra_deps: Edges beside the catalog's own, by SQL names, such as those a translator adds.
        performance: The tier of the objects that name none; left out of the request if None.
        overrides: What this run changes of single objects, by SQL names.
        partitions: By the SQL names of partitioned queries, what of them runs: a node each. A partitioned check runs
            for those of its asset.
        checks: The checks with a query that run as well.
        max_nodes: The number of nodes that the pipeline may have; any if None.

    Returns:
        The plan, with ids from 1 in topological order.

    Raises:
        DunePlanError: Nothing is selected, more than `max_nodes`, or a partitioned query without a partition.
        DuneCatalogError: A name is not in the catalog, or the extra edges close a circle.

    Examples:
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
    parts = {name: parts_of(catalog[name], partitions.get(_of_partitions(name, by_query), ())) for name in labels}
    count = sum(map(len, parts.values()))
    if max_nodes is not None and count > max_nodes:
        raise DunePlanError(
            f"{count} nodes would run, which is more than max_nodes={max_nodes}; nothing was sent.",
            hint="Select fewer assets or partitions, or raise max_nodes on the DuneResource.",
        )
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
                dependencies=tuple(sorted(up.id for ups in upstream[name] for up in nodes[ups] if _meet(up, part))),
                target=node_target(catalog[name], performance, override, part),
                partition=part,
                check=by_query.get(name),
            )
            for part in parts[name]
        ]
        _check_different(nodes[name])
    return PipelinePlan(tuple(node for of_object in nodes.values() for node in of_object))


def node_dependencies(
    graph: CatalogGraph, selection: Collection[str], checks: Mapping[str, DuneCheck]
) -> dict[str, set[str]]:
    """Work out what each node waits for, by SQL names.

    Args:
        graph: What reads what.
        selection: The objects that run.
        checks: By the names of their queries, the checks that run.

    Returns:
        By the name of each object and of each check's query, those that must complete before it.
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
    """Check that no gate waits for what waits for it, whatever is selected of these objects.

    Raises:
        DuneCatalogError: One reads a reader of its asset, directly or not.
    """
    by_query = {check.sql_name: check for check in checks if check.sql_name}
    try:
        TopologicalSorter(node_dependencies(graph, objects, by_query)).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        gate = next(by_query[name] for name in circle if name in by_query and by_query[name].is_gate)
        raise DuneCatalogError(
            f"The gate {gate.name} of {gate.asset} reads what reads {gate.asset}, so that each would wait for the "
            f"other: {' -> '.join(circle)}.",
            hint="Let its SQL read what comes before its asset's readers, or make it a check of kind rows.",
        ) from error


def _of_partitions(name: str, checks: Mapping[str, DuneCheck]) -> str:
    """Whose partitions a node runs for."""
    return checks[name].asset if name in checks else name


def parts_of(obj: MaterializedView | Query, partitions: Sequence[Partition]) -> tuple[Partition | None, ...]:
    """Return what of an object runs, a node each: some of its partitions, or all of it where it has none.

    Raises:
        DunePlanError: It has partitions, and none is given.
    """
    if not isinstance(obj, Query) or obj.partitions is None:
        return (None,)
    if not partitions:
        raise DunePlanError(
            f"{obj.sql_name} is partitioned, and this run is of no partition; nothing was sent.",
            hint="Launch it with a partition or a range of them, as a backfill, or from a schedule of partitions; a "
            "check, together with its asset.",
        )
    return obj.partitions.together(partitions)


def node_target(
    obj: MaterializedView | Query,
    performance: Performance | None,
    override: Override = UNCHANGED,
    partition: Partition | None = None,
) -> MaterializedViewRefresh | QueryExecution:
    """Return what Dune is asked to do for one object; whatever is not set is left out of the request.

    Raises:
        DuneCatalogError: A parameter's value is not one that the query takes.
        DunePlanError: A matview is given parameters, or a parameter a value beside that of the partition.
    """
    # Assumption: default-tier.
    tier = override.performance or obj.performance or performance
    if isinstance(obj, MaterializedView):
        if override.query_parameters:
            raise DunePlanError(f"{obj.name} is a matview, which Dune refreshes without parameters.")
        return MaterializedViewRefresh(name=obj.name, performance=tier)
    check_as_written(obj.sql_name, obj.parameters, override.query_parameters)
    values = {**obj.query_parameters, **override.query_parameters}
    if partition and obj.partitions:
        of_partition = obj.partitions.values_of(partition)
        if twice := sorted(of_partition.keys() & override.query_parameters.keys()):
            raise DunePlanError(
                f"The run's configuration sets {', '.join(map(repr, twice))} of {obj.sql_name}, as its partition does.",
                hint="Leave it out, and choose the partition.",
            )
        values |= of_partition
    texts = checked_values(obj.sql_name, obj.parameters, values)
    # Assumption: repeated-query.
    return QueryExecution(query_id=obj.query_id, performance=tier, query_parameters=texts or None)


def _as_recorded(value: Any) -> Any:
    """A value as records have it: before several were sent as a list, they were one text with commas."""
    return joined(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


def _meet(upstream: PlannedNode, part: Partition | None) -> bool:
    """Whether a node waits for one of an object that it reads: not for other partitions than its own."""
    if upstream.partition is None or part is None:
        return True
    return not set(upstream.partition.keys).isdisjoint(part.keys)


def _check_different(nodes: Sequence[PlannedNode]) -> None:
    """Refuse to pay for the same execution twice."""
    seen: dict[str, PlannedNode] = {}
    for node in nodes:
        other = seen.setdefault(node.target.model_dump_json(), node)
        if other is not node:
            raise DunePlanError(
                f"{other.label} and {node.label} would be executed with the same parameters, and paid for twice.",
                hint="Let the templates of its partitions tell them apart, as {partition_key} does.",
            )


def _topological(upstream: Mapping[str, set[str]], labels: Mapping[str, str]) -> list[str]:
    """Kahn's order, with the smallest label first among those that are ready.

    Raises:
        DunePlanError: Some wait for each other in a circle.
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
    if circle := sorted(upstream.keys() - set(order)):
        raise DunePlanError(
            f"These wait for each other in a circle, so nothing was sent: {', '.join(circle)}.",
            hint="A gate must not read what reads its asset.",
        )
    return order
