"""What an attempt may run once a gate has said no before it.

An automatic retry asks no gate again: it runs neither the gate's asset, nor the gate, nor what the gate held back, and
fails as the attempt before it did. Who tries again by hand wants all of these anew. What reads the asset is never run
without the gate while the gate's latest answer is no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dagster as dg

from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.catalog.checks import DuneCheck, gate_answer
from dagster_dune.errors import DunePlanError
from dagster_dune.pipeline.plan import PipelinePlan, PlannedNode
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import Phase

RETRY_NUMBER_TAG = "dagster/retry_number"


@dataclass(frozen=True)
class Ruling:
    """What gates leave of a plan.

    Attributes:
        plan: What may be taken over or sent.
        held_back: What the gates that said no hold back still.
        closed: By the name of each of these gates, what it said.
    """

    plan: PipelinePlan
    held_back: tuple[Outcome, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()


def ruling(instance: dg.DagsterInstance, run_id: str, assets: DuneAssetSet, plan: PipelinePlan) -> Ruling:
    """Decide what an attempt may run of a plan, from what the gates have said in its run and in those it repeats.

    Args:
        instance: Where the runs are stored.
        run_id: The attempt's run.
        assets: What its definition holds.
        plan: What it is to run.

    Raises:
        DunePlanError: It is to run what a gate held back, without the gate.
    """
    gates = {key: check for key, check in assets.checks.items() if check.is_gate}
    if not gates:
        return Ruling(plan)
    history = _History.of(instance, run_id)
    in_plan = {node.check.label for node in plan.nodes if node.check}
    closed: dict[str, str] = {}
    removed = set[str]()
    for key, gate in gates.items():
        if gate.label not in in_plan:
            _refuse_past(gate, plan, assets, history.last_answer(key, history.all))
            continue
        now = history.last_answer(key, history.since_by_hand)
        if now is not None and not now.passed:
            closed[gate.label] = f"It said no in run {now.run_id}, and an automatic retry does not ask again."
            removed |= {gate.sql_name or "", gate.asset, *_behind(plan, gate)}
            continue
        before = history.last_answer(key, history.before)
        if before is not None and not before.passed:
            plan = _anew(plan, {gate.sql_name or "", gate.asset, *_behind(plan, gate)}, before.run_id)
    if not removed:
        return Ruling(plan)
    return Ruling(
        PipelinePlan(_without(plan, removed)),
        tuple(_held_back(node, closed) for node in plan.nodes if _is_held_back(node, plan, closed)),
        tuple(closed.items()),
    )


def is_answer(outcome: Outcome, closed: set[str]) -> bool:
    """Whether a node that did not succeed is none to send again: a gate that said no, or what such a gate holds back.

    Args:
        outcome: How the node ended.
        closed: The names of the gates that have said no so far; this one's is added.
    """
    check = outcome.node.check
    if check and check.is_gate and outcome.result is Result.FAILED and gate_answer(outcome.reason) is not None:
        closed.add(outcome.node.label)
        return True
    return not closed.isdisjoint(outcome.blocked_by)


@dataclass(frozen=True)
class _Answer:
    run_id: str
    passed: bool


class _History:
    """What the gates of a definition have said, in a run and in those that it repeats.

    Attributes:
        since_by_hand: The runs from this one back to the last that somebody has launched by hand, the newest first.
        before: Those before them.
    """

    def __init__(self, instance: dg.DagsterInstance, since_by_hand: Sequence[str], before: Sequence[str]) -> None:
        self._instance = instance
        self._evaluations: dict[str, dict[dg.AssetCheckKey, bool]] = {}
        self.since_by_hand = since_by_hand
        self.before = before

    @classmethod
    def of(cls, instance: dg.DagsterInstance, run_id: str) -> _History:
        since_by_hand, before = [run_id], list[str]()
        run = instance.get_run_by_id(run_id)
        runs = since_by_hand
        while run is not None and run.parent_run_id is not None:
            parent = instance.get_run_by_id(run.parent_run_id)
            if parent is None or parent.is_success:
                break
            if not _is_automatic(run, parent):
                runs = before
            runs.append(parent.run_id)
            run = parent
        return cls(instance, since_by_hand, before)

    @property
    def all(self) -> list[str]:
        """Every run, the newest first."""
        return [*self.since_by_hand, *self.before]

    def last_answer(self, key: dg.AssetCheckKey, runs: Sequence[str]) -> _Answer | None:
        for run_id in runs:
            passed = self._of_run(run_id).get(key)
            if passed is not None:
                return _Answer(run_id, passed)
        return None

    def _of_run(self, run_id: str) -> dict[dg.AssetCheckKey, bool]:
        if run_id not in self._evaluations:
            records = self._instance.get_records_for_run(
                run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, ascending=True
            ).records
            events = [record.event_log_entry.dagster_event for record in records]
            evaluations = [event.asset_check_evaluation_data for event in events if event is not None]
            self._evaluations[run_id] = {evaluation.asset_check_key: evaluation.passed for evaluation in evaluations}
        return self._evaluations[run_id]


def _is_automatic(run: dg.DagsterRun, parent: dg.DagsterRun) -> bool:
    """Whether nobody has asked for a run that repeats another: the tag is inherited by those that somebody launches."""
    number = run.tags.get(RETRY_NUMBER_TAG)
    return number is not None and number != parent.tags.get(RETRY_NUMBER_TAG)


def _behind(plan: PipelinePlan, gate: DuneCheck) -> set[str]:
    """The names of the nodes that wait for a gate, directly or not."""
    ids = {node.id for node in plan.nodes if node.sql_name == gate.sql_name}
    behind = set[str]()
    for node in plan.nodes:
        if not ids.isdisjoint(node.dependencies):
            ids.add(node.id)
            behind.add(node.sql_name)
    return behind


def _refuse_past(gate: DuneCheck, plan: PipelinePlan, assets: DuneAssetSet, answer: _Answer | None) -> None:
    if answer is None or answer.passed:
        return
    graph = assets.catalog.graph.with_deps(assets.deps_by_name)
    selection = set(assets.selection)
    readers = [
        node.sql_name
        for node in plan.nodes
        if not node.check and gate.asset in set.union(*graph.walk(node.sql_name, selection.__contains__))
    ]
    if readers:
        raise DunePlanError(
            f"The gate {gate.name} of {gate.asset} said no in run {answer.run_id}, and this run repeats what it held "
            f"back without asking it again: {', '.join(readers)}. Nothing was sent.",
            hint="Select the gate as well, with its asset if that is to be made anew.",
        )


def _anew(plan: PipelinePlan, names: set[str], run_id: str) -> PipelinePlan:
    """Give nodes another identity than they had up to the answer of a run, so that nothing of them is taken over."""
    return PipelinePlan(
        tuple(replace(node, anew_after=run_id) if node.sql_name in names else node for node in plan.nodes)
    )


def _without(plan: PipelinePlan, names: set[str]) -> tuple[PlannedNode, ...]:
    kept = [node for node in plan.nodes if node.sql_name not in names]
    return plan.renumbered({node.id: number for number, node in enumerate(kept, start=1)}).nodes


def _is_held_back(node: PlannedNode, plan: PipelinePlan, closed: dict[str, str]) -> bool:
    return any(node.sql_name in _behind(plan, gate.check) for gate in plan.nodes if gate.check and gate.label in closed)


def _held_back(node: PlannedNode, closed: dict[str, str]) -> Outcome:
    names = tuple(sorted(closed))
    return Outcome(
        node,
        Result.SKIPPED,
        Phase.WAITING,
        reason=f"Not started, because {', '.join(names)} said no.",
        blocked_by=names,
    )
