"""Carries out one submission, so that no interrupt separates its intent, its request and its record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import dagster as dg

from dagster_dune._execution.submissions.actions import Action, Close, Intend, Look, NotSent, Policy, Send, Submit, View
from dagster_dune._execution.submissions.protocol import submitting
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord
from dagster_dune._formatting import counted
from dagster_dune.api.models import PipelineSubmitted
from dagster_dune.api.waiting import result_of
from dagster_dune.errors import DunePipelineError
from dagster_dune.metadata import ADOPT_TAG
from dagster_dune.pipeline.nodes import PipelinePlan

LAST_SECONDS = 30.0
"""How long the end of a step waits for an answer to be written down, where that has not worked until then."""


class Sender:
    """Carries out the actions of one `submitting`, in a thread of its own, where no termination interrupts them.

    Args:
        record: Where the submission is written down.
        plan: What is sent.
        send: Sends it; it must not repeat the request where Dune may have started the work.
        look: Reads the run group afresh.
        still_wanted: Whether the run still waits for it: a step process can outlive its run.
        log: The run's log.

    Attributes:
        pipeline: Dune's answer, as soon as there is one.
    """

    def __init__(
        self,
        record: SubmissionRecord,
        plan: PipelinePlan,
        send: Callable[[], PipelineSubmitted],
        look: Callable[[], View],
        still_wanted: Callable[[], bool],
        log: dg.DagsterLogManager,
    ) -> None:
        self._record = record
        self._plan = plan
        self._send = send
        self._look = look
        self._still_wanted = still_wanted
        self._log = log
        self._given_up = threading.Event()
        self._ended = threading.Event()
        self._written: Future[bool] | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="dune-record")
        self.pipeline: str | None = None

    def carry_out(self, action: Submit, policy: Policy) -> bool:
        """Send the plan, unless others of the run group send some of the same nodes.

        Returns:
            Whether it was sent. If not, its intent is withdrawn.

        Raises:
            BaseException: What interrupts this thread; `pipeline` says whether Dune had answered by then.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="dune-submission") as thread:
            actions = submitting(self._record.id, action.digests, action.seen, policy)
            submission = thread.submit(self._walk, actions, action.seen)
            try:
                return result_of(submission)
            except BaseException:
                self._given_up.set()
                wait([submission])
                raise

    def finish(self) -> None:
        """Wait until the answer is written down, for a while; say so where it is not. Then its threads end."""
        try:
            if not self._is_kept():
                self._log.error(
                    "Dagster's storage has not kept that submission %s runs as pipeline %s. A retry needs the run tag "
                    "%s=%s:%s to take it over.",
                    self._record.id,
                    self.pipeline,
                    ADOPT_TAG,
                    self._record.id,
                    self.pipeline,
                )
        finally:
            # Also after an interrupt: a thread that writes on would hold the end of the process up.
            self._ended.set()
            self._writer.shutdown(wait=False)

    def _is_kept(self) -> bool:
        if self._written is None:
            return True
        if not self._written.done():
            self._log.warning("Waiting until Dagster's storage has kept the id of pipeline %s.", self.pipeline)
        try:
            return result_of(self._written, LAST_SECONDS)
        except TimeoutError:
            return False

    def _walk(self, actions: Generator[Action, Any, bool], seen: frozenset[str]) -> bool:
        action = next(actions)
        while True:
            try:
                result = self._do(action, seen)
            except Exception as error:
                # The protocol decides what an error means for the record, and raises it again.
                action = actions.throw(error)
                continue
            try:
                action = actions.send(result)
            except StopIteration as end:
                return bool(end.value)

    def _do(self, action: Action, seen: frozenset[str]) -> object:
        if isinstance(action, Intend):
            return not self._given_up.is_set() and self._record.intend(self._plan, seen)
        if isinstance(action, Look):
            return self._look()
        if isinstance(action, Send):
            return self._request()
        if not isinstance(action, Close):
            raise TypeError(action)
        self._close(action)
        return None

    def _request(self) -> str:
        try:
            is_wanted = not self._given_up.is_set() and self._still_wanted()
        except DunePipelineError as error:
            raise NotSent(f"The pipeline was not sent. {error}") from error
        if not is_wanted:
            raise NotSent("The run has ended before its pipeline was sent, so it was not sent.")
        self.pipeline = self._send().pipeline_execution_id
        self._log.info("Dune runs %s as pipeline %s.", counted(len(self._plan.nodes), "node"), self.pipeline)
        return self.pipeline

    def _close(self, action: Close) -> None:
        if action.state is not State.ANSWERED:
            if not self._record.close(action.state):
                self._log.error(
                    "Dagster's storage has not kept that submission %s is %s.", self._record.id, action.state.value
                )
            return
        # The pipeline is followed meanwhile: what it costs is spent already.
        self._written = self._writer.submit(self._record.close, action.state, action.pipeline_execution_id, self._ended)
