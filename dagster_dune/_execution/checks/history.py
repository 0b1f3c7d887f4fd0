"""The results of the gates of a definition in a run group, and the results that no attempt has reported.

A launch is a run that a user launched, with the automatic retries of it. No clock decides what may be sent: answers are
ordered by the runs, each of which retries another.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property

import dagster as dg

from dagster_dune._execution.checks.by_partition import PARTITION_COLUMN, PASSED_COLUMN, records_of
from dagster_dune._execution.event_log import records_of_run
from dagster_dune._execution.submissions.definitions import was_sent_for
from dagster_dune._execution.submissions.run_group import RunGroup, parent_id_of
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune._execution.submissions.submission_record import submissions_of
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.metadata import PIPELINE_EXECUTION_ID, SAID_IN_RUN
from dagster_dune.pipeline.nodes import PlannedNode

RETRY_NUMBER_TAG = "dagster/retry_number"


@dataclass(frozen=True)
class PartitionAnswer:
    """The result of a gate for one partition, or for all partitions that it checked at once.

    Attributes:
        passed: Whether the gate passed.
        pipeline: The pipeline that executed it; None where that is not known.
    """

    passed: bool
    pipeline: str | None


@dataclass(frozen=True)
class GateAnswer:
    """The result of a gate, as one run has reported it.

    Attributes:
        run_id: The run.
        parts: The result for each partition; under None where one node checked all partitions of the run.
        order: The sort key of results: the number of runs that this run descends from, and the time of the event.
    """

    run_id: str
    parts: Mapping[str | None, PartitionAnswer]
    order: tuple[int, float]

    @property
    def passed(self) -> bool:
        """Whether the gate passed for all partitions."""
        return all(part.passed for part in self.parts.values())

    @property
    def pipelines(self) -> set[str]:
        """The pipelines that executed the gate."""
        return {part.pipeline for part in self.parts.values() if part.pipeline}

    def of(self, partition: Partition | None) -> GateAnswer | None:
        """Return the part that belongs to a node with this partition, or with none; None if there is none."""
        if partition is None or None in self.parts:
            return self
        parts: dict[str | None, PartitionAnswer] = {key: self.parts[key] for key in partition.keys if key in self.parts}
        return replace(self, parts=parts) if parts else None


class GateHistory:
    """The results of gates in a run, in the runs that it retries, and in other retries of these.

    Attributes:
        runs: The ids of these runs.
        launch: Those of them since the last one that a user launched, this run among them.
        is_automatic: Whether Dagster launched this run by itself, as a retry.
    """

    def __init__(self, instance: dg.DagsterInstance, group: RunGroup, definition: str) -> None:
        run, members = group.run, {run.run_id: run for run in group.members}
        self._instance = instance
        self._group = group
        self._definition = definition
        self._ancestors = {run_id: _ancestors_of(one, members) for run_id, one in members.items()}
        own = self._ancestors[run.run_id]
        self.runs = frozenset(run_id for run_id, back in self._ancestors.items() if back[-1] == own[-1])
        begins = {run_id: _launched_by_hand(back, members) for run_id, back in self._ancestors.items()}
        self.launch = frozenset(id_ for id_ in self.runs if begins[id_] == begins[run.run_id])
        self.is_automatic = begins[run.run_id] != run.run_id
        self._runs = [members[run_id] for run_id in sorted(self.runs)]
        self._sent: dict[dg.AssetCheckKey, set[str]] = {}
        self._steps_of = cache(group.steps_of)

    @classmethod
    def of(cls, instance: dg.DagsterInstance, run_id: str, definition: str) -> GateHistory:
        """Read the history that a run has for a definition.

        Raises:
            DunePipelineError: The run itself does not exist.
        """
        return cls(instance, RunGroup.of(instance, run_id), definition)

    @property
    def resumes(self) -> bool:
        """Whether the run continues where an earlier run ended."""
        return self._group.origin.resumes

    def last_answer(
        self, key: dg.AssetCheckKey, partition: Partition | None, runs: Collection[str]
    ) -> GateAnswer | None:
        """Return the latest answer of a gate in some runs, for a partition, or for a node without partitions."""
        answers = (answer.of(partition) for answer in self._answers[key] if answer.run_id in runs)
        return next((answer for answer in answers if answer), None)

    def refusals(self, asked: Iterable[tuple[dg.AssetCheckKey, Partition | None]]) -> list[str]:
        """Return the runs of other launches in which checks failed for the given partitions, the latest first."""
        found: dict[str, tuple[int, float]] = {}
        for key, partition in asked:
            for full in self._answers[key]:
                answer = full.of(partition) if full.run_id not in self.launch else None
                if answer and not answer.passed:
                    found[answer.run_id] = max(answer.order, found.get(answer.run_id, answer.order))
        return sorted(found, key=found.__getitem__, reverse=True)

    def has_sent(self, key: dg.AssetCheckKey, digest: str) -> bool:
        """Whether this launch has sent, or taken over, the node of a check that has this digest."""
        if key not in self._sent:
            reported = {
                pipeline
                for answer in self._answers[key]
                if answer.run_id in self.launch
                for pipeline in answer.pipelines
            }
            self._sent[key] = {
                digest
                for submission in self._submissions_of(key)
                if submission.run_id in self.launch or submission.pipeline_execution_id in reported
                for digest in submission.node_ids
            }
        return digest in self._sent[key]

    def unreported(self, key: dg.AssetCheckKey, node: PlannedNode, runs: Collection[str]) -> list[Submission]:
        """Return the submissions of a gate's node by some runs, since its latest answer, that no run has reported."""
        last = self.last_answer(key, node.partition, runs)
        answers = (answer.of(node.partition) for answer in self._answers[key])
        reported = {pipeline for answer in answers if answer for pipeline in answer.pipelines}
        return [
            submission
            for submission in self._submissions_of(key)
            if submission.state is State.ANSWERED
            and submission.run_id in runs
            and submission.pipeline_execution_id not in reported
            and node.digest in submission.node_ids
            and (last is None or len(self._ancestors[submission.run_id]) >= last.order[0])
        ]

    def order_of(self, submission: Submission) -> tuple[int, datetime]:
        """Return the sort key of a submission: the number of runs that its run descends from, and its time."""
        return len(self._ancestors[submission.run_id]), submission.at

    def _submissions_of(self, key: dg.AssetCheckKey) -> list[Submission]:
        return [one for one in self._submissions if was_sent_for(one, key, self._definition, self._steps_of)]

    @cached_property
    def _submissions(self) -> Sequence[Submission]:
        return submissions_of(self._instance, self._runs)

    @cached_property
    def _answers(self) -> Mapping[dg.AssetCheckKey, Sequence[GateAnswer]]:
        found: dict[dg.AssetCheckKey, list[GateAnswer]] = defaultdict(list)
        for run in self._runs:
            for record in records_of_run(self._instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
                event = record.event_log_entry.dagster_event
                if event is None:
                    continue
                evaluation = event.asset_check_evaluation_data
                order = (len(self._ancestors[run.run_id]), record.timestamp)
                found[evaluation.asset_check_key].append(GateAnswer(run.run_id, _parts(evaluation), order))
        for answers in found.values():
            answers.sort(key=lambda answer: answer.order, reverse=True)
        return found


def _parts(evaluation: dg.AssetCheckEvaluation) -> dict[str | None, PartitionAnswer]:
    """Return the answers in a result by partition, without those that it repeats from another run."""
    value = evaluation.metadata.get(PIPELINE_EXECUTION_ID)
    pipeline = str(value.value) if value else None
    parts: dict[str | None, PartitionAnswer] = {
        record[PARTITION_COLUMN]: PartitionAnswer(record[PASSED_COLUMN], record[PIPELINE_EXECUTION_ID] or pipeline)
        for record in records_of(evaluation.metadata)
        if not record[SAID_IN_RUN]
    }
    return parts or {None: PartitionAnswer(evaluation.passed, pipeline)}


def _ancestors_of(run: dg.DagsterRun, runs: Mapping[str, dg.DagsterRun]) -> list[str]:
    """Return the ids of a run and of the runs that it retries, back to the first, or to the first after a success."""
    ancestors = [run.run_id]
    while parent_id := parent_id_of(run):
        if parent_id in ancestors:
            break
        parent = runs.get(parent_id)
        if parent is None:
            return [*ancestors, parent_id]  # the run was deleted
        if parent.is_success:
            break
        ancestors.append(parent_id)
        run = parent
    return ancestors


def _launched_by_hand(ancestors: Sequence[str], runs: Mapping[str, dg.DagsterRun]) -> str:
    """Return the last of a run and its ancestors that a user launched: it inherits the retry tag of its parent."""
    for run_id, parent_id in itertools.pairwise(ancestors):
        parent = runs.get(parent_id)
        number = runs[run_id].tags.get(RETRY_NUMBER_TAG)
        if parent is None or number is None or number == parent.tags.get(RETRY_NUMBER_TAG):
            return run_id
    return ancestors[-1]
