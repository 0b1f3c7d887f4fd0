"""Records the course of a pipeline from its status answers, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from dagster_dune.api import models
from dagster_dune.pipeline.states import Phase, phase_of


@dataclass
class PipelineObservation:
    """The course of a pipeline.

    Attributes:
        words: The statuses of the pipeline, in order.
        node_words: The statuses of its nodes.
        known_after: The seconds until Dune knew the pipeline.
        late_answers: The number of answers after the end of the pipeline until all started nodes had ended.
        last: The last answer.
        was_listed: Whether any answer listed nodes.
    """

    words: list[str] = field(default_factory=list)
    node_words: list[str] = field(default_factory=list)
    known_after: float = 0.0
    late_answers: int = 0
    last: models.PipelineStatus = field(default_factory=models.PipelineStatus)
    was_listed: bool = False

    def add(self, status: models.PipelineStatus) -> None:
        """Add an answer."""
        self.last = status
        self.was_listed = self.was_listed or bool(status.node_executions)
        _append(self.words, status.status or "")
        for node in status.node_executions:
            _append(self.node_words, (node.progress and node.progress.status) or "")

    def node(self, number: int) -> models.QueryExecutionStatus | models.MaterializedViewRefreshStatus | None:
        """Return the progress of a node in the last answer, by its position in the request, from 1."""
        by_id = {node.id: node.progress for node in self.last.node_executions}
        if number in by_id:
            return by_id[number]
        nodes = self.last.node_executions
        return nodes[number - 1].progress if len(nodes) >= number else None

    @property
    def phase(self) -> Phase:
        """The phase of the last status."""
        return phase_of(self.last.status, self.last.error)

    @property
    def running(self) -> list[str]:
        """The executions of nodes that have started and not ended."""
        return [
            node.progress.execution_id
            for node in self.last.node_executions
            if node.progress
            and node.progress.execution_id
            and phase_of(node.progress.status, node.progress.error) in (Phase.WAITING, Phase.RUNNING)
        ]


def executions(status: models.PipelineStatus) -> list[str]:
    """Return the ids of the executions of nodes."""
    nodes = [node.progress for node in status.node_executions]
    return [progress.execution_id for progress in nodes if progress and progress.execution_id]


def _append(words: list[str], word: str) -> None:
    if word and word not in words:
        words.append(word)
