"""What an attempt may run once a gate has said no before it.

An automatic retry asks no gate again: it runs neither the gate's asset, nor the gate, nor what the gate held back, and
fails as the attempt before it did. Who tries again by hand wants all of these anew, and so what another blocking check
has said no of. What reads the asset is never run without the gate while the gate's latest answer is no.

All of this is of nodes, as the plan's dependencies have them: what a gate has said of one partition is nothing to what
waits for its answers to others.
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
    """Follows nodes of a pipeline to their ends, and tells nothing of them.

    Those that the attempt has not selected are not its own: nothing that it suffers cancels them.
    """

    def __call__(self, plan: PipelinePlan, submission: Submission, *, is_own: bool = True) -> Iterator[Outcome]: ...


@dataclass(frozen=True)
class GatedPlan:
    """What gates leave of a plan.

    Attributes:
        plan: What may be taken over or sent.
        whole: The plan itself, whose nodes have got another identity where they must run anew.
        held_back: What the gates that said no hold back still.
        closed: The gates' nodes that an earlier attempt has told a no of, each with the run that did.
        taken_over: What a gate has said on Dune, and no attempt has lived to tell: nodes that are told, and not sent.
        left_alone: Nodes of assets that such gates said no of: they neither run in this attempt nor are told of.
    """

    plan: PipelinePlan
    whole: PipelinePlan
    held_back: tuple[Outcome, ...] = ()
    closed: tuple[tuple[PlannedNode, str], ...] = ()
    taken_over: tuple[tuple[Submission, frozenset[str]], ...] = ()
    left_alone: tuple[PlannedNode, ...] = ()


def gated_plan(
    instance: dg.DagsterInstance,
    run_id: str,
    assets: DuneAssetSet,
    plan: PipelinePlan,
    read: ReadOutcomes,
    *,
    resume: bool,
) -> GatedPlan:
    """Decide what an attempt may run of a plan, from what the gates have said in the group of its run.

    Args:
        instance: Where the runs are stored.
        run_id: The attempt's run.
        assets: What its definition holds.
        plan: What it is to run.
        read: Asks Dune for an answer that no attempt has lived to tell.
        resume: Whether attempts that resume take over what has ended, and so hear by themselves what was not told.

    Raises:
        DunePlanError: It is to run what a gate held back, without the gate.
    """
    blocking = {key: check for key, check in assets.checks.items() if check.blocking}
    gates = {key: check for key, check in blocking.items() if check.is_gate}
    if not gates and blocking.keys().isdisjoint(assets.selected_checks):
        return GatedPlan(plan, plan)
    history = GateHistory.of(instance, run_id, assets.definition)
    in_plan = {node.check.label for node in plan.nodes if node.check}
    for key, gate in gates.items():
        if gate.label not in in_plan:
            _refuse_past(key, gate, plan, assets, history, read)
    asked = {key: check for key, check in blocking.items() if check.label in in_plan or key in assets.selected_checks}
    plan = _with_identities(plan, asked, history)
    closed: dict[int, str] = {}
    untold: dict[int, Submission] = {}
    for key, gate in gates.items():
        nodes = [node for node in plan.nodes if node.sql_name == gate.sql_name]
        answers = {node.id: history.last_answer(key, node.partition, history.launch) for node in nodes}
        closed |= {id_: answer.run_id for id_, answer in answers.items() if answer and not answer.passed}
        if history.is_automatic and not (resume and history.resumes):
            rest = [node for node in nodes if node.id not in closed]
            untold |= _untold_refusals(rest, history, key, history.launch, read)
    return _gated(plan, closed, untold)


def _gated(plan: PipelinePlan, closed: Mapping[int, str], untold: Mapping[int, Submission]) -> GatedPlan:
    """Leave out of a plan what gates have said no of.

    Args:
        plan: The plan.
        closed: By the id of a gate's node, the run that has told its no.
        untold: By the id of a gate's node, the submission whose no nobody has told.
    """
    removed = set[int]()
    blockers: dict[int, list[str]] = {}
    taken_over: dict[str, tuple[Submission, set[str]]] = {}
    told = set[str]()
    for id_ in sorted({*closed, *untold}):
        gate = plan.by_id[id_]
        behind = plan.downstream({id_})
        nodes = {id_, *_checked(plan, gate), *behind}
        removed |= nodes
        for held in behind - closed.keys():
            blockers.setdefault(held, []).append(gate.label)
        if submission := untold.get(id_):
            digests = {plan.by_id[node].digest for node in nodes} & submission.node_ids.keys()
            taken_over.setdefault(submission.id, (submission, set()))[1].update(digests - told)
            told |= digests
    told_of = {node.id for node in plan.nodes if node.digest in told}
    return GatedPlan(
        plan=plan.without(removed) if removed else plan,
        whole=plan,
        held_back=tuple(
            _held_back(node, blockers[node.id]) for node in plan.nodes if node.id in blockers.keys() - told_of
        ),
        closed=tuple((plan.by_id[id_], run_id) for id_, run_id in closed.items()),
        taken_over=tuple((submission, frozenset(digests)) for submission, digests in taken_over.values() if digests),
        left_alone=tuple(
            node for node in plan.nodes if node.id in removed - blockers.keys() - told_of and not node.check
        ),
    )


def is_answer(outcome: Outcome, closed: set[str]) -> bool:
    """Whether a node that did not succeed is none to send again: a gate that said no, or what such a gate holds back.

    Args:
        outcome: How the node ended.
        closed: The names of the gates that have said no so far; this one's is added.
    """
    if gate_refusal(outcome) is not None:
        closed.add(outcome.node.label)
        return True
    return not closed.isdisjoint(outcome.blocked_by)


def _untold_refusals(
    nodes: Iterable[PlannedNode], history: GateHistory, key: dg.AssetCheckKey, runs: frozenset[str], read: ReadOutcomes
) -> dict[int, Submission]:
    """By the ids of a gate's nodes, the latest submission in which it said no of them, though nobody has told it.

    A pipeline is asked once for all of them.
    """
    asked: dict[str, tuple[Submission, list[PlannedNode]]] = {}
    for node in nodes:
        for submission in history.untold(key, node, runs):
            asked.setdefault(submission.id, (submission, []))[1].append(node)
    found: dict[int, Submission] = {}
    for submission, of_it in sorted(asked.values(), key=lambda one: history.order_of(one[0]), reverse=True):
        ids = {submission.node_ids[node.digest]: node.id for node in of_it if node.id not in found}
        if not ids:
            continue
        plan = PipelinePlan(tuple(of_it)).renumbered({id_: id_there for id_there, id_ in ids.items()})
        for outcome in read(plan, submission):
            if gate_refusal(outcome) is not None:
                found[ids[outcome.node.id]] = submission
    return found


def _checked(plan: PipelinePlan, node: PlannedNode) -> set[int]:
    """The nodes of its asset that a check's node is of; none where it is the asset's own."""
    asset = node.check.asset if node.check else None
    return {id_ for id_ in node.dependencies if plan.by_id[id_].sql_name == asset}


def _refuse_past(
    key: dg.AssetCheckKey,
    gate: DuneCheck,
    plan: PipelinePlan,
    assets: DuneAssetSet,
    history: GateHistory,
    read: ReadOutcomes,
) -> None:
    graph = assets.catalog.graph.with_deps(assets.deps_by_name)
    selection = set(assets.selection)
    names = {
        name
        for name in {node.sql_name for node in plan.nodes if not node.check}
        if gate.asset in set.union(*graph.walk(name, selection.__contains__))
    }
    readers = [node for node in plan.nodes if node.sql_name in names]
    answers = {node.label: history.last_answer(key, node.partition, history.runs) for node in readers}
    past = {label: answer.run_id for label, answer in answers.items() if answer and not answer.passed}
    if readers and not past:
        asked = _alone(gate, assets, history)
        waited_for = partial(read, is_own=False)
        refusals = _untold_refusals(asked.values(), history, key, history.runs, waited_for)
        past = {
            reader.label: submission.run_id
            for id_, submission in refusals.items()
            for reader in readers
            if asked[id_].meets(reader.partition)
        }
    if past:
        raise DunePlanError(
            f"The gate {gate.name} of {gate.asset} said no in run {', '.join(dict.fromkeys(past.values()))}, and this "
            f"run repeats what it held back without asking it again: {', '.join(past)}. Nothing was sent.",
            hint="Select the gate as well, with its asset if that is to be made anew.",
        )


def _alone(gate: DuneCheck, assets: DuneAssetSet, history: GateHistory) -> dict[int, PlannedNode]:
    """The nodes of a gate as any attempt of the group may have sent them; none where its partitions are not known."""
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
    """Give what a blocking check has said no of another identity, so that by hand it runs anew, and together.

    That is the check's node, those of its asset, and whatever else checks or reads the rows that these had. The
    attempts of one launch share what they run, so that each has the identity of what that has sent.
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
        own = {node.id, *_checked(plan, node)}
        for id_ in own | plan.downstream(own):
            identities[id_] = max(identities.get(id_, ""), run_id, key=rank.__getitem__)
    return PipelinePlan(tuple(replace(node, anew_after=identities.get(node.id, "")) for node in plan.nodes))


def _held_back(node: PlannedNode, gates: Iterable[str]) -> Outcome:
    names = tuple(sorted(gates))
    return Outcome(
        node,
        Result.SKIPPED,
        Phase.WAITING,
        reason=f"Not started, because {', '.join(names)} said no.",
        blocked_by=names,
    )
