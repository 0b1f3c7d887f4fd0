"""Follow a submitted pipeline until every node has settled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dagster_dune._formatting import abbreviated
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import deadline
from dagster_dune.api.errors import (
    DuneApiError,
    DuneConnectionError,
    DuneNotFoundError,
    DuneRateLimitError,
    DuneServerError,
)
from dagster_dune.api.http.rate_budget import Purpose, reads_for
from dagster_dune.api.models import PipelineStatus
from dagster_dune.errors import DunePipelineError, DunePipelineTimeout
from dagster_dune.pipeline.nodes import PipelinePlan
from dagster_dune.pipeline.progress import Progress
from dagster_dune.pipeline.settle import Outcome, Settlement
from dagster_dune.pipeline.states import phase_of, phase_of_execution

BACKOFF = 1.5
MIN_TIMEOUT = 1.0
"""The seconds that a status request gets at least, however little time the run has left."""

TRANSIENT = (DuneConnectionError, DuneServerError, DuneRateLimitError)


@dataclass(frozen=True)
class Polling:
    """How a pipeline is followed. All times are in seconds.

    Attributes:
        interval: From one status answer to the next request, after something changed.
        max_interval: From one status answer to the next request, after nothing changed for long.
        stall_timeout: How long nothing may change before the run gives up, leaving the pipeline to Dune.
        failure_tolerance: How long status requests may fail before the run gives up.
        not_found_tolerance: How long Dune may not know the pipeline, from the first such answer on.
        timeout: How long the pipeline may take, from the first request on; any time if None.
    """

    interval: float = 1.0
    max_interval: float = 10.0
    stall_timeout: float = 3600.0
    failure_tolerance: float = 600.0
    # Assumption: young-pipeline.
    not_found_tolerance: float = 10.0
    timeout: float | None = None


def follow(
    client: DuneApiClient,
    plan: PipelinePlan,
    pipeline_execution_id: str,
    *,
    polling: Polling,
    log: logging.Logger,
    names: Mapping[str, str] | None = None,
    size: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Outcome]]:
    """Poll a pipeline until every node of its plan has settled.

    One status request a poll, whatever the number of nodes. Polls come quickly after a change and back off after that.

    Args:
        client: The client for all requests.
        plan: The nodes to follow.
        pipeline_execution_id: The id that Dune answered with.
        polling: How often to poll, and how long to tolerate failures.
        log: Logs progress and warnings.
        names: The asset keys of objects, as users know them, by SQL name; other objects are named by their SQL names.
        size: How many nodes the pipeline has; as many as the plan if None.
        clock: Returns the time in seconds.
        sleep: Waits for some seconds.

    Yields:
        The outcomes of the nodes that settled since the last poll, in the plan's order.

    Raises:
        DunePipelineError: Nothing changed for `stall_timeout`, or the pipeline is another than the plan's.
        DunePipelineTimeout: The pipeline took longer than `timeout`.
        DuneApiError: Status requests failed for longer than `failure_tolerance`, or Dune refused one.
    """
    settlement = Settlement(plan, size)
    poller = _Poller(client, pipeline_execution_id, polling, log, clock)
    logged_words = set[str]()
    progress = Progress(log, pipeline_execution_id, clock, names)
    wait = polling.interval
    started_at = changed_at = answered_at = clock()
    while not settlement.done:
        sleep(max(0.0, answered_at + wait - clock()))  # storing outcomes takes its time, which counts too
        now = clock()
        with deadline(_request_timeout(polling, now - started_at, now - changed_at)):
            status = poller.read_status()
        answered_at = clock()
        if status is not None:
            outcomes = settlement.update(status)
            if settlement.replaced:
                raise _of_another(settlement.replaced, pipeline_execution_id)
            _log_unknown_statuses(settlement, logged_words, log)
            with reads_for(Purpose.POLLING):
                outcomes += _read_doubtful(client, settlement, log)
            progress.log(settlement)
            if outcomes:
                yield outcomes
        if status is not None and settlement.changed:
            wait, changed_at = polling.interval, clock()
        else:
            wait = min(wait * BACKOFF, max(polling.max_interval, polling.interval))
        if not settlement.done and clock() - changed_at > polling.stall_timeout:
            raise _stalled(pipeline_execution_id, polling.stall_timeout, f"; still open: {_open(settlement)}")
        if not settlement.done and polling.timeout is not None and clock() - started_at > polling.timeout:
            raise _timed_out(settlement, pipeline_execution_id, polling.timeout)


def _request_timeout(polling: Polling, running: float, unchanged: float) -> float:
    """Return how long a status request may take with all its retries: no longer than the run has time left."""
    left = [polling.stall_timeout - unchanged]
    if polling.timeout is not None:
        left.append(polling.timeout - running)
    return max(MIN_TIMEOUT, min(left))


def has_ended(client: DuneApiClient, pipeline_execution_id: str, *, polling: Polling, log: logging.Logger) -> bool:
    """Return whether a pipeline has ended, tolerating failures like `follow`.

    Args:
        client: The client for all requests.
        pipeline_execution_id: The id that Dune answered with.
        polling: How often to poll, and how long to tolerate failures.
        log: Logs warnings.

    Raises:
        DuneNotFoundError: Dune has not known the pipeline for `not_found_tolerance`.
        DuneApiError: Status requests failed for `failure_tolerance`.
    """
    poller = _Poller(client, pipeline_execution_id, polling, log, time.monotonic)
    return _is_over(client, _status(poller, polling))


def await_end(client: DuneApiClient, pipeline_execution_id: str, *, polling: Polling, log: logging.Logger) -> None:
    """Wait until a pipeline has ended, with the arguments and errors of `has_ended`.

    Raises:
        DunePipelineError: Nothing changed for `stall_timeout`.
    """
    poller = _Poller(client, pipeline_execution_id, polling, log, time.monotonic)
    before, changed_at = None, time.monotonic()
    while not _is_over(client, status := _status(poller, polling)):
        if status != before:
            before, changed_at = status, time.monotonic()
        elif time.monotonic() - changed_at > polling.stall_timeout:
            raise _stalled(pipeline_execution_id, polling.stall_timeout)
        time.sleep(polling.max_interval)


def _status(poller: _Poller, polling: Polling) -> PipelineStatus:
    wait = polling.interval
    while (status := poller.read_status()) is None:
        time.sleep(wait)
        wait = min(wait * BACKOFF, max(polling.max_interval, polling.interval))
    return status


def _is_over(client: DuneApiClient, status: PipelineStatus) -> bool:
    if not phase_of(status.status, status.error).has_ended:
        return False
    # Dune may report a pipeline as failed at its first failed node, while other nodes still run or are queued.
    progresses = [node.progress for node in status.node_executions if node.progress]
    open_ids = [node.execution_id for node in progresses if not phase_of(node.status, node.error).has_ended]
    return not any(_runs(client, execution_id) for execution_id in open_ids if execution_id)


def _runs(client: DuneApiClient, execution_id: str) -> bool:
    """Return whether an execution runs or is queued by its own status; True if its status cannot be read now."""
    try:
        execution = client.get_execution_status(execution_id)
    except DuneNotFoundError:
        return False
    except TRANSIENT:
        return True
    return not phase_of_execution(execution).has_ended


class _Poller:
    """Reads the status of a pipeline, and tolerates failures for some time."""

    def __init__(
        self,
        client: DuneApiClient,
        pipeline_execution_id: str,
        polling: Polling,
        log: logging.Logger,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._id = pipeline_execution_id
        self._polling = polling
        self._log = log
        self._clock = clock
        self._answered_at = clock()
        self._unknown_since: float | None = None

    def read_status(self) -> PipelineStatus | None:
        """Return the status, or None if it could not be read this time."""
        try:
            with reads_for(Purpose.POLLING):
                status = self._client.get_pipeline_status(self._id)
        except (*TRANSIENT, DuneNotFoundError) as error:
            if not self._is_tolerable(error):
                raise
            self._log.warning("The status of pipeline %s could not be read; asking again. %s", self._id, error)
            return None
        self._answered_at, self._unknown_since = self._clock(), None
        return status

    def _is_tolerable(self, error: DuneApiError) -> bool:
        if isinstance(error, DuneNotFoundError):
            self._unknown_since = self._clock() if self._unknown_since is None else self._unknown_since
            return self._clock() - self._unknown_since <= self._polling.not_found_tolerance
        return self._clock() - self._answered_at <= self._polling.failure_tolerance


def _log_unknown_statuses(settlement: Settlement, logged: set[str], log: logging.Logger) -> None:
    for word in settlement.unknown_statuses.keys() - logged:
        logged.add(word)
        name = settlement.unknown_statuses[word]
        log.warning("Dune says %r about %s, which is no word we know; its execution is asked instead.", word, name)


def _read_doubtful(client: DuneApiClient, settlement: Settlement, log: logging.Logger) -> list[Outcome]:
    """Read the executions of nodes whose status in the pipeline is doubtful. Return the outcomes that this settles."""
    outcomes = []
    for node, execution_id in settlement.doubtful():
        try:
            outcomes += settlement.update_node(node, client.get_execution_status(execution_id))
        except (*TRANSIENT, DuneNotFoundError) as error:
            log.warning("The execution of %s could not be asked; asking again. %s", node.label, error)
    return outcomes


def _of_another(replaced: Mapping[str, str], pipeline_execution_id: str) -> DunePipelineError:
    pairs = [f"{name} in place of {label}" for label, name in replaced.items()]
    return DunePipelineError(
        f"Pipeline {pipeline_execution_id} is not the one that was sent: it runs {abbreviated(pairs)}.",
        hint="If its id stands in the run tag dagster-dune/adopt, look for the right one on dune.com.",
    )


def _stalled(pipeline_execution_id: str, seconds: float, open_nodes: str = "") -> DunePipelineError:
    return DunePipelineError(
        f"Nothing changed in pipeline {pipeline_execution_id} for {seconds:g} s{open_nodes}.",
        hint="It may go on running on Dune. Raise stall_timeout if your executions take longer.",
    )


def _timed_out(settlement: Settlement, pipeline_execution_id: str, seconds: float) -> DunePipelineTimeout:
    return DunePipelineTimeout(
        f"Pipeline {pipeline_execution_id} has not ended within {seconds:g} s; still open: {_open(settlement)}.",
        hint="Raise run_timeout if your executions take longer.",
    )


def _open(settlement: Settlement) -> str:
    return abbreviated(node.label for node in settlement.open_nodes)
