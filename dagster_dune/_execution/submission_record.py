"""The submission record: which pipelines a run has started, as tags of the run.

A record is three tags at most, each written once and never changed: the *intent* before the request, then the
*pipeline* that Dune answered with, or *refused* where Dune surely started nothing. The definition stands in the key,
not the step, since Dagster may split a definition into several steps. The writer's run id stands in the value, since
runs inherit the tags of those they retry.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from dagster_dune.errors import DunePipelineError
from dagster_dune.metadata import INTENT_TAG, PIPELINE_TAG, REFUSED_TAG
from dagster_dune.pipeline.plan import PipelinePlan

WRITE_ATTEMPTS = 5
ENDED = frozenset({dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in ENDED]


@dataclass(frozen=True)
class Submission:
    """One pipelines/execute request, as the tags tell of it.

    Attributes:
        id: The submission's own id.
        run_id: The run that made it.
        at: When its intent was written.
        node_ids: By the digest of what a node runs, its id in the pipeline.
        pipeline_execution_id: Dune's answer; None where none was written down.
        refused: Whether Dune surely started nothing.
    """

    id: str
    run_id: str
    at: datetime
    node_ids: Mapping[str, int]
    pipeline_execution_id: str | None
    refused: bool


class RunTagRecord:
    """Writes one submission into the tags of the run that makes it.

    Args:
        instance: Where the run is stored.
        run_id: The run.
        definition: The asset definition that submits.

    Attributes:
        id: The submission's own id.
    """

    def __init__(self, instance: dg.DagsterInstance, run_id: str, definition: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self.id = uuid.uuid4().hex[:8]
        self._suffix = f"/{definition}/{self.id}"
        self._tags: dict[str, str] = {}

    def intend(self, plan: PipelinePlan) -> None:
        """Write that this plan is about to be sent."""
        self._write(INTENT_TAG, nodes={node.digest: node.id for node in plan.nodes})

    def still_wanted(self) -> bool:
        """Whether the run has not ended: a step process can outlive its run, and a retry may be under way."""
        run = self._instance.get_run_by_id(self._run_id)
        return run is not None and not run.is_finished

    def submitted(self, pipeline_execution_id: str) -> None:
        """Write the id that Dune answered with."""
        self._write(PIPELINE_TAG, pipeline_execution_id=pipeline_execution_id)

    def refused(self) -> None:
        """Write that Dune surely started nothing."""
        self._write(REFUSED_TAG)

    def _write(self, tag: str, **fields: object) -> None:
        """Write a tag with those before it, and read them back: Dagster rewrites all tags at once, without a lock."""
        key = tag + self._suffix
        value = json.dumps({"run_id": self._run_id, "at": datetime.now(UTC).isoformat(), **fields})
        self._tags[key] = value
        for _ in range(WRITE_ATTEMPTS):
            self._instance.add_run_tags(self._run_id, self._tags)
            run = self._instance.get_run_by_id(self._run_id)
            if run is not None and self._tags.items() <= run.tags.items():
                return
        raise DunePipelineError(
            f"The tag {key} could not be written to run {self._run_id}; it was to say: {value}.",
            hint="Without it a retry of this run may pay for the same work twice: look on dune.com before you retry.",
        )


def submissions_of(runs: Iterable[dg.DagsterRun], definition: str) -> list[Submission]:
    """Read the submissions of one definition from the tags of some runs, each once, the oldest first."""
    tags = {key: value for run in runs for key, value in run.tags.items()}
    prefix = f"{INTENT_TAG}/{definition}/"
    found = [_read(tags, definition, key.removeprefix(prefix)) for key in tags if key.startswith(prefix)]
    return sorted(found, key=lambda submission: submission.at)


def _read(tags: Mapping[str, str], definition: str, submission_id: str) -> Submission:
    suffix = f"/{definition}/{submission_id}"
    intent = json.loads(tags[INTENT_TAG + suffix])
    answer = json.loads(tags.get(PIPELINE_TAG + suffix, "{}"))
    return Submission(
        id=submission_id,
        run_id=intent["run_id"],
        at=datetime.fromisoformat(intent["at"]),
        node_ids=intent["nodes"],
        pipeline_execution_id=answer.get("pipeline_execution_id"),
        refused=REFUSED_TAG + suffix in tags,
    )
