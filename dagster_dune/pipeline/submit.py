"""The one request that starts a pipeline, and what is written down around it.

Before the request its *intent* is recorded, after the answer the pipeline's id. An attempt that dies in between leaves
an intent without an end, so that no later attempt sends, and pays for, the same work again without being told to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dagster_dune.api.errors import AmbiguousSubmission, DuneApiError
from dagster_dune.api.models import PipelineSubmitted
from dagster_dune.errors import DunePipelineError
from dagster_dune.pipeline.plan import PipelinePlan


class SubmissionRecord(Protocol):
    """Where a submission is written down, so that it outlives this process."""

    def intend(self, plan: PipelinePlan) -> None:
        """Write that this plan is about to be sent."""

    def still_wanted(self) -> bool:
        """Whether whoever submits is still waited for. Asked after the intent is written, and before the request."""

    def submitted(self, pipeline_execution_id: str) -> None:
        """Write the id that Dune answered with."""

    def refused(self) -> None:
        """Write that Dune surely started nothing."""


def submit(plan: PipelinePlan, record: SubmissionRecord, send: Callable[[], PipelineSubmitted]) -> str:
    """Send a plan once.

    Args:
        plan: What is to run.
        record: Where intent and end are written.
        send: Sends the request; it must not repeat it where Dune may have started the work.

    Returns:
        The pipeline's execution id.

    Raises:
        AmbiguousSubmission: Dune may have started the pipeline; the record keeps the intent.
        DuneApiError: Dune started nothing, and the record says so.
        DunePipelineError: Nobody waits for it any more; nothing was sent, and the record says so.
    """
    record.intend(plan)
    if not record.still_wanted():
        # A step can outlive its run. Whoever retries that run sees the intent, or this step sees the run's end.
        record.refused()
        raise DunePipelineError("The run has ended before its pipeline was sent, so it was not sent.")
    try:
        answer = send()
    except AmbiguousSubmission:
        raise
    except DuneApiError:
        record.refused()
        raise
    record.submitted(answer.pipeline_execution_id)
    return answer.pipeline_execution_id
