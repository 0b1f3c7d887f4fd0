"""What an attempt may run once a gate has said no before it.

An automatic retry asks no gate again: it runs neither the gate's asset, nor the gate, nor what the gate held back, and
fails as the attempt before it did. Who tries again by hand wants all of these anew, and so what another blocking check
has said no of. What reads the asset is never run without the gate while the gate's latest answer is no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import dagster as dg

from dagster_dune._execution.checks.answers import no_of_gate
from dagster_dune._execution.checks.history import GateHistory
from dagster_dune._execution.submissions.submission import Submission
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.errors import DunePlanError
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import Phase

Hear = Callable[[PipelinePlan, Submission], Iterator[Outcome]]
"""Follows nodes of a pipeline to their ends, and takes over nothing."""


@dataclass(frozen=True)
class Ruling:
    """What gates leave of a plan.

    Attributes:
        plan: What may be taken over or sent.
        whole: The plan itself, whose nodes have got another identity where they must run anew.
        held_back: What the gates that said no hold back still.
        closed: By the name of each of these gates, what it said.
        taken_over: What a gate has said on Dune, and no attempt has lived to tell: nodes that are told, and not sent.
    """

    plan: PipelinePlan
    whole: PipelinePlan
    held_back: tuple[Outcome, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()
    taken_over: tuple[tuple[Submission, frozenset[str]], ...] = ()


def ruling(
    instance: dg.DagsterInstance,
    run_id: str,
    assets: DuneAssetSet,
    plan: PipelinePlan,
    hear: Hear,
    *,
    resume: bool,
) -> Ruling:
    """Decide what an attempt may run of a plan, from what the gates have said in the family of its run.

    Args:
        instance: Where the runs are stored.
        run_id: The attempt's run.
        assets: What its definition holds.
        plan: What it is to run.
        hear: Asks Dune for an answer that no attempt has lived to tell.
        resume: Whether attempts that resume take over what has ended, and so hear by themselves what was not told.

    Raises:
        DunePlanError: It is to run what a gate held back, without the gate.
    """
    blocking = {key: check for key, check in assets.checks.items() if check.blocking}
    gates = {key: check for key, check in blocking.items() if check.is_gate}
    if not gates and blocking.keys().isdisjoint(assets.selected_checks):
        return Ruling(plan, plan)
    history = GateHistory.of(instance, run_id, assets.definition)
    in_plan = {node.check.label for node in plan.nodes if node.check}
    closed: dict[str, str] = {}
    removed = set[str]()
    taken_over: dict[str, tuple[Submission, frozenset[str]]] = {}
    for key, gate in gates.items():
        if gate.label not in in_plan:
            _refuse_past(key, gate, plan, assets, history, hear)
    asked = {key: check for key, check in blocking.items() if check.label in in_plan or key in assets.selected_checks}
    plan = _with_identities(plan, asked, history)
    for key, gate in gates.items():
        if gate.label not in in_plan:
            continue
        names = {gate.sql_name or "", gate.asset, *_behind(plan, gate.sql_name)}
        now = history.last_answer(key, history.generation)
        if now is not None and not now.passed:
            closed[gate.label] = f"It said no in run {now.run_id}, and an automatic retry does not ask again."
            removed |= names
            continue
        if now is None and history.is_automatic and not (resume and history.resumes):
            nodes = PipelinePlan(tuple(node for node in plan.nodes if node.sql_name == gate.sql_name))
            if unheard := _unheard_no(nodes, history, key, history.generation, hear):
                digests = frozenset(node.digest for node in plan.nodes if node.sql_name in names)
                taken_over[gate.label] = (unheard, digests & unheard.node_ids.keys())
                removed |= names
    if not removed:
        return Ruling(plan, plan)
    told = frozenset().union(*(digests for _, digests in taken_over.values()))
    return Ruling(
        PipelinePlan(_without(plan, removed)),
        plan,
        tuple(
            _held_back(node, {*closed, *taken_over})
            for node in plan.nodes
            if node.digest not in told and _is_held_back(node, plan, {*closed, *taken_over})
        ),
        tuple(closed.items()),
        tuple(taken_over.values()),
    )


def is_answer(outcome: Outcome, closed: set[str]) -> bool:
    """Whether a node that did not succeed is none to send again: a gate that said no, or what such a gate holds back.

    Args:
        outcome: How the node ended.
        closed: The names of the gates that have said no so far; this one's is added.
    """
    if no_of_gate(outcome) is not None:
        closed.add(outcome.node.label)
        return True
    return not closed.isdisjoint(outcome.blocked_by)


def _unheard_no(
    nodes: PipelinePlan, history: GateHistory, key: dg.AssetCheckKey, runs: frozenset[str], hear: Hear
) -> Submission | None:
    """The latest submission in which a gate said no on Dune, though no attempt has lived to tell it."""
    for submission in history.untold(key, nodes.digests, runs):
        ids = {node.id: submission.node_ids[node.digest] for node in nodes.nodes if node.digest in submission.node_ids}
        outcomes = list(hear(nodes.renumbered(ids), submission))
        if any(no_of_gate(outcome) is not None for outcome in outcomes):
            return submission
    return None


def _behind(plan: PipelinePlan, name: str | None) -> set[str]:
    """The names of the nodes that wait for those of one name, directly or not."""
    ids = {node.id for node in plan.nodes if node.sql_name == name}
    behind = set[str]()
    for node in plan.nodes:
        if not ids.isdisjoint(node.dependencies):
            ids.add(node.id)
            behind.add(node.sql_name)
    return behind


def _refuse_past(
    key: dg.AssetCheckKey,
    gate: DuneCheck,
    plan: PipelinePlan,
    assets: DuneAssetSet,
    history: GateHistory,
    hear: Hear,
) -> None:
    graph = assets.catalog.graph.with_deps(assets.deps_by_name)
    selection = set(assets.selection)
    readers = [
        name
        for name in dict.fromkeys(node.sql_name for node in plan.nodes if not node.check)
        if gate.asset in set.union(*graph.walk(name, selection.__contains__))
    ]
    if not readers:
        return
    answer = history.last_answer(key, history.family)
    said_no_in = answer.run_id if answer and not answer.passed else None
    if said_no_in is None:
        nodes = _alone(gate, assets, history)
        unheard = _unheard_no(nodes, history, key, history.family, hear) if nodes else None
        said_no_in = unheard.run_id if unheard else None
    if said_no_in:
        raise DunePlanError(
            f"The gate {gate.name} of {gate.asset} said no in run {said_no_in}, and this run repeats what it held "
            f"back without asking it again: {', '.join(readers)}. Nothing was sent.",
            hint="Select the gate as well, with its asset if that is to be made anew.",
        )


def _alone(gate: DuneCheck, assets: DuneAssetSet, history: GateHistory) -> PipelinePlan | None:
    """The nodes of a gate as any attempt of the family may have sent them; None where its partitions are not known."""
    try:
        partitions = {gate.asset: next(iter(assets.partitions.values()), ())}
        plan = plan_pipeline(assets.catalog, {}, checks=[gate], partitions=partitions)
    except DunePlanError:
        return None
    nodes = [replace(node, anew_after=run_id) for run_id in ("", *history.family) for node in plan.nodes]
    return PipelinePlan(tuple(replace(node, id=number) for number, node in enumerate(nodes, start=1)))


def _with_identities(
    plan: PipelinePlan, checks: Mapping[dg.AssetCheckKey, DuneCheck], history: GateHistory
) -> PipelinePlan:
    """Give what a blocking check has said no of another identity, so that by hand it runs anew, and together.

    That is the check, its asset, and whatever else checks or reads the rows that the asset had. The attempts of one
    generation share what they run, so that each has the identity of what that has sent.
    """
    noes = history.noes(*checks)
    rank = {run_id: place for place, run_id in enumerate(["", *reversed(noes)])}
    identities: dict[str, str] = {}
    for key, check in checks.items():
        own = [name for name in (check.sql_name, check.asset) if name]
        nodes = [node for node in plan.nodes if node.sql_name == (check.sql_name or check.asset)]
        sent = (
            run_id
            for run_id in (*noes, "")
            if history.has_sent(key, [replace(node, anew_after=run_id).digest for node in nodes])
        )
        latest = next(iter(history.noes(key)), "")
        run_id = next(sent, latest)
        for name in {*own, *_behind(plan, check.sql_name), *_behind(plan, check.asset)}:
            identities[name] = max(identities.get(name, ""), run_id, key=rank.__getitem__)
    return PipelinePlan(tuple(replace(node, anew_after=identities.get(node.sql_name, "")) for node in plan.nodes))


def _without(plan: PipelinePlan, names: set[str]) -> tuple[PlannedNode, ...]:
    kept = [node for node in plan.nodes if node.sql_name not in names]
    return plan.renumbered({node.id: number for number, node in enumerate(kept, start=1)}).nodes


def _is_held_back(node: PlannedNode, plan: PipelinePlan, closed: set[str]) -> bool:
    return any(
        node.sql_name in _behind(plan, gate.sql_name)
        for gate in plan.nodes
        if gate.check and gate.check.label in closed
    )


def _held_back(node: PlannedNode, closed: set[str]) -> Outcome:
    names = tuple(sorted(closed))
    return Outcome(
        node,
        Result.SKIPPED,
        Phase.WAITING,
        reason=f"Not started, because {', '.join(names)} said no.",
        blocked_by=names,
    )
