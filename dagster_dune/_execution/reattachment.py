"""What an attempt may take over from the attempts before it, so that no execution is paid for twice.

Dagster tries again in several ways, and says which only in part. A step that is retried within its run, and a run that
resumes another 'from failure' or 'from asset failure', take over the pipelines of the earlier attempts, node by node.
A run that repeats everything takes over a pipeline only while it still runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

import dagster as dg

from dagster_dune._execution.submission_record import Submission, submissions_of
from dagster_dune.api.errors import AmbiguousSubmission
from dagster_dune.metadata import ADOPT_TAG, RESUBMIT_TAG
from dagster_dune.pipeline.plan import PipelinePlan

RESUME_RETRY_TAG = "dagster/is_resume_retry"
ASSET_RESUME_RETRY_TAG = "dagster/is_asset_resume_retry"
ROOT_RUN_TAG = "dagster/root_run_id"


class Origin(Enum):
    """Why an attempt is made; the value says it in the run's log."""

    FIRST = "this run is the first attempt"
    ANEW = "the run that this one repeats succeeded, so that everything is run anew"
    FROM_FAILURE = "this run resumes an earlier one from its failure"
    FROM_ASSET_FAILURE = "this run resumes an earlier one for the assets that it did not materialize"
    EVERYTHING = "this run repeats everything that an earlier one did"


@dataclass(frozen=True)
class Attachment:
    """A pipeline of an earlier attempt, and the nodes of this attempt that run in it.

    Attributes:
        submission: How the pipeline was started.
        plan: The nodes, under the ids that they have there.
    """

    submission: Submission
    plan: PipelinePlan

    @property
    def pipeline_execution_id(self) -> str:
        """The pipeline."""
        return self.submission.pipeline_execution_id or ""


@dataclass(frozen=True)
class Attempt:
    """What one attempt takes over, and why.

    Attributes:
        origin: Why it is made.
        attachments: What it takes over, the oldest pipeline first.
    """

    origin: Origin
    attachments: tuple[Attachment, ...] = ()


def decide(
    instance: dg.DagsterInstance,
    run_id: str,
    definition: str,
    plan: PipelinePlan,
    *,
    resume: bool,
    max_age: timedelta,
    still_runs: Callable[[str], bool],
) -> Attempt:
    """Decide what this attempt takes over. Runs and their tags are read afresh from the instance.

    Args:
        instance: Where the runs are stored.
        run_id: This run.
        definition: The asset definition.
        plan: What this attempt is to run.
        resume: Whether it may take over anything.
        max_age: How old a submission may be that is taken over.
        still_runs: Whether a pipeline, named by its id, has not ended.

    Returns:
        The decision.

    Raises:
        AmbiguousSubmission: An earlier attempt ended inside its request, and the user has not said to go on.
    """
    run = _run(instance, run_id)
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    origin = _origin(run, parent)
    oldest = datetime.now(UTC) - max_age
    wanted = set(plan.digests)
    found = _words(run, ADOPT_TAG)
    earlier = [
        _adopted(submission, found)
        for submission in submissions_of(_relatives(instance, run), definition)
        if not submission.refused
        and not wanted.isdisjoint(submission.node_ids)
        and (submission.run_id == run_id or (submission.at >= oldest and origin not in (Origin.FIRST, Origin.ANEW)))
    ]
    _check_intents(earlier, run)
    if not resume:
        earlier = [s for s in earlier if s.id in found]
    elif origin is Origin.EVERYTHING:
        earlier = [
            s for s in earlier if s.run_id == run_id or s.id in found or still_runs(s.pipeline_execution_id or "")
        ]
    return Attempt(
        origin, _attachments(plan, [submission for submission in earlier if submission.pipeline_execution_id])
    )


def _run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise KeyError(f"The instance does not know run {run_id}, which this step belongs to.")
    return run


def _relatives(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterRun]:
    """The run, the root of its retries and all that descend from it: a sibling may have followed up already."""
    root = run.root_run_id or run.run_id
    others = instance.get_runs(dg.RunsFilter(tags={ROOT_RUN_TAG: root}))
    first = instance.get_run_by_id(root)
    return [*([first] if first else []), *others, run]


def _origin(run: dg.DagsterRun, parent: dg.DagsterRun | None) -> Origin:
    if parent is None:
        return Origin.FIRST
    if parent.status is dg.DagsterRunStatus.SUCCESS:
        return Origin.ANEW
    if run.tags.get(RESUME_RETRY_TAG) == "true":
        return Origin.FROM_FAILURE
    # The tag is inherited, so it tells something only where the parent lacks it.
    tagged = ASSET_RESUME_RETRY_TAG in run.tags and ASSET_RESUME_RETRY_TAG not in parent.tags
    if tagged or run.asset_selection != parent.asset_selection:
        return Origin.FROM_ASSET_FAILURE
    return Origin.EVERYTHING


def _check_intents(earlier: list[Submission], run: dg.DagsterRun) -> None:
    allowed = _words(run, RESUBMIT_TAG)
    for submission in earlier:
        if submission.pipeline_execution_id is None and submission.id not in allowed:
            raise AmbiguousSubmission(
                f"an attempt in run {submission.run_id} ended between its request of {submission.at:%Y-%m-%d %H:%M:%S} "
                "UTC and Dune's answer",
                method="POST",
                path="/api/v1/pipelines/execute",
                hint=resubmission_hint(submission.id),
            )


def _words(run: dg.DagsterRun, tag: str) -> dict[str, str]:
    """The ids that a user has written into a tag, each with what follows it after a colon."""
    words = (word.strip().partition(":") for word in run.tags.get(tag, "").split(","))
    return {submission_id: rest for submission_id, _, rest in words}


def _adopted(submission: Submission, found: Mapping[str, str]) -> Submission:
    """A submission with the pipeline that the user has found on Dune, where its answer is lost."""
    if submission.pipeline_execution_id is not None or not found.get(submission.id):
        return submission
    return replace(submission, pipeline_execution_id=found[submission.id])


def resubmission_hint(submission_id: str) -> str:
    """What to do about a request whose answer is lost."""
    return (
        f"{AmbiguousSubmission.default_hint} If it runs there, retry with the run tag "
        f"{ADOPT_TAG}={submission_id}:<pipeline execution id>; to send it again, with {RESUBMIT_TAG}={submission_id}."
    )


def _attachments(plan: PipelinePlan, earlier: list[Submission]) -> tuple[Attachment, ...]:
    """Give each node to the newest submission that holds it."""
    owners = {digest: submission for submission in earlier for digest in submission.node_ids}
    attachments = []
    for submission in earlier:
        ids = {
            node.id: submission.node_ids[node.digest] for node in plan.nodes if owners.get(node.digest) is submission
        }
        if ids:
            attachments.append(Attachment(submission, plan.renumbered(ids)))
    return tuple(attachments)
