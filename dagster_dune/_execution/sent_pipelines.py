"""Pipelines that were sent: the outcomes of their nodes, whether they have ended, and how they are cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import dagster as dg

from dagster_dune._execution.event_log import read_with_retries
from dagster_dune._execution.interrupts import SerializedLog, ends_with_process, is_terminated, write_to_terminal
from dagster_dune._execution.settings import StepSettings
from dagster_dune._execution.submissions.submission import Submission
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.api.interrupts import uninterrupted
from dagster_dune.errors import DunePipelineError, DunePipelineTimeout
from dagster_dune.metadata import RESUBMIT_TAG
from dagster_dune.pipeline.cancel import cancel_pipeline
from dagster_dune.pipeline.details import Details
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.run import await_end, follow, has_ended
from dagster_dune.pipeline.settle import Outcome

T = TypeVar("T")

STILL_RUNNING = (
    "Pipeline %s goes on running on Dune. To take it over, retry run %s from failure; "
    "to stop it: dagster-dune cancel %s"
)
MAY_BE_RUNNING = (
    "Pipeline %s, which was to be followed next, may go on running on Dune. To take it over, retry run %s from "
    "failure; to stop it: dagster-dune cancel %s"
)


@dataclass
class _Attached:
    """A pipeline that the attempt is attached to.

    Attributes:
        submission: The submission that started it.
        own: The attempt's own nodes, by their ids in this pipeline.
        open: The ids of the nodes that the attempt waits for and that have not ended.
        is_followed: Whether the attempt has begun to follow it.
    """

    submission: Submission
    own: dict[int, PlannedNode] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    is_followed: bool = False

    @property
    def pipeline(self) -> str:
        """Its id on Dune."""
        return self.submission.pipeline_execution_id or ""

    @property
    def plan(self) -> PipelinePlan:
        """The nodes that are the attempt's own."""
        return PipelinePlan(tuple(self.own[id_] for id_ in sorted(self.own)))


