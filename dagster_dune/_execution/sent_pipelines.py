"""Pipelines that were sent: what becomes of their nodes, whether they have ended, and how they are stopped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import dagster as dg

from dagster_dune._execution.interrupts import ends_with_process, is_terminated, tell_terminal, undisturbed
from dagster_dune._execution.settings import StepSettings
from dagster_dune._execution.submissions.submission import Submission
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.errors import DunePipelineError, DunePipelineTimeout
from dagster_dune.metadata import RESUBMIT_TAG
from dagster_dune.pipeline.cancel import cancel_pipeline
from dagster_dune.pipeline.details import Details
from dagster_dune.pipeline.nodes import PipelinePlan
from dagster_dune.pipeline.run import follow, has_ended
from dagster_dune.pipeline.settle import Outcome

GOES_ON = (
    "Pipeline %s goes on running on Dune. To take it over, retry run %s from failure; "
    "to stop it: dagster-dune cancel %s"
)


class SentPipelines:
    """The pipelines that the attempts of a step have sent.

    Args:
        context: The step's context.
        names: What it is asked for: the label of each SQL name.
        client: The client that polls.
        brief_client: A client that gives up quickly, for what must not hold anything up.
        details: Where details of finished nodes come from; None if they are turned off.
        settings: How the attempt behaves.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        names: Mapping[str, str],
        client: DuneApiClient,
        brief_client: DuneApiClient,
        details: Details | None,
        settings: StepSettings,
    ) -> None:
        self._instance = context.instance
        self._run_id = context.run.run_id
        self._log = context.log
        self._names = names
        self._client = client
        self._brief_client = brief_client
        self._details = details
        self._settings = settings

    def outcomes(self, plan: PipelinePlan, submission: Submission) -> Iterator[Outcome]:
        """Follow a pipeline to its end.

        Args:
            plan: Those of its nodes that are followed, with their ids there. What another attempt has sent is told with
                the tier that it was sent with, or with none where that is not known.
            submission: What started it.

        Yields:
            The outcome of each node as it ends, with its details where these can be had in time.

        Raises:
            DunePipelineTimeout: It took too long, and is cancelled.
            DuneError: It could not be followed.
        """
        pipeline = submission.pipeline_execution_id or ""
        if submission.tiers is not None:
            plan = plan.on_tiers(submission.tiers)
        try:
            for outcomes in follow(
                self._client,
                plan,
                pipeline,
                polling=self._settings.polling,
                log=self._log,
                names=self._names,
                size=submission.size,
            ):
                yield from self._detailed(outcomes)
        except DunePipelineTimeout:
            self._cancel(plan, pipeline)
            raise
        except Exception:
            raise
        except BaseException:  # Dagster's termination is no Exception
            undisturbed(partial(self.interrupted, plan, pipeline))
            raise

    def _detailed(self, outcomes: list[Outcome]) -> Iterable[Outcome]:
        return self._details.added(outcomes) if self._details else outcomes

    def interrupted(self, plan: PipelinePlan, pipeline: str) -> None:
        """Cancel where a user has asked for it, or nobody could take over. A deploy or an eviction cancels nothing."""
        if is_terminated(self._instance, self._run_id):
            self._cancel(plan, pipeline)
        elif ends_with_process(self._instance):
            self._log.info("This instance ends with the process, so that nobody could take pipeline %s over.", pipeline)
            self._cancel(plan, pipeline)
        else:
            self._log.warning(GOES_ON, pipeline, self._run_id, pipeline)
            tell_terminal(GOES_ON % (pipeline, self._run_id, pipeline))

    def _cancel(self, plan: PipelinePlan, pipeline: str) -> None:
        if not self._settings.cancel_on_termination:
            self._log.warning("Pipeline %s goes on running on Dune (cancel_on_termination is off).", pipeline)
            return
        still_open = cancel_pipeline(self._brief_client, plan, pipeline, self._log)
        if still_open:
            self._log.warning("These may still run in pipeline %s, and cost: %s.", pipeline, ", ".join(still_open))
        else:
            self._log.info("Pipeline %s is stopped.", pipeline)

    def has_ended(self, submission: Submission) -> bool:
        """Whether the pipeline of a submission has ended. A run that succeeded has followed it to its end.

        Raises:
            DunePipelineError: Dune does not know it.
            DuneApiError: Its status could not be read.
        """
        run = self._instance.get_run_by_id(submission.run_id)
        if run is not None and run.is_success:
            return True
        pipeline = submission.pipeline_execution_id or ""
        try:
            return has_ended(self._client, pipeline, polling=self._settings.polling, log=self._log)
        except DuneNotFoundError as error:
            raise unknown_pipeline(submission) from error

    def await_end(self, submission: Submission) -> None:
        """Wait until it has ended."""
        self._log.info(
            "Waiting for the end of pipeline %s, which resume=False does not take over.",
            submission.pipeline_execution_id,
        )
        while not self.has_ended(submission):
            time.sleep(self._settings.polling.max_interval)


def unknown_pipeline(submission: Submission) -> DunePipelineError:
    """The error for a pipeline of which Dune knows nothing."""
    return DunePipelineError(
        f"Dune does not know pipeline {submission.pipeline_execution_id}, which run {submission.run_id} started "
        f"at {submission.at:%Y-%m-%d %H:%M:%S} UTC.",
        hint="The key may be another team's, or the base URL another server's. If nothing of it still runs on "
        f"Dune, retry with the run tag {RESUBMIT_TAG}={submission.id}, which starts anew.",
    )
