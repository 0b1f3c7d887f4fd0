"""From Dune's status answers to one outcome a node. Pure: answers go in, outcomes come out.

A node settles once. It has succeeded or failed as soon as Dune says so. It is skipped once nothing can start it any
more: the pipeline has ended, and something upstream of it failed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

from dagster_dune.api.models import ExecutionStatus, NodeExecution, PipelineStatus
from dagster_dune.catalog.names import normalised_name, query_name
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.states import Phase, phase_of

# Assumption: late-nodes.
ANSWERS_AFTER_END = 3
"""How many answers in a row may leave a node open after the pipeline has ended, before we stop waiting for its word."""


class Result(Enum):
    """How a node ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """How one node of a pipeline ended.

    Attributes:
        node: The node.
        result: How it ended.
        phase: What Dune's last word about it means.
        execution_id: Its execution; None where it never started.
        reason: Why it failed or was skipped, in Dune's words where it said so. Where a pipeline ends without a word of
            the node, these are of the pipeline, and tell of another node.
        error: What Dune said of the node itself; empty where it said nothing.
        blocked_by: The names of the failed nodes that kept a skipped one from starting.
        details: What its execution read, made and cost; None where that is not known.
        details_missing: Why there are no details.
    """

    node: PlannedNode
    result: Result
    phase: Phase
    execution_id: str | None = None
    reason: str = ""
    error: str = ""
    blocked_by: tuple[str, ...] = ()
    details: ExecutionStatus | None = None
    details_missing: str = ""


@dataclass(frozen=True)
class _Seen:
    """The last word about a node."""

    word: str | None = None
    error: str | None = None
    execution_id: str | None = None
    phase: Phase = Phase.WAITING

    @property
    def started(self) -> bool:
        return self.phase is not Phase.WAITING or self.execution_id is not None


