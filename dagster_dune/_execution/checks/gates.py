"""Which nodes an attempt may run after a gate has failed in an earlier attempt.

An automatic retry does not run a failed gate again. It runs neither the gate, nor the gate's asset, nor the nodes that
the gate blocked, and fails like the attempt before it. A retry by hand runs all of these anew, and also the asset, the
check and the readers of any other blocking check that failed. While the latest answer of a gate is a failure, no reader
of its asset runs without the gate.

These rules apply to nodes, along the dependencies of the plan: the answer of a gate for one partition does not affect
nodes that wait for its answers for other partitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import dagster as dg

from dagster_dune._execution.checks.answers import gate_refusal
from dagster_dune._execution.checks.history import GateHistory
from dagster_dune._execution.submissions.submission import Submission
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.errors import DunePlanError
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import Phase


class ReadOutcomes(Protocol):
    """Follows nodes of a pipeline to their ends, without yielding events for them.

    `is_own` is False for nodes that the attempt has not selected: they are not cancelled if the attempt is interrupted.
    """

    def __call__(self, plan: PipelinePlan, submission: Submission, *, is_own: bool = True) -> Iterator[Outcome]: ...


@dataclass(frozen=True)
class GatedPlan:
    """A plan without the nodes that failed gates exclude.

    Attributes:
        plan: The nodes that may be taken over or sent.
        full_plan: All nodes; those that must run anew have another identity than before.
        blocked: The outcomes of the nodes that failed gates block.
        refused: The nodes of gates whose failure an earlier attempt has reported, each with the id of its run.
        taken_over: By submission, the digests of nodes whose outcomes are read and reported, and which are not sent:
            failed gates that no attempt lived to report, their assets, and the nodes that they block.
        excluded: The other nodes of the assets of failed gates. They neither run nor are reported in this attempt.
    """

    plan: PipelinePlan
    full_plan: PipelinePlan
    blocked: tuple[Outcome, ...] = ()
    refused: tuple[tuple[PlannedNode, str], ...] = ()
    taken_over: tuple[tuple[Submission, frozenset[str]], ...] = ()
    excluded: tuple[PlannedNode, ...] = ()


def gated_plan(
    instance: dg.DagsterInstance,
    run_id: str,
    assets: DuneAssetSet,
    plan: PipelinePlan,
    read: ReadOutcomes,
    *,
    resume: bool,
) -> GatedPlan:
    """Decide which nodes of a plan an attempt may run, from the answers of the gates in its run group.

    Args:
        instance: Where the runs are stored.
        run_id: The run of the attempt.
        assets: The assets and checks of its definition.
        plan: The nodes that it is to run.
        read: Reads from Dune the answers that no attempt lived to report.
        resume: Whether attempts that resume take over ended nodes, and so report unreported answers by themselves.

    Raises:
        DunePlanError: It is to run nodes that a failed gate blocked, without the gate.
    """
    blocking = {key: check for key, check in assets.checks.items() if check.blocking}
    gates = {key: check for key, check in blocking.items() if check.is_gate}
    if not gates and blocking.keys().isdisjoint(assets.selected_checks):
        return GatedPlan(plan, plan)
    history = GateHistory.of(instance, run_id, assets.definition)
    in_plan = {node.check.label for node in plan.nodes if node.check}
    for key, gate in gates.items():
        if gate.label not in in_plan:
            _check_not_bypassed(key, gate, plan, assets, history, read)
    asked = {key: check for key, check in blocking.items() if check.label in in_plan or key in assets.selected_checks}
    plan = _with_identities(plan, asked, history)
    refused: dict[int, str] = {}
    unreported: dict[int, Submission] = {}
    for key, gate in gates.items():
        nodes = [node for node in plan.nodes if node.sql_name == gate.sql_name]
        answers = {node.id: history.last_answer(key, node.partition, history.launch) for node in nodes}
        refused |= {id_: answer.run_id for id_, answer in answers.items() if answer and not answer.passed}
        if history.is_automatic and not (resume and history.resumes):
            rest = [node for node in nodes if node.id not in refused]
            unreported |= _unreported_refusals(rest, history, key, history.launch, read)
    return _without_blocked(plan, refused, unreported)


def _without_blocked(plan: PipelinePlan, refused: Mapping[int, str], unreported: Mapping[int, Submission]) -> GatedPlan:
    """Remove from a plan the failed gates, their assets and the nodes that they block.

    Args:
        plan: The plan.
        refused: By the id of a gate's node, the run that reported its failure.
        unreported: By the id of a gate's node, the submission in which it failed without being reported.
    """
    removed = set[int]()
    blockers: dict[int, list[str]] = {}
    taken_over: dict[str, tuple[Submission, set[str]]] = {}
    reported = set[str]()
    for id_ in sorted({*refused, *unreported}):
        gate = plan.by_id[id_]
        downstream = plan.downstream({id_})
        nodes = {id_, *_checked_nodes(plan, gate), *downstream}
        removed |= nodes
        for blocked in downstream - refused.keys():
            blockers.setdefault(blocked, []).append(gate.label)
        if submission := unreported.get(id_):
            digests = {plan.by_id[node].digest for node in nodes} & submission.node_ids.keys()
            taken_over.setdefault(submission.id, (submission, set()))[1].update(digests - reported)
            reported |= digests
    reported_ids = {node.id for node in plan.nodes if node.digest in reported}
    return GatedPlan(
        plan=plan.without(removed) if removed else plan,
        full_plan=plan,
        blocked=tuple(
            _blocked_outcome(node, blockers[node.id])
            for node in plan.nodes
            if node.id in blockers.keys() - reported_ids
        ),
        refused=tuple((plan.by_id[id_], run_id) for id_, run_id in refused.items()),
        taken_over=tuple((submission, frozenset(digests)) for submission, digests in taken_over.values() if digests),
        excluded=tuple(
            node for node in plan.nodes if node.id in removed - blockers.keys() - reported_ids and not node.check
        ),
    )


def is_due_to_gate(outcome: Outcome, refused: set[str]) -> bool:
    """Whether a node did not succeed because of a gate: it is a gate that failed, or a failed gate blocked it.

    Such a node must not be sent again.

    Args:
        outcome: How the node ended, if not with success.
        refused: The labels of the gates that have failed so far. If this node is a failed gate, its label is added.
    """
    if gate_refusal(outcome) is not None:
        refused.add(outcome.node.label)
        return True
    return not refused.isdisjoint(outcome.blocked_by)


def _unreported_refusals(
    nodes: Iterable[PlannedNode], history: GateHistory, key: dg.AssetCheckKey, runs: frozenset[str], read: ReadOutcomes
) -> dict[int, Submission]:
    """Return, by the id of each node of a gate, the latest submission in which it failed and no run reported it.

    Each pipeline is read once for all nodes.
    """
    asked: dict[str, tuple[Submission, list[PlannedNode]]] = {}
    for node in nodes:
        for submission in history.unreported(key, node, runs):
            asked.setdefault(submission.id, (submission, []))[1].append(node)
    found: dict[int, Submission] = {}
    for submission, its_nodes in sorted(asked.values(), key=lambda one: history.order_of(one[0]), reverse=True):
        ids = {submission.node_ids[node.digest]: node.id for node in its_nodes if node.id not in found}
        if not ids:
            continue
        plan = PipelinePlan(tuple(its_nodes)).renumbered({id_: id_there for id_there, id_ in ids.items()})
        for outcome in read(plan, submission):
            if gate_refusal(outcome) is not None:
                found[ids[outcome.node.id]] = submission
    return found


def _checked_nodes(plan: PipelinePlan, node: PlannedNode) -> set[int]:
    """Return the ids of the asset's nodes that a check's node checks; none if it is a node of the asset itself."""
    asset = node.check.asset if node.check else None
    return {id_ for id_ in node.dependencies if plan.by_id[id_].sql_name == asset}


def _check_not_bypassed(
    key: dg.AssetCheckKey,
    gate: DuneCheck,
    plan: PipelinePlan,
    assets: DuneAssetSet,
    history: GateHistory,
    read: ReadOutcomes,
) -> None:
    """Raise a DunePlanError if a plan runs readers of an asset without its gate, and its latest answer is a failure."""
    graph = assets.catalog.graph.with_deps(assets.deps_by_name)
    selection = set(assets.selection)
    names = {
        name
        for name in {node.sql_name for node in plan.nodes if not node.check}
        if gate.asset in set.union(*graph.walk(name, selection.__contains__))
    }
    readers = [node for node in plan.nodes if node.sql_name in names]
    answers = {node.label: history.last_answer(key, node.partition, history.runs) for node in readers}
    refused_in = {label: answer.run_id for label, answer in answers.items() if answer and not answer.passed}
    if readers and not refused_in:
        asked = _possible_nodes(gate, assets, history)
        read_unselected = partial(read, is_own=False)
        refusals = _unreported_refusals(asked.values(), history, key, history.runs, read_unselected)
        refused_in = {
            reader.label: submission.run_id
            for id_, submission in refusals.items()
            for reader in readers
            if asked[id_].meets(reader.partition)
        }
    if refused_in:
        runs = ", ".join(dict.fromkeys(refused_in.values()))
        raise DunePlanError(
            f"The gate {gate.name} of {gate.asset} said no in run {runs}, and this "
            f"run repeats what it held back without asking it again: {', '.join(refused_in)}. Nothing was sent.",
            hint="Select the gate as well, with its asset if that is to be made anew.",
        )


def _possible_nodes(gate: DuneCheck, assets: DuneAssetSet, history: GateHistory) -> dict[int, PlannedNode]:
    """Return the nodes of a gate in all forms in which an attempt of the run group may have sent them, by number.

    There are none if the partitions of the gate are not known.
    """
    try:
        partitions = {gate.asset: next(iter(assets.partitions.values()), ())}
        plan = plan_pipeline(assets.catalog, {}, checks=[gate], partitions=partitions)
    except DunePlanError:
        return {}
    nodes = [replace(node, anew_after=run_id) for run_id in ("", *history.runs) for node in plan.nodes]
    return {number: replace(node, id=number) for number, node in enumerate(nodes, start=1)}


def _with_identities(
    plan: PipelinePlan, checks: Mapping[dg.AssetCheckKey, DuneCheck], history: GateHistory
) -> PipelinePlan:
    """Give the nodes that a failed blocking check concerns another identity, so that a retry by hand runs them anew.

    These are the node of the check, the nodes of its asset, and all nodes that check or read the rows of these. The
    attempts of one launch share nodes, so a node keeps the identity under which the launch has sent it.
    """
    asked = [
        (key, node)
        for key, check in checks.items()
        for node in plan.nodes
        if node.sql_name == (check.sql_name or check.asset)
    ]
    refusals = history.refusals((key, node.partition) for key, node in asked)
    rank = {run_id: place for place, run_id in enumerate(["", *reversed(refusals)])}
    identities: dict[int, str] = {}
    for key, node in asked if refusals else ():
        sent = (run_id for run_id in (*refusals, "") if history.has_sent(key, replace(node, anew_after=run_id).digest))
        latest = next(iter(history.refusals([(key, node.partition)])), "")
        run_id = next(sent, latest)
        if not run_id:
            continue
        own = {node.id, *_checked_nodes(plan, node)}
        for id_ in own | plan.downstream(own):
            identities[id_] = max(identities.get(id_, ""), run_id, key=rank.__getitem__)
    return PipelinePlan(tuple(replace(node, anew_after=identities.get(node.id, "")) for node in plan.nodes))


def _blocked_outcome(node: PlannedNode, gates: Iterable[str]) -> Outcome:
    names = tuple(sorted(gates))
    return Outcome(
        node,
        Result.SKIPPED,
        Phase.WAITING,
        reason=f"Not started, because {', '.join(names)} said no.",
        blocked_by=names,
    )
