"""Plans a step's selection: as a node for each asset and check, or as the one query of the lineage form.

What of a plan is not sent, because of nodes that did not succeed, becomes outcomes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import cast

from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.models import PipelineSubmitted, QueryExecution
from dagster_dune.pipeline.lineage_form import other_tiers, plan_lineage, refuse_checks, sink_node
from dagster_dune.pipeline.nodes import Override, PipelinePlan
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import Phase

OTHER_TIERS = "The lineage form runs everything on the tier of %s (%s). What the catalog sets does not count: %s."


def plan_of_nodes(
    assets: DuneAssetSet, overrides: Mapping[str, Override], *, performance: str | None, max_nodes: int | None
) -> PipelinePlan:
    """Plan a node for each selected asset and for each selected check with a query.

    The plan is empty if only checks without a query are selected.

    Args:
        assets: What is selected.
        overrides: What the run's configuration changes, by SQL name.
        performance: The engine tier of objects that name none.
        max_nodes: The most nodes that the plan may have; any number if None.

    Raises:
        DunePlanError: The selection cannot run.
    """
    if not assets.selected and assets.selected_checks and not assets.query_checks:
        return PipelinePlan(())
    return plan_pipeline(
        assets.catalog,
        assets.selection,
        extra_deps=assets.deps_by_name,
        performance=performance,
        overrides=overrides,
        partitions=assets.partitions,
        checks=assets.query_checks,
        max_nodes=max_nodes,
    )


def plan_of_lineage(
    client: DuneApiClient,
    assets: DuneAssetSet,
    overrides: Mapping[str, Override],
    *,
    performance: str | None,
    max_nodes: int | None,
    allow_extra_refreshes: bool,
    log: logging.Logger,
) -> tuple[PipelinePlan, Callable[[], PipelineSubmitted]]:
    """Ask Dune what it would refresh for the one selected query, and compare that with the selection.

    Args:
        client: The client to ask with.
        assets: What is selected.
        overrides: What the run's configuration changes, by SQL name.
        performance: The engine tier of objects that name none.
        max_nodes: The most nodes that may run, including those that Dune adds; any number if None.
        allow_extra_refreshes: Whether Dune may refresh matviews that are not selected.
        log: Logs a warning about tiers of the catalog that do not count.

    Returns:
        The plan, and a function that sends it.

    Raises:
        DunePlanError: The selection is not one query with its matviews, the run sets another tier for one of the
            matviews, or Dune would refresh other matviews or too many.
        DuneApiError: Dune could not be asked.
    """
    refuse_checks(assets.query_checks)
    sink = sink_node(assets.catalog, assets.selection, performance, overrides, assets.partitions)
    if others := other_tiers({name: assets.catalog[name].performance for name in assets.selection}, sink):
        log.warning(OTHER_TIERS, sink.label, sink.target.performance or "none is set", others)
    target = cast("QueryExecution", sink.target)
    asked_for = (target.query_id, target.performance, target.query_parameters)
    dunes_choice = client.get_query_pipeline(*asked_for)
    plan = plan_lineage(
        assets.selection,
        sink,
        dunes_choice,
        allow_extra_refreshes=allow_extra_refreshes,
        max_nodes=max_nodes,
    )
    for node in plan.nodes:
        assets.key_of(node.sql_name)  # if a translator has no key for what Dune adds, it fails before anything is sent
    return plan, partial(client.execute_lineage, *asked_for)


def skipped(plan: PipelinePlan, digests: Collection[str], because_of: Collection[str]) -> list[Outcome]:
    """Return the outcomes of nodes that are not sent, because of others that did not succeed."""
    lost = {node.id: node.label for node in plan.nodes if node.digest in because_of}
    blockers = dict[int, frozenset[str]]()
    outcomes = []
    for node in plan.nodes:
        ups = [blockers.get(up, frozenset([lost[up]] if up in lost else ())) for up in node.dependencies]
        if node.digest in digests:
            names = tuple(sorted(blockers.setdefault(node.id, frozenset().union(*ups))))
            reason = f"Not sent, because {', '.join(names)} failed."
            outcomes.append(Outcome(node, Result.SKIPPED, Phase.WAITING, reason=reason, blocked_by=names))
    return outcomes
