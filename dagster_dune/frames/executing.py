"""Starts one execution, sends it only once, waits for it, and cancels it if the waiting is interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from numbers import Real
from threading import Event, Thread
from typing import Protocol, TypeAlias

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import deadline, until_set
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.api.interrupts import uninterrupted
from dagster_dune.api.models import ExecutionStatus, ExecutionSubmitted
from dagster_dune.api.waiting import result_of
from dagster_dune.errors import DuneConfigurationError, DuneError, DuneResultError
from dagster_dune.paging.options import check_kinds
from dagster_dune.pipeline.cancel import CANCEL_SECONDS
from dagster_dune.pipeline.run import TRANSIENT, Polling
from dagster_dune.pipeline.states import Phase, phase_of, phase_of_execution

OnEnd: TypeAlias = Callable[[str, ExecutionStatus], None]
"""A function that is called with the id and the status of an execution."""

FIRST_POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 5.0
POLL_GROWTH = 1.5


class Log(Protocol):
    """A logger, such as Dagster's."""

    def info(self, msg: str, *args: object) -> object:
        """Log a message."""

    def warning(self, msg: str, *args: object) -> object:
        """Log a warning."""


@dataclass(frozen=True)
class Waiting:
    """How an execution is waited for. All times are in seconds.

    Attributes:
        max_poll_interval: The longest pause between two status requests; the first pauses are shorter.
        failure_tolerance: The time for which status requests may fail before the waiting ends.
        not_found_tolerance: The time for which Dune may answer that it does not know the execution.
        timeout: The time after which the execution is cancelled; no limit if None.

    Raises:
        DuneConfigurationError: One of them is no number of seconds that can be waited for.
    """

    max_poll_interval: float = MAX_POLL_SECONDS
    failure_tolerance: float = Polling.failure_tolerance
    # Assumption: young-pipeline.
    not_found_tolerance: float = Polling.not_found_tolerance
    timeout: float | None = None

    def __post_init__(self) -> None:
        check_kinds(self, dict.fromkeys(self.__dataclass_fields__, Real))
        for name, seconds in vars(self).items():
            is_fine = seconds is None or seconds > 0 or (seconds == 0 and name.endswith("tolerance"))
            if not is_fine:
                raise DuneConfigurationError(f"{name} must be a positive number of seconds, not {seconds!r}.")


def execute(
    client: DuneApiClient,
    name: str,
    send: Callable[[], ExecutionSubmitted],
    waiting: Waiting,
    log: Log,
    on_end: OnEnd,
) -> tuple[str, ExecutionStatus]:
    """Start an execution and wait until it has completed.

    Args:
        client: A client of Dune's API.
        name: What is executed, for messages.
        send: Sends the request that starts it.
        waiting: How it is waited for.
        log: The logger for the execution and its credits.
        on_end: Called with its id and its status when it has succeeded, has failed, or was cancelled after the timeout.

    Returns:
        Its id, and its final status.

    Raises:
        AmbiguousSubmission: Dune may have started it; it was not sent again.
        DuneResultError: It failed, was cancelled, or took longer than it may.
    """
    submission = _Submission(send)
    try:
        execution_id = submission.answer().execution_id
        log.info("Dune executes %s as %s.", name, execution_id)
        status = _wait_for_end(client, name, execution_id, waiting, on_end)
    except DuneError:
        raise
    except BaseException:  # an interrupt, or Dagster's termination, which is no Exception
        uninterrupted(lambda: _cancel_started(client, name, submission, log))
        raise
    on_end(execution_id, status)
    phase = phase_of_execution(status)
    if not phase.is_success:
        raise DuneResultError(_failure(name, execution_id, status))
    cost = status.execution_cost_credits
    log.info("%s has completed as %s, for %s credits.", name, execution_id, "unknown" if cost is None else f"{cost:g}")
    if phase is Phase.PARTIAL:
        log.warning("Dune has cut the result of %s short; allow_partial_results=True reads what there is.", name)
    return execution_id, status


class _Submission:
    """A request that is sent in a separate thread, so that an interrupt does not lose the id of the new execution."""

    def __init__(self, send: Callable[[], ExecutionSubmitted]) -> None:
        self._send = send
        self._answer: Future[ExecutionSubmitted] = Future()
        self._is_cancelled = Event()

    def answer(self) -> ExecutionSubmitted:
        """Send the request, and wait for Dune's answer."""
        Thread(target=copy_context().run, args=(self._carry_out,), name="dune-submission").start()
        return result_of(self._answer)

    def started(self) -> str | None:
        """Prevent the request from being sent, or wait for its answer if it is sent already.

        Returns:
            The id of the execution that it has started; None if it was not sent.
        """
        self._is_cancelled.set()
        return None if self._answer.cancel() else result_of(self._answer).execution_id

    def _carry_out(self) -> None:
        if self._answer.set_running_or_notify_cancel():
            try:
                with until_set(self._is_cancelled):
                    answer = self._send()
            except BaseException as error:
                self._answer.set_exception(error)
            else:
                self._answer.set_result(answer)


