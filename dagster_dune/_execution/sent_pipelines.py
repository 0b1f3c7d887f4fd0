"""Pipelines that were sent: what becomes of their nodes, whether they have ended, and how they are stopped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg

from dagster_dune._execution.interrupts import InTurn, ends_with_process, is_terminated, tell_terminal
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
from dagster_dune.pipeline.run import follow, has_ended
from dagster_dune.pipeline.settle import Outcome

GOES_ON = (
    "Pipeline %s goes on running on Dune. To take it over, retry run %s from failure; "
    "to stop it: dagster-dune cancel %s"
)
MAY_GO_ON = (
    "Pipeline %s, which was to be followed next, may go on running on Dune. To take it over, retry run %s from "
    "failure; to stop it: dagster-dune cancel %s"
)


@dataclass
class _Attached:
    """A pipeline that the attempt is attached to.

    Attributes:
        submission: What started it.
        own: By its id there, each node that is the attempt's own.
        open: The ids of the nodes that are waited for, and have not ended.
        is_followed: Whether it is followed already.
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
    """The pipelines that the attempts of a step have sent, and those of them that this attempt is attached to.

    An attempt follows one pipeline at a time. What ends it early is the end of all that it is attached to.

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
        self._attached: dict[str, _Attached] = {}

    @contextmanager
    def cancelled_on_interrupt(self) -> Iterator[None]:
        """Cancel what the attempt is attached to where something interrupts it, wherever in this block that is.

        It belongs into the outermost generator: those within see nothing of an interrupt that finds them suspended.
        """
        try:
            yield
        except Exception:
            raise
        except BaseException:  # Dagster's termination, and the closing of a generator, are no Exceptions
            uninterrupted(self.interrupted)
            raise

    def attach(self, plan: PipelinePlan, submission: Submission, *, is_own: bool = True) -> None:
        """Know that the end of nodes is waited for.

        Args:
            plan: The nodes, with their ids in the pipeline.
            submission: What started it.
            is_own: Whether they are the attempt's own, which are cancelled when it is interrupted.
        """
        attached = self._attached.setdefault(submission.pipeline_execution_id or "", _Attached(submission))
        attached.open.update(plan.by_id)
        if is_own:
            attached.own.update(plan.by_id)

    def outcomes(self, plan: PipelinePlan, submission: Submission, *, is_own: bool = True) -> Iterator[Outcome]:
        """Follow a pipeline to its end.

        Args:
            plan: Those of its nodes that are followed, with their ids there. What another attempt has sent is told with
                the tier that it was sent with, or with none where that is not known.
            submission: What started it.
            is_own: Whether they are the attempt's own.

        Yields:
            The outcome of each node as it ends, with its details where these can be had in time.

        Raises:
            DunePipelineTimeout: It took too long, and is cancelled with all others that the attempt is attached to.
            DuneError: It could not be followed.
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
        """Cancel where a user has asked for it, or nobody could take over. A deploy or an eviction cancels nothing."""
        if not self._attached:
            return
        if is_terminated(self._instance, self._run_id):
            self._cancel()
        elif ends_with_process(self._instance):
            names = ", ".join(self._attached)
            self._log.info("This instance ends with the process, so that nobody could take pipeline %s over.", names)
            self._cancel()
        else:
            self._tell_going_on()

    def _tell_going_on(self) -> None:
        for attached in self._attached.values():
            # Who has only waited for the answer of a gate takes nothing over when it is tried again.
            run_id = self._run_id if attached.own else attached.submission.run_id
            words = (attached.pipeline, run_id, attached.pipeline)
            if attached.is_followed:
                self._log.warning(GOES_ON, *words)
                tell_terminal(GOES_ON % words)
            else:
                self._log.warning(MAY_GO_ON, *words)
                tell_terminal(MAY_GO_ON % words)
        self._attached.clear()

    def _cancel(self) -> None:
        """Cancel the attempt's own nodes in every pipeline that it is attached to, and tell what goes on."""
        every = list(self._attached.values())
        if not self._settings.cancel_on_termination:
            for attached in every:
                pipeline = attached.pipeline
                self._log.warning(
                    "Pipeline %s is left to Dune (cancel_on_termination is off). To stop it: dagster-dune cancel %s",
                    pipeline,
                    pipeline,
                )
        elif every:
            with ThreadPoolExecutor(len(every), thread_name_prefix="dune-stop") as threads:
                list(threads.map(self._stop, every))
        self._attached.clear()

    def _stop(self, attached: _Attached) -> None:
        log, pipeline = InTurn(self._log), attached.pipeline
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
        """Whether the pipeline of a submission has ended. A run that succeeded has followed it to its end.

        Raises:
            DunePipelineError: Dune does not know it.
            DuneApiError: Its status could not be read.
        """
        has_ended = self._has_ended(submission)
        if has_ended:
            self._attached.pop(submission.pipeline_execution_id or "", None)
        return has_ended

    def _has_ended(self, submission: Submission) -> bool:
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