class Settlement:
    """What is known of one pipeline's nodes, from the first status answer to the last outcome.

    Args:
        plan: The nodes that are wanted.
        size: How many nodes the pipeline has, those that nobody here wants among them; those of the plan if None.

    Attributes:
        changed: Whether the last answer brought anything new.
        unknown_words: Status words that we do not know, each with the name of the first node that had it.
    """

    def __init__(self, plan: PipelinePlan, size: int | None = None) -> None:
        self.plan = plan
        self._size = len(plan.nodes) if size is None else size
        self.changed = False
        self.unknown_words: dict[str, str] = {}
        self._seen = {node.id: _Seen() for node in plan.nodes}
        self._outcomes: dict[int, Outcome] = {}
        self._over = False
        self._pipeline_error = ""
        self._idle_answers_since_over = 0
        self._beside: tuple[NodeExecution, ...] = ()
        self._ids_by_name: dict[str, list[int]] = {}
        for node in plan.nodes:
            name = normalised_name(node.sql_name)
            # Dune takes, and may write, a matview's name without its team.
            for known_as in {name, name.rpartition(".")[2]}:
                self._ids_by_name.setdefault(known_as, []).append(node.id)

    @property
    def done(self) -> bool:
        """Whether every node has settled."""
        return len(self._outcomes) == len(self.plan.nodes)

    @property
    def open_nodes(self) -> list[PlannedNode]:
        """The nodes that have not settled."""
        return [node for node in self.plan.nodes if node.id not in self._outcomes]

    @property
    def running(self) -> list[tuple[PlannedNode, str]]:
        """The open nodes that have an execution, each with its id."""
        return [(node, seen.execution_id) for node in self.open_nodes if (seen := self._seen[node.id]).execution_id]

    @property
    def executing(self) -> list[PlannedNode]:
        """The open nodes that Dune says are executing."""
        return [node for node in self.open_nodes if self._seen[node.id].phase is Phase.RUNNING]

    @property
    def queued(self) -> list[PlannedNode]:
        """The open nodes that are not executing yet, or of which Dune says something that we do not know."""
        return [node for node in self.open_nodes if self._seen[node.id].phase is not Phase.RUNNING]

    @property
    def is_over(self) -> bool:
        """Whether Dune has said that the pipeline has ended."""
        return self._over

    @property
    def beside(self) -> tuple[NodeExecution, ...]:
        """What Dune's last answer says of nodes that are none of the plan's."""
        return self._beside

    @property
    def unlisted(self) -> int:
        """How many nodes the pipeline has beside those of the plan, and those that Dune's last answer lists."""
        return max(0, self._size - len(self.plan.nodes) - len(self._beside))

    def update(self, status: PipelineStatus) -> list[Outcome]:
        """Take in one status answer.

        Returns:
            The outcomes of the nodes that settled by it, in the plan's order.
        """
        before = (self._over, dict(self._seen))
        # Assumption: null-nodes.
        names = [_reported_name(execution) for execution in status.node_executions]
        repeats = Counter(names)
        ids = [
            self._node_id(execution.id, name, repeats)
            for execution, name in zip(status.node_executions, names, strict=True)
        ]
        for execution, node_id in zip(status.node_executions, ids, strict=True):
            self._observe(execution, node_id)
        self._beside = tuple(e for e, node_id in zip(status.node_executions, ids, strict=True) if node_id is None)
        self._over = self._over or phase_of(status.status, status.error).has_ended
        self._pipeline_error = status.error or self._pipeline_error
        self.changed = before != (self._over, self._seen)
        self._idle_answers_since_over = self._idle_answers_since_over + 1 if self._over and not self.changed else 0
        return self._settle()

    def doubtful(self) -> list[tuple[PlannedNode, str]]:
        """The open nodes whose own execution should be asked, each with its execution id.

        These have a word that we do not know, or still run by their last word although the pipeline has ended.
        """
        return [
            (node, execution_id)
            for node, execution_id in self.running
            if self._seen[node.id].phase is Phase.UNKNOWN or self._gives_up
        ]

    def tell(self, node: PlannedNode, execution: ExecutionStatus) -> list[Outcome]:
        """Take in what the execution of a doubtful node says of itself.

        Returns:
            The outcomes of the nodes that settled by it, in the plan's order.
        """
        message = execution.error.message if execution.error else None
        phase = phase_of(execution.state, message)  # what has ended in an unknown state may have succeeded
        if phase.has_ended:
            self.changed = True
            self._seen[node.id] = replace(self._seen[node.id], word=execution.state, error=message, phase=phase)
        return self._settle()

    def _observe(self, execution: NodeExecution, node_id: int | None) -> None:
        progress = execution.progress
        if progress is None or node_id is None or self._seen[node_id].phase.has_ended:
            return
        phase = phase_of(progress.status, progress.error)
        if phase is Phase.UNKNOWN:
            self.unknown_words.setdefault(progress.status or "", self.plan.by_id[node_id].label)
        execution_id = progress.execution_id or self._seen[node_id].execution_id
        self._seen[node_id] = _Seen(progress.status, progress.error, execution_id, phase)

    def _node_id(self, reported_id: int, name: str | None, repeats: Counter[str | None]) -> int | None:
        """Find whose status this is: the id decides, unless the name that stands beside it is another node's.

        A name alone decides only where it can be one node's: partitions of one query are nodes of one name, and those
        of the pipeline that are not wanted here have names too.
        """
        # Assumption: node-ids.
        planned = self.plan.by_id.get(reported_id)
        named = self._ids_by_name.get(name or "", [])
        if planned and (not named or planned.id in named):
            return planned.id
        if len(named) != 1 or repeats[name] > 1:
            return None
        is_listed_whole = repeats.total() >= self._size
        return named[0] if is_listed_whole or self.plan.by_id[named[0]].partition is None else None

    @property
    def _gives_up(self) -> bool:
        return self._idle_answers_since_over >= ANSWERS_AFTER_END

    def _settle(self) -> list[Outcome]:
        already = set(self._outcomes)
        for node in self.open_nodes:
            if self._seen[node.id].phase.has_ended:
                self._outcomes[node.id] = self._ended(node)
        if self._over or self._nothing_can_start():
            self._close()
        new = self._outcomes.keys() - already
        return [self._outcomes[node.id] for node in self.plan.nodes if node.id in new]

    def _ended(self, node: PlannedNode) -> Outcome:
        seen = self._seen[node.id]
        if seen.phase.is_success:
            return Outcome(node, Result.SUCCEEDED, seen.phase, seen.execution_id)
        reason = seen.error or {
            Phase.CANCELED: "The execution was cancelled on Dune.",
            Phase.EXPIRED: "The execution expired on Dune.",
        }.get(seen.phase, f"Dune says {seen.word!r} and gives no reason.")
        return Outcome(node, Result.FAILED, seen.phase, seen.execution_id, reason, error=seen.error or "")

    # Assumption: failure-stops-dependents.
    def _nothing_can_start(self) -> bool:
        """Whether every open node waits behind a failed one."""
        failed = {id_ for id_, outcome in self._outcomes.items() if outcome.result is not Result.SUCCEEDED}
        for node in self.open_nodes:
            if self._seen[node.id].started or failed.isdisjoint(node.dependencies):
                return False
            failed.add(node.id)
        return True

    def _close(self) -> None:
        """Settle what an ended pipeline leaves open: what is blocked at once, the rest when patience has run out."""
        anything_runs = any(self._seen[node.id].execution_id for node in self.open_nodes)
        for node in self.open_nodes:
            blockers = self._blockers(node)
            seen = self._seen[node.id]
            # Assumption: blocked-nodes.
            if blockers and not seen.started:
                reason = f"Not started, because {', '.join(blockers)} failed."
                outcome = Outcome(node, Result.SKIPPED, seen.phase, reason=reason, blocked_by=blockers)
            elif self._gives_up and not anything_runs:
                outcome = Outcome(node, Result.FAILED, seen.phase, reason=self._left_open(seen))
            else:
                continue
            self._outcomes[node.id] = outcome

    def _blockers(self, node: PlannedNode) -> tuple[str, ...]:
        """The failed nodes that a node waits for in vain, through skipped ones in between."""
        names = set[str]()
        for dependency in node.dependencies:
            outcome = self._outcomes.get(dependency)
            if outcome and outcome.result is Result.FAILED:
                names.add(outcome.node.label)
            elif outcome:
                names.update(outcome.blocked_by)
        return tuple(sorted(names))

    def _left_open(self, seen: _Seen) -> str:
        last = f"its last word on it was {seen.word!r}" if seen.word else "it never said a word about it"
        because = f": {self._pipeline_error}" if self._pipeline_error else "."
        return f"Dune ended the pipeline without running this node ({last}){because}"


def _reported_name(execution: NodeExecution) -> str | None:
    if matview := execution.materialized_view_refresh_status:
        return normalised_name(matview.name) if matview.name else None
    query = execution.query_execution_status
    return query_name(query.query_id) if query and query.query_id else None