def _wait_for_end(
    client: DuneApiClient, name: str, execution_id: str, waiting: Waiting, on_end: OnEnd
) -> ExecutionStatus:
    answered = time.monotonic()
    unknown_since: float | None = None
    ends_at = math.inf if waiting.timeout is None else answered + waiting.timeout
    pause = min(FIRST_POLL_SECONDS, waiting.max_poll_interval)
    while True:
        try:
            with deadline(ends_at - time.monotonic()):
                status = client.get_execution_status(execution_id)
            answered, unknown_since = time.monotonic(), None
            if phase_of_execution(status).has_ended:
                return status
        except DuneError as error:
            if isinstance(error, DuneNotFoundError) and unknown_since is None:
                unknown_since = time.monotonic()
            if time.monotonic() < ends_at and not _is_retryable(error, unknown_since, answered, waiting):
                raise DuneResultError(
                    f"Execution {execution_id} of {name} was started, and its status cannot be read: {error}",
                    hint="It may go on running on Dune, and cost. get_result reads it by its id once it has completed.",
                ) from error
        remaining = ends_at - time.monotonic()
        if waiting.timeout is not None and remaining <= 0:
            return _cancel_after_timeout(client, name, execution_id, waiting.timeout, on_end)
        time.sleep(min(pause, remaining))
        pause = min(pause * POLL_GROWTH, waiting.max_poll_interval)


def _is_retryable(error: DuneError, unknown_since: float | None, answered: float, waiting: Waiting) -> bool:
    """Return whether a failed status request is sent again."""
    if isinstance(error, DuneNotFoundError) and unknown_since is not None:
        return time.monotonic() - unknown_since <= waiting.not_found_tolerance
    return isinstance(error, TRANSIENT) and time.monotonic() - answered <= waiting.failure_tolerance


def _cancel_after_timeout(
    client: DuneApiClient, name: str, execution_id: str, seconds: float, on_end: OnEnd
) -> ExecutionStatus:
    """Cancel an execution that takes too long, or return its status if it has ended in the meantime: it is charged for.

    Raises:
        DuneResultError: It was cancelled, or may go on running.
    """
    message = f"Execution {execution_id} of {name} took longer than {seconds:g} s"
    try:
        with deadline(CANCEL_SECONDS):
            is_cancelled, why = client.cancel_execution(execution_id), "Dune did not do it."
    except DuneError as error:
        is_cancelled, why = False, str(error)
    status = None
    with suppress(DuneError), deadline(CANCEL_SECONDS):
        status = client.get_execution_status(execution_id)
    if is_cancelled:
        if status is not None:
            on_end(execution_id, status)
        raise DuneResultError(f"{message} and was cancelled.{_charge(status)}")
    if status is not None and phase_of_execution(status).has_ended:
        return status
    raise DuneResultError(
        f"{message}, and could not be cancelled: {why}",
        hint="It may go on running, and cost: look at it on Dune.",
    )


def _cancel_started(client: DuneApiClient, name: str, submission: _Submission, log: Log) -> None:
    """Cancel the execution if one was started."""
    try:
        execution_id = submission.started()
    except Exception as error:  # an AmbiguousSubmission, say
        log.warning("No execution of %s is known to cancel: %s", name, error)
    else:
        if execution_id is not None:
            _cancel(client, name, execution_id, log)


def _cancel(client: DuneApiClient, name: str, execution_id: str, log: Log) -> None:
    try:
        with deadline(CANCEL_SECONDS):
            is_cancelled = client.cancel_execution(execution_id)
    except DuneError as error:
        log.warning("Execution %s of %s may go on running, it could not be cancelled. %s", execution_id, name, error)
    else:
        action = "was cancelled" if is_cancelled else "had ended, or may go on running"
        log.info("Execution %s of %s %s.", execution_id, name, action)


def _failure(name: str, execution_id: str, status: ExecutionStatus) -> str:
    error = status.error
    message = f": {error.message}" if error and error.message else ""
    place = error.metadata if error else None
    where = f" (line {place.line}, column {place.column})" if place and place.line is not None else ""
    return f"Execution {execution_id} of {name} {_end(status)}{message}{where}.{_charge(status)}"


def _end(status: ExecutionStatus) -> str:
    """Return a text for how an execution without a result has ended."""
    if phase_of(status.state) is Phase.UNKNOWN:
        return f"has ended as {status.state}"
    ends = {Phase.CANCELED: "was cancelled", Phase.EXPIRED: "has expired"}
    return ends.get(phase_of_execution(status), "has failed")


def _charge(status: ExecutionStatus | None) -> str:
    cost = status.execution_cost_credits if status else None
    return "" if cost is None else f" It cost {cost:g} credits."
