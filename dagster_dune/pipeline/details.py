"""Details of ended nodes (rows, columns, credits): one more status request for each node, which delays no event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from threading import Condition

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import pause, seconds_left
from dagster_dune.api.errors import DuneRateLimitError
from dagster_dune.api.http.rate_budget import Purpose
from dagster_dune.api.models import ExecutionStatus
from dagster_dune.api.pool import RequestPool
from dagster_dune.api.waiting import wait_for
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.pipeline.settle import Outcome

READERS = 8
ATTEMPTS = 2
MAX_DELAY_SECONDS = 1.0
"""How long the outcomes of one status answer may wait for details that are being read, whatever the timeout."""

OVER_BUDGET = "Dune's rate limit leaves no room for them."
LATER = "An observation tells them, if Dune does before the run ends."


@dataclass(eq=False)
class _Read:
    """The status request for the details of one outcome, which is not sent yet, sent, or answered."""

    outcome: Outcome
    execution_id: str
    is_needed: bool
    is_sent: bool = False
    done: Future[ExecutionStatus] = field(init=False)


class Details:
    """Adds to each outcome the status of its execution, read by a few threads in the background. A context manager.

    An outcome waits for its details only while they are being read. If the rate budget does not allow the read yet, or
    Dune is slow, the outcome is yielded without details, and these follow after the last event.

    Args:
        client: A client that does not retry: these reads give way to all others.
        timeout: The seconds that details may be waited for after the last event, and before an event that needs them.
        needs: Whether the event of a node needs its details.
    """

    def __init__(
        self, client: DuneApiClient, timeout: float, needs: Callable[[PlannedNode], bool] = lambda _: False
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._needs = needs
        self._pools = ExitStack()
        self._readers = self._pools.enter_context(RequestPool(READERS, "dune-details"))
        # Other readers may wait for the rate budget. Needed details, which do not, must not queue behind them.
        self._readers_of_needed = self._pools.enter_context(RequestPool(READERS, "dune-needed-details"))
        self._changed = Condition()
        self._budget_free_at = -float("inf")
        self._late: list[_Read] = []

    def __enter__(self) -> Details:
        return self

    def __exit__(self, *_: object) -> None:
        self._pools.close()

    def added(self, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """Yield the same outcomes in the same order, with their details or the reason why these are missing."""
        begin = time.monotonic()
        for outcome, read in [(outcome, self._start(outcome)) for outcome in outcomes]:
            if read is None:
                yield outcome
                continue
            max_delay = self._timeout if read.is_needed else min(self._timeout, MAX_DELAY_SECONDS)
            reason = self._wait_for(read, max_delay, begin)
            if reason is None:
                yield _with_details(read)
            else:
                self._late.append(read)
                yield replace(outcome, details_missing=f"{reason} {LATER}")

    def rest(self) -> Iterator[Outcome]:
        """Yield the outcomes again that lacked their details, with these or with the reason why there are none."""
        ends_at = time.monotonic() + self._timeout
        late, self._late = self._late, []
        while late:
            ready = {read for read in late if read.done.done()}
            late = [read for read in late if read not in ready]
            yield from (_with_details(read) for read in ready)
            if time.monotonic() >= ends_at or (self._budget_free_at > ends_at and not any(r.is_sent for r in late)):
                break
            with self._changed:
                self._changed.wait_for(lambda: any(r.done.done() for r in late) or self._budget_free_at > ends_at, 0.5)  # noqa: B023
        for read in late:
            read.done.cancel()
            missing = f"Dune did not tell them within {self._timeout:g} s." if read.is_sent else OVER_BUDGET
            yield replace(read.outcome, details_missing=missing)

    def _start(self, outcome: Outcome) -> _Read | None:
        if outcome.execution_id is None:
            return None
        read = _Read(outcome, outcome.execution_id, self._needs(outcome.node))
        readers = self._readers_of_needed if read.is_needed else self._readers
        read.done = readers.start(self._status, read)
        read.done.add_done_callback(lambda _: self._notify())
        return read

    def _wait_for(self, read: _Read, max_delay: float, begin: float) -> str | None:
        """Wait for details that are being read. Return why they are late, or None if they have arrived."""

        def is_over_budget() -> bool:
            return self._budget_free_at > time.monotonic() and not read.is_sent and not read.is_needed

        with self._changed:
            left = max(0.0, begin + max_delay - time.monotonic())
            wait_for(self._changed, lambda: read.done.done() or is_over_budget(), left)
            if read.done.done():
                return None
            return OVER_BUDGET if is_over_budget() else f"Dune did not tell them within {max_delay:g} s."

    def _status(self, read: _Read) -> ExecutionStatus:
        """Read details once the rate budget allows it. Needed details wait only after an answer 429."""
        for attempt in range(ATTEMPTS):
            if attempt or not read.is_needed:
                self._wait_for_budget()
            read.is_sent = True
            try:
                # Assumption: node-credits.
                return self._client.get_execution_status(read.execution_id)
            except DuneRateLimitError:  # the budget has recorded it
                read.is_sent = False
        raise DuneError("Dune's rate limit was reached.")

    def _wait_for_budget(self) -> None:
        while (wait := self._client.rate_budget.seconds_to_wait(Purpose.DETAILS)) > 0:
            self._budget_free_at = time.monotonic() + wait
            self._notify()
            pause(wait)
            if seconds_left() <= 0:
                raise DuneError(OVER_BUDGET)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _with_details(read: _Read) -> Outcome:
    try:
        return replace(read.outcome, details=read.done.result(timeout=0))
    except DuneError as error:
        missing = str(error)
    except Exception as error:
        missing = f"They cannot be read ({type(error).__name__})."
    return replace(read.outcome, details_missing=missing)
