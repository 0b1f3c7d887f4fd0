"""One attempt of one step: take over what earlier attempts have started, send the rest, and follow both."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from dagster_dune._execution.checks.check_results import CheckResults
from dagster_dune._execution.checks.gates import gated_plan, is_due_to_gate
from dagster_dune._execution.event_stream import DuneEvent, EventStream
from dagster_dune._execution.planning import skipped
from dagster_dune._execution.sent_pipelines import SentPipelines, unknown_pipeline
from dagster_dune._execution.settings import StepSettings
from dagster_dune._execution.submissions.actions import (
    Attach,
    AwaitEnd,
    Follow,
    HasEnded,
    Look,
    Policy,
    Skip,
    Submit,
    TakeOver,
    View,
    Wait,
)
from dagster_dune._execution.submissions.definitions import AssetOrCheckKey
from dagster_dune._execution.submissions.policy import look, policy_of
from dagster_dune._execution.submissions.protocol import Attempt, resubmission_hint
from dagster_dune._execution.submissions.run_group import Origin, RunGroup, is_under_way, make_findable
from dagster_dune._execution.submissions.sender import Sender
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, report_takeovers
from dagster_dune._formatting import counted
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneNotFoundError
from dagster_dune.api.interrupts import uninterrupted
from dagster_dune.api.models import PipelineSubmitted
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.details import Details
from dagster_dune.pipeline.nodes import PipelinePlan
from dagster_dune.pipeline.settle import Outcome, Result

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 10.0


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
        self._pipelines = SentPipelines(context, assets.selection, client, brief_client, details, settings)
        self._details = details
        self._settings = settings
        self._context = context
        self._waited = 0.0
        self._next_wait = FIRST_WAIT_SECONDS
        self._logged_waits = set[str]()
        self._took_over = False
        self._keys: dict[str, AssetOrCheckKey] = {}
        self._senders: dict[str, Sender] = {}
        self._finished = ExitStack()

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
        checks = CheckResults(self._context, self._assets, plan, self._client)
        stream = EventStream(self._context, self._assets, plan, checks)
        with self._finished, self._pipelines.cancelled_on_interrupt():
            yield from checks.start()
            yield from self._events_to_the_end(plan, send, checks, stream)
        stream.raise_for_failures(allow_retries=self._settings.retry_failed_nodes, resumes=self._settings.resume)

    def _events_to_the_end(
        self,
        plan: PipelinePlan,
        send: Callable[[], PipelineSubmitted] | None,
        checks: CheckResults,
        stream: EventStream,
    ) -> Iterator[DuneEvent]:
        try:
            read, resume = self._pipelines.outcomes, self._settings.resume
            gated = gated_plan(self._instance, self._run_id, self._assets, plan, read, resume=resume)
            checks.add_refusals(gated.refused)
            stream.exclude(gated.excluded)
            for submission, digests in gated.taken_over:
                self._pipelines.attach(_nodes_in(submission, gated.full_plan, digests), submission)
            report_takeovers(self._instance, self._context.run, gated.taken_over)
            for submission, digests in gated.taken_over:
                action = Follow(submission, digests, sends_again=False)
                yield from self._follow(gated.full_plan, action, Origin.EVERYTHING, stream)
            yield from stream.of(gated.blocked, None)
            if gated.plan.nodes:
                yield from self._attempt(gated.plan, send, stream)
        except DuneError:
            yield from stream.rest()
            raise
        yield from stream.rest()
        if self._details:
            yield from stream.late_details(self._details.rest())

    def _attempt(
        self, plan: PipelinePlan, send: Callable[[], PipelineSubmitted] | None, stream: EventStream
    ) -> Iterator[DuneEvent]:
        """Carry out what the protocol asks for."""
        group = RunGroup.of(self._instance, self._run_id)
        make_findable(self._instance, group.run)
        self._keys = {node.digest: key for node in plan.nodes if (key := self._assets.key_of_node(node))}
        settings = self._settings
        policy = policy_of(
            group,
            resume=settings.resume,
            max_age=settings.resume_max_age,
            retry_failed_nodes=settings.retry_failed_nodes,
            keys=self._keys,
            deps=self._assets.deps,
        )
        actions = Attempt(plan, policy).actions()
        result: object = None
        just_read: RunGroup | None = group
        while True:
            try:
                action = actions.send(result)
            except StopIteration:
                return
            if isinstance(action, Follow):
                result = yield from self._follow(plan, action, group.origin, stream)
            elif isinstance(action, Skip):
                yield from stream.of(skipped(plan, action.digests, action.because_of), None)
            elif isinstance(action, Submit):
                result = self._submit(plan, action, policy, group.origin, send)
            elif isinstance(action, Look):
                result, just_read = self._look(policy, just_read), None
            else:
                result = self._do(plan, action)

    def _do(self, plan: PipelinePlan, action: object) -> object:
        if isinstance(action, Attach):
            for submission, digests in action.nodes:
                self._pipelines.attach(_nodes_in(submission, plan, digests), submission)
            return None
        if isinstance(action, TakeOver):
            report_takeovers(self._instance, self._context.run, action.nodes)
            return None
        if isinstance(action, Wait):
            return self._wait(action.reason)
        if isinstance(action, HasEnded):
            return self._pipelines.has_ended(action.submission)
        if not isinstance(action, AwaitEnd):
            raise TypeError(action)
        self._pipelines.await_end(action.submission)
        return None

    def _look(self, policy: Policy, group: RunGroup | None = None) -> View:
        group = group or RunGroup.of(self._instance, self._run_id)
        return look(group, self._assets.definition, policy, self._keys)

    def _wait(self, reason: str) -> bool:
        """Wait a drawn, growing time, unless all waits together have outlasted any submission."""
        if self._waited > self._settings.submission_seconds:
            return False
        if reason not in self._logged_waits:
            self._logged_waits.add(reason)
            left = self._settings.submission_seconds - self._waited
            self._log.info("Waiting, for %.0f s at the most: %s.", left, reason)
        pause = self._next_wait * random.uniform(0.5, 1.5)  # noqa: S311
        time.sleep(pause)
        self._waited += pause
        self._next_wait = min(2 * self._next_wait, MAX_WAIT_SECONDS)
        return True

    def _follow(
        self, plan: PipelinePlan, action: Follow, origin: Origin, stream: EventStream
    ) -> Generator[DuneEvent, None, frozenset[str]]:
        """Follow some nodes of a pipeline, and return the digests of those that did not succeed."""
        if action.submission.id not in self._senders:
            self._log_taken_over(action, origin)
        submission = action.submission
        nodes = _nodes_in(submission, plan, action.digests)
        failed, closed = set[str](), set[str]()

        def reported() -> Iterator[Outcome]:
            for outcome in self._pipelines.outcomes(nodes, submission):
                has_failed = outcome.result is not Result.SUCCEEDED and not is_due_to_gate(outcome, closed)
                if has_failed:
                    failed.add(outcome.node.digest)
                if has_failed and action.sends_again:
                    self._log.info("%s goes into a new pipeline: %s", outcome.node.label, outcome.reason)
                else:
                    yield outcome

        try:
            yield from stream.of(reported(), submission.pipeline_execution_id)
        except DuneNotFoundError as error:
            raise unknown_pipeline(submission) from error
        return frozenset(failed)

    def _log_taken_over(self, action: Follow, origin: Origin) -> None:
        submission = action.submission
        self._took_over = True
        same = submission.run_id == self._run_id
        why = "this run has started it before" if same else origin.value
        nodes, pipeline = counted(len(action.digests), "node"), submission.pipeline_execution_id
        self._log.info("Taking over %s of pipeline %s, without sending again: %s.", nodes, pipeline, why)

    def _submit(
        self,
        plan: PipelinePlan,
        action: Submit,
        policy: Policy,
        origin: Origin,
        send: Callable[[], PipelineSubmitted] | None,
    ) -> Submission | None:
        if origin is not Origin.FIRST and not self._took_over:
            reason = origin.value if self._settings.resume else "resume is turned off"
            self._log.info("Nothing of an earlier attempt is taken over: %s.", reason)
        rest = plan.restricted(action.digests) if len(action.digests) < len(plan.nodes) else plan
        as_nodes = partial(self._client.execute_pipeline, rest.to_wire())
        step_key = str(self._context.op_execution_context.op_handle)
        record = SubmissionRecord(self._instance, self._context.run, self._assets.definition, step_key)
        sender = self._senders[record.id] = Sender(
            record,
            rest,
            send if send and rest is plan else as_nodes,
            look=partial(self._look, policy),
            still_wanted=partial(is_under_way, self._instance, self._run_id),
            log=self._log,
        )
        self._finished.callback(sender.finish)
        try:
            if not sender.carry_out(action, policy):
                return None
            submission = self._submission(record, rest, sender)
            self._pipelines.attach(rest, submission)
        except AmbiguousSubmission as error:
            raise error.with_hint(resubmission_hint(record.id)) from error
        except BaseException:
            if sender.pipeline:
                self._pipelines.attach(rest, self._submission(record, rest, sender))
                uninterrupted(self._pipelines.interrupted)
            raise
        return submission

    def _submission(self, record: SubmissionRecord, plan: PipelinePlan, sender: Sender) -> Submission:
        node_ids = {node.digest: node.id for node in plan.nodes}
        return Submission(record.id, self._run_id, datetime.now(UTC), node_ids, State.ANSWERED, sender.pipeline)


def _nodes_in(submission: Submission, plan: PipelinePlan, digests: Collection[str]) -> PipelinePlan:
    """Some nodes of a plan, with their ids in the pipeline of a submission."""
    return plan.renumbered({node.id: submission.node_ids[node.digest] for node in plan.nodes if node.digest in digests})
