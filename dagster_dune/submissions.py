"""The submission record: which pipelines a run has started, as tags of the run.

A record is three tags at most, each written once and never changed: the *intent* before the request, then the
*pipeline* that Dune answered with, or *refused* where Dune surely started nothing. The definition stands in the key,
not the step, since Dagster may split a definition into several steps. The writer's run id stands in the value, since
runs inherit the tags of those they retry.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg

from dagster_dune.api.errors import AmbiguousSubmission
from dagster_dune.errors import DunePipelineError
from dagster_dune.metadata import INTENT_TAG, PIPELINE_TAG, REFUSED_TAG
from dagster_dune.pipeline.plan import PipelinePlan

WRITE_ATTEMPTS = 5


@dataclass(frozen=True)
class Submission:
    """One pipelines/execute request, as the tags tell of it.

    Attributes:
        id: The submission's own id.
        run_id: The run that made it.
        digests: What each node was to run.
        pipeline_execution_id: Dune's answer; None where none was written down.
        refused: Whether Dune surely started nothing.
    """

    id: str
    run_id: str
    digests: frozenset[str]
    pipeline_execution_id: str | None
    refused: bool


class RunTagRecord:
    """Writes one submission into the tags of the run that makes it.

    Args:
        instance: Where the run is stored.
        run_id: The run.
        definition: The asset definition that submits.
    """

    def __init__(self, instance: dg.DagsterInstance, run_id: str, definition: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self._suffix = f"/{definition}/{uuid.uuid4().hex[:8]}"

    def intend(self, plan: PipelinePlan) -> None:
        """Write that this plan is about to be sent."""
        self._write(INTENT_TAG, nodes=sorted(plan.digests))

    def submitted(self, pipeline_execution_id: str) -> None:
        """Write the id that Dune answered with."""
        self._write(PIPELINE_TAG, pipeline_execution_id=pipeline_execution_id)

    def refused(self) -> None:
        """Write that Dune surely started nothing."""
        self._write(REFUSED_TAG)

    def _write(self, tag: str, **fields: object) -> None:
        """Write a tag and read it back: Dagster rewrites all tags of a run at once, without a lock."""
        key = tag + self._suffix
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        value = json.dumps({"run_id": self._run_id, "at": at, **fields})
        for _ in range(WRITE_ATTEMPTS):
            self._instance.add_run_tags(self._run_id, {key: value})
            run = self._instance.get_run_by_id(self._run_id)
            if run is not None and run.tags.get(key) == value:
                return
        raise DunePipelineError(
            f"The tag {key} could not be written to run {self._run_id}; it was to say: {value}.",
            hint="Without it a retry of this run may pay for the same work twice: look on dune.com before you retry.",
        )


def submissions_of(tags: Mapping[str, str], definition: str) -> list[Submission]:
    """Read the submissions of one definition from a run's tags."""
    prefix = f"{INTENT_TAG}/{definition}/"
    found = []
    for key in tags:
        if not key.startswith(prefix):
            continue
        submission_id = key.removeprefix(prefix)
        suffix = f"/{definition}/{submission_id}"
        intent = json.loads(tags[key])
        answer = json.loads(tags.get(PIPELINE_TAG + suffix, "{}"))
        found.append(
            Submission(
                id=submission_id,
                run_id=intent["run_id"],
                digests=frozenset(intent["nodes"]),
                pipeline_execution_id=answer.get("pipeline_execution_id"),
                refused=REFUSED_TAG + suffix in tags,
            )
        )
    return found


def submitted_before(instance: dg.DagsterInstance, run_id: str, definition: str, plan: PipelinePlan) -> str | None:
    """Find the pipeline that an earlier attempt of this very run has submitted for the same nodes.

    Args:
        instance: Where the run is stored.
        run_id: This run.
        definition: The asset definition.
        plan: What this attempt is to run.

    Returns:
        The pipeline's execution id, or None where nothing of this plan was submitted by this run.

    Raises:
        AmbiguousSubmission: The earlier attempt ended inside the request.
        DunePipelineError: It submitted some of these nodes and others.
    """
    run = instance.get_run_by_id(run_id)
    wanted = frozenset(plan.digests)
    for submission in submissions_of(run.tags if run else {}, definition):
        if submission.run_id != run_id or submission.refused or wanted.isdisjoint(submission.digests):
            continue
        if submission.pipeline_execution_id is None:
            raise AmbiguousSubmission(
                f"an earlier attempt of run {run_id} ended between the request and Dune's answer",
                method="POST",
                path="/api/v1/pipelines/execute",
            )
        if submission.digests != wanted:
            raise DunePipelineError(
                f"An earlier attempt of run {run_id} submitted other nodes together with some of these, as pipeline "
                f"{submission.pipeline_execution_id}.",
                hint="Nothing was sent. Launch a new run for what is missing.",
            )
        return submission.pipeline_execution_id
    return None
