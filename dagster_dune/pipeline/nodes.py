"""The nodes of one pipeline: what each runs, its identity across attempts, and its form in the request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dagster_dune.api.models import (
    MaterializedViewRefresh,
    Performance,
    Pipeline,
    PipelineNode,
    QueryExecution,
)
from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.parameters import ParameterValue, check_unchanged_by_yaml, checked_values, joined
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.errors import DunePlanError

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
    """One node of a pipeline.

    Attributes:
        id: Its number in the pipeline.
        sql_name: The SQL name of the catalog object that it runs.
        dependencies: The ids of the nodes that must complete before it.
        target: What Dune is asked to do.
        selected: Whether it is selected. False only in the lineage form, where Dune chooses the nodes.
        partition: The partitions of the object that it runs for; None if the object has none.
        check: The check whose query it runs; None if it runs an asset.
        anew_after: If the node must run anew, the id of the run whose executions, like all earlier ones, do not count;
            otherwise empty.
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
        """The name of the node in messages."""
        name = self.check.label if self.check else self.sql_name
        return f"{name} ({self.partition.label})" if self.partition else name

    @cached_property
    def digest(self) -> str:
        """A hash of the target, the partition and the parameters, but not of the tier: 12 hexadecimal digits."""
        identity = self.target.model_dump(mode="json", exclude={"performance"}, exclude_none=True)
        if isinstance(self.target, QueryExecution) and self.target.query_parameters:
            identity["query_parameters"] = {
                key: _as_recorded(value) for key, value in self.target.query_parameters.items()
            }
        if self.partition:
            identity["partition"] = self.partition.keys
        if self.anew_after:
            identity["anew_after"] = self.anew_after
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH]

    def meets(self, partition: Partition | None) -> bool:
        """Whether a reader with this partition depends on the node: they share a partition, or one of them has none."""
        if self.partition is None or partition is None:
            return True
        return not set(self.partition.keys).isdisjoint(partition.keys)

    def to_wire(self) -> PipelineNode:
        """Return the node as the request contains it."""
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
        """Return a plan of the nodes with these digests, with ids from 1; other dependencies are dropped."""
        return self.without({node.id for node in self.nodes if node.digest not in digests})

    def without(self, ids: Collection[int]) -> PipelinePlan:
        """Return a plan without these nodes, with ids from 1; dependencies on them are dropped."""
        kept = [node.id for node in self.nodes if node.id not in ids]
        return self.renumbered({id_: number for number, id_ in enumerate(kept, start=1)})

    def downstream(self, ids: Collection[int]) -> set[int]:
        """Return the ids of the nodes that depend on any of these, directly or not."""
        waited_for, found = set(ids), set[int]()
        for node in self.nodes:
            if not waited_for.isdisjoint(node.dependencies):
                waited_for.add(node.id)
                found.add(node.id)
        return found

    def downstream_digests(self, digests: Collection[str]) -> set[str]:
        """Return the digests of the nodes that depend on any of these, directly or not."""
        ids = self.downstream({node.id for node in self.nodes if node.digest in digests})
        return {self.by_id[id_].digest for id_ in ids}

    def renumbered(self, ids: Mapping[int, int]) -> PipelinePlan:
        """Return a plan of the nodes with these ids (the keys), under their new ids (the values)."""
        return PipelinePlan(
            tuple(
                replace(node, id=ids[node.id], dependencies=tuple(ids[up] for up in node.dependencies if up in ids))
                for node in self.nodes
                if node.id in ids
            )
        )

    def on_tiers(self, tiers: Mapping[str, Performance]) -> PipelinePlan:
        """Return the plan with these tiers, by digest, in place of its own; nodes without one get no tier."""
        return PipelinePlan(
            tuple(
                replace(node, target=node.target.model_copy(update={"performance": tiers.get(node.digest)}))
                for node in self.nodes
            )
        )

    def to_wire(self) -> Pipeline:
        """Return the pipeline as the request contains it."""
        return Pipeline(nodes=tuple(node.to_wire() for node in self.nodes))


def check_count(count: int, max_nodes: int | None) -> None:
    """Refuse more nodes than a run may have.

    Raises:
        DunePlanError: There are more than `max_nodes`, unless that is None.
    """
    if max_nodes is not None and count > max_nodes:
        raise DunePlanError(
            f"{count} nodes would run, which is more than max_nodes={max_nodes}; nothing was sent.",
            hint="Select fewer assets or partitions, or raise max_nodes on the DuneResource.",
        )


def parts_of(obj: MaterializedView | Query, partitions: Sequence[Partition]) -> tuple[Partition | None, ...]:
    """Return the parts of an object that run as one node each: groups of partitions, or None if it has none.

    Raises:
        DunePlanError: The object has partitions, and none is given.
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
    """Return what Dune is asked to do for one object; fields that are not set are left out of the request.

    Raises:
        DuneCatalogError: A parameter's value is not one that the query takes.
        DunePlanError: The run sets parameters of a matview, or a parameter that the partition sets too.
    """
    # Assumption: default-tier.
    tier = override.performance or obj.performance or performance
    if isinstance(obj, MaterializedView):
        if override.query_parameters:
            raise DunePlanError(
                f"{obj.name} is a matview, which Dune refreshes without parameters.",
                hint="Remove it from query_parameters of the run's configuration.",
            )
        return MaterializedViewRefresh(name=obj.name, performance=tier)
    check_unchanged_by_yaml(obj.sql_name, obj.parameters, override.query_parameters)
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
    """Return a value as older records hold it: a list of texts as one text with commas."""
    return joined(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
