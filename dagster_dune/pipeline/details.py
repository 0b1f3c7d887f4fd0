"""Details of finished nodes (rows, columns, credits): one more status request a node, which must delay no event."""

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
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.pipeline.settle import Outcome

READERS = 8
ATTEMPTS = 2
LONGEST_HOLD_SECONDS = 1.0
"""How long the outcomes of one status may be held for details that are on their way, however patient the run is."""

NO_ROOM = "Dune's rate limit leaves no room for them."
LATER = "An observation tells them, if Dune does before the run ends."


@dataclass(eq=False)
class _Read:
    """The status request for the details of one outcome: not sent yet, sent, or answered."""

    outcome: Outcome
    execution_id: str
    is_needed: bool
    is_under_way: bool = False
    done: Future[ExecutionStatus] = field(init=False)


class Details:
    """Adds to each outcome the status of its execution, read by a few threads in the background. A context manager.

    An outcome waits for its details only while these are on their way. Where the budget of reads has no room for them,
    or Dune is slow, the outcome goes on without, and its details are caught up after the last event.

    Args:
        client: A client that does not repeat its requests: these reads give way to all others.
        timeout: The seconds that details may be waited for after the last event, and before an event that needs them.
        needs: Whether the event of a node cannot do without its details.
    """

    def __init__(
        self, client: DuneApiClient, timeout: float, needs: Callable[[PlannedNode], bool] = lambda _: False
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._needs = needs
        self._pools = ExitStack()
        self._readers = self._pools.enter_context(RequestPool(READERS, "dune-details"))
        # Readers wait for room in the budget; what does not wait for it must not stand behind them.
        self._readers_of_needed = self._pools.enter_context(RequestPool(READERS, "dune-needed-details"))
        self._changed = Condition()
        self._room_at = -float("inf")
        self._late: list[_Read] = []

    def __enter__(self) -> Details:
        return self

    def __exit__(self, *_: object) -> None:
        self._pools.close()

    def added(self, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """Yield the same outcomes in the same order, with their details or the reason why these are missing."""
        begin = time.monotonic()
        for outcome, read in [(outcome, self._begin(outcome)) for outcome in outcomes]:
            if read is None:
                yield outcome
                continue
            patience = self._timeout if read.is_needed else min(self._timeout, LONGEST_HOLD_SECONDS)
            reason = self._awaited(read, patience, begin)
            if reason is None:
                yield _joined(read)
            else:
                self._late.append(read)
                yield replace(outcome, details_missing=f"{reason} {LATER}")

    def rest(self) -> Iterator[Outcome]:
        """Yield the outcomes that went on without their details: with these, or with the reason why they have none."""
        ends_at = time.monotonic() + self._timeout
        late, self._late = self._late, []
        while late:
            ready = {read for read in late if read.done.done()}
            late = [read for read in late if read not in ready]
            yield from (_joined(read) for read in ready)
            if time.monotonic() >= ends_at or (self._room_at > ends_at and not any(r.is_under_way for r in late)):
                break
            with self._changed:
                self._changed.wait_for(lambda: any(r.done.done() for r in late) or self._room_at > ends_at, 0.5)  # noqa: B023
        for read in late:
            read.done.cancel()
            missing = f"Dune did not tell them within {self._timeout:g} s." if read.is_under_way else NO_ROOM
            yield replace(read.outcome, details_missing=missing)

    def _begin(self, outcome: Outcome) -> _Read | None:
        if outcome.execution_id is None:
            return None
        read = _Read(outcome, outcome.execution_id, self._needs(outcome.node))
        readers = self._readers_of_needed if read.is_needed else self._readers
        read.done = readers.start(self._status, read)
        read.done.add_done_callback(lambda _: self._tell())
        return read

    def _awaited(self, read: _Read, patience: float, begin: float) -> str | None:
        """Wait for details that are on their way. Return why these are late, or None if they are there."""

        def has_no_room() -> bool:
            return self._room_at > time.monotonic() and not read.is_under_way and not read.is_needed

        with self._changed:
            left = max(0.0, begin + patience - time.monotonic())
            self._changed.wait_for(lambda: read.done.done() or has_no_room(), left)
            if read.done.done():
                return None
            return NO_ROOM if has_no_room() else f"Dune did not tell them within {patience:g} s."

    def _status(self, read: _Read) -> ExecutionStatus:
        """Read them, once there is room. Those that are needed do not wait for it, unless Dune says so."""
        for attempt in range(ATTEMPTS):
            if attempt or not read.is_needed:
                self._wait_for_room()
            read.is_under_way = True
            try:
                # Assumption: node-credits.
                return self._client.get_execution_status(read.execution_id)
            except DuneRateLimitError:  # which the budget has learned from
                read.is_under_way = False
        raise DuneError("Dune's rate limit was reached.")

    def _wait_for_room(self) -> None:
        while (wait := self._client.rate_budget.seconds_to_wait(Purpose.DETAILS)) > 0:
            self._room_at = time.monotonic() + wait
            self._tell()
            pause(wait)
            if seconds_left() <= 0:
                raise DuneError(NO_ROOM)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _joined(read: _Read) -> Outcome:
    try:
        return replace(read.outcome, details=read.done.result(timeout=0))
    except DuneError as error:
        missing = str(error)
    except Exception as error:
        missing = f"They cannot be read ({type(error).__name__})."
    return replace(read.outcome, details_missing=missing)