class SentPipelines:
    """The pipelines of the attempts of a step. This attempt is attached to those for whose nodes it waits.

    An attempt follows one pipeline at a time. An interrupt or a timeout ends all attached pipelines, not only that one.

    Args:
        context: The step's context.
        names: The labels of the selected objects by their SQL names.
        client: The client that polls.
        brief_client: A client that gives up quickly, for cancelling.
        details: Reads the details of ended nodes; None if they are turned off.
        settings: The settings of the attempt.
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
        self._attached: dict[str, _Attached] = {}

    @contextmanager
    def cancelled_on_interrupt(self) -> Iterator[None]:
        """Call `interrupted` if an interrupt ends this block.

        Use it in the outermost generator: a generator further in gets no interrupt that arrives while it is suspended.
        """
        try:
            yield
        except Exception:
            raise
        except BaseException:  # Dagster's termination and GeneratorExit are not Exceptions
            uninterrupted(self.interrupted)
            raise

    def attach(self, plan: PipelinePlan, submission: Submission, *, is_own: bool = True) -> None:
        """Attach the attempt to nodes of a pipeline: it waits for their ends.

        Args:
            plan: The nodes, with their ids in the pipeline.
            submission: The submission that started the pipeline.
            is_own: Whether they are the attempt's own nodes, which are cancelled when it is interrupted.
        """
        attached = self._attached.setdefault(submission.pipeline_execution_id or "", _Attached(submission))
        attached.open.update(plan.by_id)
        if is_own:
            attached.own.update(plan.by_id)

    def outcomes(self, plan: PipelinePlan, submission: Submission, *, is_own: bool = True) -> Iterator[Outcome]:
        """Follow a pipeline to its end.

        Args:
            plan: The nodes to follow, with their ids in the pipeline. Outcomes of a recorded submission name the tier
                that the node was sent with; none if that is not known.
            submission: The submission that started the pipeline.
            is_own: Whether they are the attempt's own nodes.

        Yields:
            The outcome of each node as it ends, with its details if they arrive in time.

        Raises:
            DunePipelineTimeout: The pipeline took too long; the own nodes in all attached pipelines are cancelled.
            DuneError: The pipeline could not be followed.
        """
        self.attach(plan, submission, is_own=is_own)
        pipeline = submission.pipeline_execution_id or ""
        self._attached[pipeline].is_followed = True
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
                self._note_ended(pipeline, outcomes)
                yield from self._detailed(outcomes)
        except DunePipelineTimeout:
            self._cancel()
            raise

    def _note_ended(self, pipeline: str, outcomes: Iterable[Outcome]) -> None:
        open_ = self._attached[pipeline].open
        open_.difference_update(outcome.node.id for outcome in outcomes)
        if not open_:
            del self._attached[pipeline]

    def _detailed(self, outcomes: list[Outcome]) -> Iterable[Outcome]:
        return self._details.added(outcomes) if self._details else outcomes

    def interrupted(self) -> None:
        """Cancel if a user terminated the run, or if no run can take over. A deploy or an eviction cancels nothing."""
        if not self._attached:
            return
        try:
            terminated = is_terminated(self._instance, self._run_id)
        except DunePipelineError as error:
            terminated = False
            self._log.warning("Whether somebody has terminated the run is not known. %s", error)
        if terminated:
            self._cancel()
        elif ends_with_process(self._instance):
            names = ", ".join(self._attached)
            self._log.info("This instance ends with the process, so that nobody could take pipeline %s over.", names)
            self._cancel()
        else:
            self._log_still_running()

    def _log_still_running(self) -> None:
        for attached in self._attached.values():
            # A run that only waited for the answer of a gate takes over nothing when it is retried.
            run_id = self._run_id if attached.own else attached.submission.run_id
            arguments = (attached.pipeline, run_id, attached.pipeline)
            if attached.is_followed:
                self._log.warning(STILL_RUNNING, *arguments)
                write_to_terminal(STILL_RUNNING % arguments)
            else:
                self._log.warning(MAY_BE_RUNNING, *arguments)
                write_to_terminal(MAY_BE_RUNNING % arguments)
        self._attached.clear()

    def _cancel(self) -> None:
        """Cancel the attempt's own nodes in each attached pipeline, and log what may still run."""
        pipelines = list(self._attached.values())
        if not self._settings.cancel_on_termination:
            for attached in pipelines:
                pipeline = attached.pipeline
                self._log.warning(
                    "Pipeline %s is left to Dune (cancel_on_termination is off). To stop it: dagster-dune cancel %s",
                    pipeline,
                    pipeline,
                )
        elif pipelines:
            with ThreadPoolExecutor(len(pipelines), thread_name_prefix="dune-stop") as threads:
                list(threads.map(self._stop, pipelines))
        self._attached.clear()

    def _stop(self, attached: _Attached) -> None:
        log, pipeline = SerializedLog(self._log), attached.pipeline
        size = attached.submission.size
        remains = cancel_pipeline(self._brief_client, attached.plan, pipeline, log, size=size)
        if remains.own:
            log.warning("These may still run in pipeline %s, and cost: %s.", pipeline, ", ".join(remains.own))
        if remains.others:
            log.warning(
                "Pipeline %s may go on running on Dune with what this run has not selected: %s. To stop that too: "
                "dagster-dune cancel %s",
                pipeline,
                ", ".join(remains.others),
                pipeline,
            )
        if not remains.own and not remains.others:
            log.info("Pipeline %s is stopped.", pipeline)

    def has_ended(self, submission: Submission) -> bool:
        """Whether the pipeline of a submission has ended. A run that succeeded has followed its pipeline to the end.

        Raises:
            DunePipelineError: Dune does not know the pipeline.
            DuneApiError: Its status could not be read.
        """
        has_ended = self._has_ended(submission)
        if has_ended:
            self._attached.pop(submission.pipeline_execution_id or "", None)
        return has_ended

    def _has_ended(self, submission: Submission) -> bool:
        return self._has_succeeded(submission) or self._asked(has_ended, submission)

    def _has_succeeded(self, submission: Submission) -> bool:
        run = read_with_retries(lambda: self._instance.get_run_by_id(submission.run_id))
        return run is not None and run.is_success

    def _asked(self, ask: Callable[..., T], submission: Submission) -> T:
        try:
            polling = self._settings.polling
            return ask(self._client, submission.pipeline_execution_id or "", polling=polling, log=self._log)
        except DuneNotFoundError as error:
            raise unknown_pipeline(submission) from error

    def await_end(self, submission: Submission) -> None:
        """Wait until the pipeline of a submission has ended.

        Raises:
            DunePipelineError: Nothing changes in the pipeline any more, or Dune does not know it.
            DuneApiError: Its status could not be read.
        """
        pipeline = submission.pipeline_execution_id or ""
        self._log.info("Waiting for the end of pipeline %s, before anything of it runs anew.", pipeline)
        if not self._has_succeeded(submission):
            self._asked(await_end, submission)
        self._attached.pop(pipeline, None)


def unknown_pipeline(submission: Submission) -> DunePipelineError:
    """Return the error for a pipeline that Dune does not know."""
    return DunePipelineError(
        f"Dune does not know pipeline {submission.pipeline_execution_id}, which run {submission.run_id} started "
        f"at {submission.at:%Y-%m-%d %H:%M:%S} UTC.",
        hint="The key may be another team's, or the base URL another server's. If nothing of it still runs on "
        f"Dune, retry with the run tag {RESUBMIT_TAG}={submission.id}, which starts anew.",
    )
