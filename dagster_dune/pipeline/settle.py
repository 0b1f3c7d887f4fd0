"""Turns Dune's status answers into one outcome for each node. Nothing is read or sent from here.

A node settles once. It has succeeded or failed as soon as Dune says so. It is skipped once it cannot start any more:
the pipeline has ended, and a node upstream of it has failed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

from dagster_dune.api.models import ExecutionStatus, NodeExecution, PipelineStatus
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.reported_names import is_of_another, names_of, reported_name
from dagster_dune.pipeline.states import Phase, phase_of

# Assumption: late-nodes.
ANSWERS_AFTER_END = 3
"""After so many unchanged answers since the end of the pipeline, open nodes are no longer waited for."""


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
        phase: The phase of Dune's last status of the node.
        execution_id: Its execution; None if it never started.
        reason: Why it failed or was skipped, with Dune's error message if there is one. If a pipeline ends without a
            status of the node, this is the error of the pipeline, which is about another node.
        error: Dune's error message for the node itself; empty if there is none.
        blocked_by: The names of the failed nodes that kept a skipped node from starting.
        details: The status of its execution, with rows, columns and credits; None if it is not known.
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
class _NodeStatus:
    """The last status of a node."""

    word: str | None = None
    error: str | None = None
    execution_id: str | None = None
    phase: Phase = Phase.WAITING

    @property
    def started(self) -> bool:
        return self.phase is not Phase.WAITING or self.execution_id is not None


class Settlement:
    """The state of the nodes of one pipeline, from the first status answer to the last outcome.

    Args:
        plan: The nodes that are followed.
        size: How many nodes the pipeline has, including those that are not followed; as many as the plan if None.

    Attributes:
        changed: Whether the last answer changed anything.
        unknown_statuses: Unknown status words, each with the label of the first node that had it.
        replaced: By the label of a planned query, the query outside the plan in its place in the last answer, if that
            answer does not name the planned query at all: then it is the answer of another pipeline.
    """

    def __init__(self, plan: PipelinePlan, size: int | None = None) -> None:
        self.plan = plan
        self._size = len(plan.nodes) if size is None else size
        self.changed = False
        self.unknown_statuses: dict[str, str] = {}
        self.replaced: dict[str, str] = {}
        self._statuses = {node.id: _NodeStatus() for node in plan.nodes}
        self._outcomes: dict[int, Outcome] = {}
        self._over = False
        self._pipeline_error = ""
        self._idle_answers_since_over = 0
        self._other_executions: tuple[NodeExecution, ...] = ()
        self._ids_by_name: dict[str, list[int]] = {}
        for node in plan.nodes:
            for known_as in names_of(node):
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
        return [
            (node, status.execution_id) for node in self.open_nodes if (status := self._statuses[node.id]).execution_id
        ]

    @property
    def executing(self) -> list[PlannedNode]:
        """The open nodes that Dune says are executing."""
        return [node for node in self.open_nodes if self._statuses[node.id].phase is Phase.RUNNING]

    @property
    def queued(self) -> list[PlannedNode]:
        """The open nodes that are not executing yet, or that have an unknown status."""
        return [node for node in self.open_nodes if self._statuses[node.id].phase is not Phase.RUNNING]

    @property
    def is_over(self) -> bool:
        """Whether Dune has said that the pipeline has ended."""
        return self._over

    @property
    def other_executions(self) -> tuple[NodeExecution, ...]:
        """The nodes in Dune's last answer that are not in the plan."""
        return self._other_executions

    @property
    def unlisted(self) -> int:
        """How many nodes of the pipeline are neither in the plan nor in Dune's last answer."""
        return max(0, self._size - len(self.plan.nodes) - len(self._other_executions))

    def update(self, status: PipelineStatus) -> list[Outcome]:
        """Update the state from one status answer.

        Returns:
            The outcomes of the nodes that settled by it, in the plan's order.
        """
        before = (self._over, dict(self._statuses))
        # Assumption: null-nodes.
        names = [reported_name(execution) for execution in status.node_executions]
        repeats = Counter(names)
        ids = [
            self._node_id(execution.id, name, repeats)
            for execution, name in zip(status.node_executions, names, strict=True)
        ]
        for execution, node_id in zip(status.node_executions, ids, strict=True):
            self._observe(execution, node_id)
        self.replaced = {
            planned.label: name
            for execution, name in zip(status.node_executions, names, strict=True)
            if (planned := self.plan.by_id.get(execution.id))
            and name
            and self._is_unplanned_query(execution, name)
            and is_of_another(name, planned)
            and repeats.keys().isdisjoint(names_of(planned))
        }
        executions = zip(status.node_executions, ids, strict=True)
        self._other_executions = tuple(execution for execution, node_id in executions if node_id is None)
        self._over = self._over or phase_of(status.status, status.error).has_ended
        self._pipeline_error = status.error or self._pipeline_error
        self.changed = before != (self._over, self._statuses)
        self._idle_answers_since_over = self._idle_answers_since_over + 1 if self._over and not self.changed else 0
        return self._settle()

    def doubtful(self) -> list[tuple[PlannedNode, str]]:
        """Return the open nodes whose own execution should be read, each with its execution id.

        They have an unknown status, or one that says that they still run although the pipeline has ended.
        """
        return [
            (node, execution_id)
            for node, execution_id in self.running
            if self._statuses[node.id].phase is Phase.UNKNOWN or self._is_given_up
        ]

    def update_node(self, node: PlannedNode, execution: ExecutionStatus) -> list[Outcome]:
        """Update the state of a doubtful node from the status of its execution.

        Returns:
            The outcomes of the nodes that settled by it, in the plan's order.
        """
        message = execution.error.message if execution.error else None
        phase = phase_of(execution.state, message)  # an execution that ended in an unknown state may have succeeded
        if phase.has_ended:
            self.changed = True
            self._statuses[node.id] = replace(self._statuses[node.id], word=execution.state, error=message, phase=phase)
        return self._settle()

    def _is_unplanned_query(self, execution: NodeExecution, name: str) -> bool:
        """Whether a reported node is a query outside the plan: in the pipeline that was sent, ids may be Dune's own."""
        return execution.query_execution_status is not None and name not in self._ids_by_name

    def _observe(self, execution: NodeExecution, node_id: int | None) -> None:
        progress = execution.progress
        if progress is None or node_id is None or self._statuses[node_id].phase.has_ended:
            return
        phase = phase_of(progress.status, progress.error)
        if phase is Phase.UNKNOWN:
            self.unknown_statuses.setdefault(progress.status or "", self.plan.by_id[node_id].label)
        execution_id = progress.execution_id or self._statuses[node_id].execution_id
        self._statuses[node_id] = _NodeStatus(progress.status, progress.error, execution_id, phase)

    def _node_id(self, reported_id: int, name: str | None, repeats: Counter[str | None]) -> int | None:
        """Return the id of the planned node that a reported node is; None if it is not in the plan, or not clear.

        The reported id decides, unless the reported name is that of another node. A name alone decides only if just one
        node can have it: partitions of one query share a name, also with nodes of the pipeline outside the plan.
        """
        # Assumption: node-ids.
        planned = self.plan.by_id.get(reported_id)
        named = self._ids_by_name.get(name or "", [])
        if planned and (planned.id in named or (not named and not is_of_another(name, planned))):
            return planned.id
        if len(named) != 1 or repeats[name] > 1:
            return None
        are_all_listed = repeats.total() >= self._size
        return named[0] if are_all_listed or self.plan.by_id[named[0]].partition is None else None

    @property
    def _is_given_up(self) -> bool:
        return self._idle_answers_since_over >= ANSWERS_AFTER_END

    def _settle(self) -> list[Outcome]:
        already = set(self._outcomes)
        for node in self.open_nodes:
            if self._statuses[node.id].phase.has_ended:
                self._outcomes[node.id] = self._ended(node)
        if self._over or self._nothing_can_start():
            self._close()
        new = self._outcomes.keys() - already
        return [self._outcomes[node.id] for node in self.plan.nodes if node.id in new]

    def _ended(self, node: PlannedNode) -> Outcome:
        status = self._statuses[node.id]
        if status.phase.is_success:
            return Outcome(node, Result.SUCCEEDED, status.phase, status.execution_id)
        reason = status.error or {
            Phase.CANCELED: "The execution was cancelled on Dune.",
            Phase.EXPIRED: "The execution expired on Dune.",
        }.get(status.phase, f"Dune says {status.word!r} and gives no reason.")
        return Outcome(node, Result.FAILED, status.phase, status.execution_id, reason, error=status.error or "")

    # Assumption: failure-stops-dependents.
    def _nothing_can_start(self) -> bool:
        """Whether every open node waits for a failed node, directly or not."""
        failed = {id_ for id_, outcome in self._outcomes.items() if outcome.result is not Result.SUCCEEDED}
        for node in self.open_nodes:
            if self._statuses[node.id].started or failed.isdisjoint(node.dependencies):
                return False
            failed.add(node.id)
        return True

    def _close(self) -> None:
        """Settle the open nodes of an ended pipeline: blocked nodes at once, others once they are given up."""
        anything_runs = any(self._statuses[node.id].execution_id for node in self.open_nodes)
        for node in self.open_nodes:
            blockers = self._blockers(node)
            status = self._statuses[node.id]
            # Assumption: blocked-nodes.
            if blockers and not status.started:
                reason = f"Not started, because {', '.join(blockers)} failed."
                outcome = Outcome(node, Result.SKIPPED, status.phase, reason=reason, blocked_by=blockers)
            elif self._is_given_up and not anything_runs:
                outcome = Outcome(node, Result.FAILED, status.phase, reason=self._reason_if_open(status))
            else:
                continue
            self._outcomes[node.id] = outcome

    def _blockers(self, node: PlannedNode) -> tuple[str, ...]:
        """Return the names of the failed nodes that block a node, also through skipped nodes in between."""
        names = set[str]()
        for dependency in node.dependencies:
            outcome = self._outcomes.get(dependency)
            if outcome and outcome.result is Result.FAILED:
                names.add(outcome.node.label)
            elif outcome:
                names.update(outcome.blocked_by)
        return tuple(sorted(names))

    def _reason_if_open(self, status: _NodeStatus) -> str:
        last = f"its last word on it was {status.word!r}" if status.word else "it never said a word about it"
        because = f": {self._pipeline_error}" if self._pipeline_error else "."
        return f"Dune ended the pipeline without running this node ({last}){because}"
