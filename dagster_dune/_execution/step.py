"""One attempt of one step: take over what earlier attempts have started, send the rest, and follow both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import dagster as dg

from dagster_dune._execution.event_stream import DuneEvent, EventStream
from dagster_dune._execution.reattachment import Attachment, Attempt, Origin, decide, resubmission_hint
from dagster_dune._execution.submission_record import RunTagRecord
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneNotFoundError
from dagster_dune.api.models import PipelineSubmitted
from dagster_dune.errors import DuneError, DunePipelineError, DunePipelineTimeout
from dagster_dune.pipeline.cancel import cancel_pipeline
from dagster_dune.pipeline.details import Details
from dagster_dune.pipeline.plan import PipelinePlan
from dagster_dune.pipeline.run import Polling, follow
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import phase_of
from dagster_dune.pipeline.submit import submit


@dataclass(frozen=True)
class StepSettings:
    """How an attempt behaves beside its polling; see the fields of `DuneResource` with the same names."""

    polling: Polling
    resume: bool
    resume_max_age: timedelta
    retry_failed_nodes: bool
    cancel_on_termination: bool


class Step:
    """One attempt of one step.

    Args:
        context: The step's context.
        assets: What it is to materialize.
        client: The client that submits and polls.
        brief_client: A client that gives up quickly, for what must not hold anything up.
        details: Where details of finished nodes come from; None if they are turned off.
        settings: How it behaves.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        assets: DuneAssetSet,
        client: DuneApiClient,
        brief_client: DuneApiClient,
        details: Details | None,
        settings: StepSettings,
    ) -> None:
        self._instance = context.instance
        self._run_id = context.run.run_id
        self._log = context.log
        self._assets = assets
        self._client = client
        self._brief_client = brief_client
        self._details = details
        self._settings = settings
        self._context = context

    def events(self, plan: PipelinePlan, send: Callable[[], PipelineSubmitted] | None = None) -> Iterator[DuneEvent]:
        """Run a plan.

        Args:
            plan: What is to run.
            send: Sends the whole plan in another form than as its nodes.

        Yields:
            An event for each node as it ends.

        Raises:
            DuneError: The plan could not be sent, or not be followed to its end.
            Failure: Some of its nodes failed or were skipped.
        """
        stream = EventStream(self._context, self._assets, plan)
        try:
            attempt = self._decide(plan)
            missing = set(plan.digests)
            for attachment in attempt.attachments:
                missing.difference_update(attachment.plan.digests)
            for attachment in attempt.attachments:
                yield from self._take_over(attachment, missing, stream)
            if missing:
                rest = plan.restricted(missing) if attempt.attachments else plan
                as_nodes = partial(self._client.execute_pipeline, rest.to_wire())
                pipeline = self._submit(rest, send if send and rest is plan else as_nodes)
                yield from stream.of(self._outcomes(rest, pipeline), pipeline)
        except DuneError:
            yield from stream.rest()
            raise
        yield from stream.rest()
        stream.raise_for_lost(allow_retries=self._settings.retry_failed_nodes)

    def _decide(self, plan: PipelinePlan) -> Attempt:
        attempt = decide(
            self._instance,
            self._run_id,
            self._assets.definition,
            plan,
            resume=self._settings.resume,
            max_age=self._settings.resume_max_age,
            still_runs=self._still_runs,
        )
        for attachment in attempt.attachments:
            same = attachment.submission.run_id == self._run_id
            why = "this run has started it before" if same else attempt.origin.value
            count, pipeline = len(attachment.plan.nodes), attachment.pipeline_execution_id
            self._log.info("Taking over %d nodes of pipeline %s, without sending them again: %s.", count, pipeline, why)
        if attempt.origin is not Origin.FIRST and not attempt.attachments:
            reason = attempt.origin.value if self._settings.resume else "resume is turned off"
            self._log.info("Nothing of an earlier attempt is taken over: %s.", reason)
        return attempt

    def _still_runs(self, pipeline: str) -> bool:
        try:
            status = self._client.get_pipeline_status(pipeline)
        except DuneNotFoundError:
            return False
        return not phase_of(status.status, status.error).has_ended

    def _take_over(self, attachment: Attachment, missing: set[str], stream: EventStream) -> Iterator[DuneEvent]:
        """Follow an earlier pipeline. What failed there is missing still, unless this run itself has seen it fail."""
        sends_again = attachment.submission.run_id != self._run_id or self._settings.retry_failed_nodes
        pipeline = attachment.pipeline_execution_id

        def kept() -> Iterator[Outcome]:
            for outcome in self._outcomes(attachment.plan, pipeline):
                if outcome.result is not Result.SUCCEEDED and outcome.node.selected and sends_again:
                    self._log.info("%s goes into a new pipeline: %s", outcome.node.label, outcome.reason)
                    missing.add(outcome.node.digest)
                else:
                    yield outcome

        try:
            yield from stream.of(kept(), pipeline)
        except DuneNotFoundError as error:
            raise DunePipelineError(
                f"Dune does not know pipeline {pipeline}, which run {attachment.submission.run_id} started at "
                f"{attachment.submission.at:%Y-%m-%d %H:%M:%S} UTC.",
                hint="The key may be another team's, or the base URL another server's. resume=False starts anew.",
            ) from error

    def _submit(self, plan: PipelinePlan, send: Callable[[], PipelineSubmitted]) -> str:
        """Start a pipeline, in a thread of its own: so no termination falls between the request and its record."""
        record = RunTagRecord(self._instance, self._run_id, self._assets.definition)
        with ThreadPoolExecutor(1, thread_name_prefix="dune-submission") as thread:
            submission = thread.submit(submit, plan, record, send)
            try:
                pipeline = submission.result()
            except AmbiguousSubmission as error:
                raise error.with_hint(resubmission_hint(record.id)) from error
            except BaseException:
                wait([submission])
                if submission.exception() is None:
                    self._cancel_if_terminated(plan, submission.result())
                raise
        self._log.info("Dune runs %d nodes as pipeline %s.", len(plan.nodes), pipeline)
        return pipeline

    def _outcomes(self, plan: PipelinePlan, pipeline: str) -> Iterator[Outcome]:
        try:
            for outcomes in follow(self._client, plan, pipeline, polling=self._settings.polling, log=self._log):
                yield from self._detailed(outcomes)
        except DunePipelineTimeout:
            self._cancel(plan, pipeline)
            raise
        except Exception:
            raise
        except BaseException:  # Dagster's termination is no Exception
            self._cancel_if_terminated(plan, pipeline)
            raise

    def _detailed(self, outcomes: list[Outcome]) -> Iterable[Outcome]:
        return self._details.added(outcomes) if self._details else outcomes

    def _cancel_if_terminated(self, plan: PipelinePlan, pipeline: str) -> None:
        """Cancel if the user asked for it. A deploy or an eviction ends the process too, and must cancel nothing."""
        run = self._instance.get_run_by_id(self._run_id)
        if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
            self._cancel(plan, pipeline)
        else:
            self._log.warning("Pipeline %s goes on running on Dune; a retry of this run takes it over.", pipeline)

    def _cancel(self, plan: PipelinePlan, pipeline: str) -> None:
        if not self._settings.cancel_on_termination:
            self._log.warning("Pipeline %s goes on running on Dune (cancel_on_termination is off).", pipeline)
            return
        still_open = cancel_pipeline(self._brief_client, plan, pipeline, self._log)
        if still_open:
            self._log.warning("These may still run in pipeline %s, and cost: %s.", pipeline, ", ".join(still_open))
        else:
            self._log.info("Pipeline %s is stopped.", pipeline)
