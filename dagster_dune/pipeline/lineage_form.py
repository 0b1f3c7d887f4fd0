"""The lineage form of a request: Dune finds the matviews that a query reads, and refreshes all of them first.

Since Dune chooses what runs and is paid, its choice is compared with the selection before anything is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from dagster_dune._formatting import abbreviated
from dagster_dune.api.models import MaterializedViewRefresh, Performance, Pipeline, PipelineNode, QueryExecution
from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.names import normalised_name, query_name
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.errors import DunePlanError
from dagster_dune.pipeline.nodes import (
    UNCHANGED,
    Override,
    PipelinePlan,
    PlannedNode,
    check_count,
    node_target,
    parts_of,
)

# Assumption: lineage-form.
FORM = 'pipeline_form="lineage"'


def sink_node(
    catalog: DuneCatalog,
    selection: Collection[str],
    performance: Performance | None,
    overrides: Mapping[str, Override] | None = None,
    partitions: Mapping[str, Sequence[Partition]] | None = None,
) -> PlannedNode:
    """Return the node of the one query that is selected; the request to Dune names only this query.

    The request has one tier, that of the query, on which Dune refreshes the matviews too.

    Args:
        catalog: The catalog.
        selection: The SQL names of the selected objects.
        performance: The tier of the objects that name none.
        overrides: What this run changes of single objects, by SQL name.
        partitions: The partitions to run, by the SQL names of partitioned queries.

    Raises:
        DunePlanError: The selection holds no query, or several, or several partitions of one; or the run sets another
            tier for a matview than for the query.
    """
    nodes = [
        PlannedNode(
            id=0,
            sql_name=name,
            dependencies=(),
            target=node_target(catalog[name], performance, (overrides or {}).get(name, UNCHANGED), part),
            partition=part,
        )
        for name in sorted(selection)
        for part in parts_of(catalog[name], (partitions or {}).get(name, ()))
    ]
    queries = [node for node in nodes if isinstance(node.target, QueryExecution)]
    if len(queries) != 1:
        names = abbreviated(node.label for node in queries) or "no query"
        raise DunePlanError(
            f"{FORM} runs one query and the matviews it reads, but the selection holds {names}.",
            hint='Select one query with its upstream matviews, or use pipeline_form="nodes".',
        )
    sink = queries[0]
    elsewhere = other_tiers({name: override.performance for name, override in (overrides or {}).items()}, sink)
    if elsewhere:
        raise DunePlanError(
            f"{FORM} runs everything on the tier of {sink.label} ({sink.target.performance or 'none is set'}), but "
            f"this run is to have these on another one: {elsewhere}; nothing was sent.",
            hint='Set the same performance for all of them, or use pipeline_form="nodes".',
        )
    return sink


def other_tiers(tiers: Mapping[str, Performance | None], sink: PlannedNode) -> str:
    """Return the names of objects that have another tier than the query, as one text; empty if there are none.

    Args:
        tiers: The tiers by SQL name; None for an object without a tier.
        sink: The node of the query.
    """
    others = {name: tier for name, tier in sorted(tiers.items()) if tier not in (None, sink.target.performance)}
    return ", ".join(f"{name} ({tier})" for name, tier in others.items())


def refuse_checks(checks: Collection[DuneCheck]) -> None:
    """Refuse checks with a query: Dune would not run them.

    Raises:
        DunePlanError: There are checks with a query.
    """
    if checks:
        raise DunePlanError(
            f"{FORM} lets Dune choose what runs, which knows no checks, but the selection holds "
            f"{', '.join(check.label for check in checks)}.",
            hint='Select the assets without these checks, or use pipeline_form="nodes".',
        )


def plan_lineage(
    selection: Collection[str],
    sink: PlannedNode,
    dunes_choice: Pipeline,
    *,
    allow_extra_refreshes: bool = False,
    max_nodes: int | None = None,
) -> PipelinePlan:
    """Turn Dune's own pipeline of a query into a plan, if it runs exactly what is selected.

    Args:
        selection: The SQL names of the selected objects: one query, and matviews.
        sink: The query, as `sink_node` returns it.
        dunes_choice: The answer of ``GET /v1/query/{id}/pipeline``.
        allow_extra_refreshes: Whether Dune may refresh matviews that are not selected.
        max_nodes: How many nodes there may be, including those that are not selected; any number if None.

    Returns:
        The plan, with Dune's node ids; nodes that are not selected have `selected` False.

    Raises:
        DunePlanError: The selection and Dune's choice differ, as the message says, or there are too many nodes.
    """
    chosen = {_name(node) for node in dunes_choice.nodes}
    missing = sorted(set(selection) - chosen)
    extra = sorted(chosen - set(selection))
    if missing or (extra and not allow_extra_refreshes):
        raise _difference(sink, missing, extra)
    check_count(len(dunes_choice.nodes), max_nodes)
    return PipelinePlan(tuple(_planned(node, sink, selection) for node in _topological(dunes_choice)))


def _planned(node: PipelineNode, sink: PlannedNode, selection: Collection[str]) -> PlannedNode:
    name, dependencies = _name(node), tuple(node.dependencies)
    if name == sink.sql_name:
        return replace(sink, id=node.id, dependencies=dependencies)
    return PlannedNode(node.id, name, dependencies, _target(node), selected=name in selection)


def _name(node: PipelineNode) -> str:
    target = _target(node)
    return target.name if isinstance(target, MaterializedViewRefresh) else query_name(target.query_id)


def _target(node: PipelineNode) -> MaterializedViewRefresh | QueryExecution:
    """Return what a node runs. The name of a matview is normalised, so that its identity is always the same."""
    target = node.materialized_view_refresh or node.query_execution
    if isinstance(target, MaterializedViewRefresh):
        return target.model_copy(update={"name": normalised_name(target.name)})
    if target is None:
        raise DunePlanError(
            f"Dune's pipeline of the query has a node {node.id} that is neither a matview nor a query.",
            hint='Use pipeline_form="nodes".',
        )
    return target


def _topological(pipeline: Pipeline) -> list[PipelineNode]:
    by_id = {node.id: node for node in pipeline.nodes}
    try:
        order = TopologicalSorter({node.id: sorted(node.dependencies) for node in pipeline.nodes}).static_order()
        return [by_id[node_id] for node_id in order]
    except (CycleError, KeyError) as error:
        raise DunePlanError(
            "Dune's pipeline of the query has a circle, or a dependency on a node that it does not hold.",
            hint='Use pipeline_form="nodes".',
        ) from error


def _difference(sink: PlannedNode, missing: list[str], extra: list[str]) -> DunePlanError:
    differences = []
    if extra:
        differences.append(f"Dune would refresh, and charge for, what is not selected: {abbreviated(extra, most=20)}")
    if missing:
        differences.append(f"Dune would not run what is selected: {abbreviated(missing, most=20)}")
    hints = []
    if extra:
        hints.append("Select these too, or set allow_extra_refreshes=True.")
    if missing:
        hints.append('Leave these out, or use pipeline_form="nodes".')
    return DunePlanError(
        f"{FORM} and the selection differ for {sink.sql_name}; nothing was sent. {'. '.join(differences)}.",
        hint=" ".join(hints),
    )
