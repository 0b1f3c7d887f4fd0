"""What a finished node read, made and cost: one extra read a node, which must never hold its outcome up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from types import TracebackType

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneRateLimitError
from dagster_dune.api.models import ExecutionStatus
from dagster_dune.api.rate_budget import Purpose
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.settle import Outcome

READERS = 8


class Details:
    """Adds to each outcome the status of its execution, read by a few threads at once. A context manager.

    Args:
        client: A client that does not repeat its requests: these reads give way to all others.
        timeout: The seconds that an outcome may wait for its details.
        clock: The time in seconds.
    """

    def __init__(self, client: DuneApiClient, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._timeout = timeout
        self._clock = clock
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="dune-details")

    def __enter__(self) -> Details:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)

    def added(self, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """Yield the same outcomes in the same order, with their details or the reason why these are missing."""
        deadline = self._clock() + self._timeout
        reads = [
            (outcome, self._readers.submit(self._read, outcome.execution_id) if outcome.execution_id else None)
            for outcome in outcomes
        ]
        for outcome, read in reads:
            yield self._joined(outcome, read, deadline) if read else outcome

    def _read(self, execution_id: str) -> ExecutionStatus:
        if self._client.rate_budget.seconds_to_wait(Purpose.DETAILS):
            raise DuneError("Dune's rate limit leaves no room for them.")
        try:
            return self._client.get_execution_status(execution_id)
        except DuneRateLimitError as error:  # which the budget has learned from
            raise DuneError("Dune's rate limit was reached.") from error

    def _joined(self, outcome: Outcome, read: Future[ExecutionStatus], deadline: float) -> Outcome:
        try:
            details = read.result(timeout=max(0.0, deadline - self._clock()))
        except FutureTimeoutError:
            read.cancel()
            return replace(outcome, details_missing=f"Dune did not tell them within {self._timeout:g} s.")
        except DuneError as error:
            return replace(outcome, details_missing=str(error))
        except Exception as error:
            return replace(outcome, details_missing=f"They cannot be read ({type(error).__name__}).")
        return replace(outcome, details=details)
