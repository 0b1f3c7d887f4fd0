"""Polls Dune for refreshes within a budget of requests: a few assets in each tick, in turn.

Polling costs no credits: a matview lists its latest executions, and of a query's latest result one value is read.
"""

from __future__ import annotations

import bisect
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import dagster as dg

from dagster_dune._refreshes.refresh_events import KnownExecutions, ObservedAsset, Refresh
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import (
    DuneApiError,
    DuneAuthenticationError,
    DuneBadRequestError,
    DuneConnectionError,
    DuneNotFoundError,
    DuneRateLimitError,
)
from dagster_dune.api.models import ExecutionResults
from dagster_dune.catalog.catalog import MaterializedView, Query

CURSOR_VERSION = 1

AnswerT = TypeVar("AnswerT")


class BudgetExhausted(Exception):  # noqa: N818  (it ends a tick, and is no error)
    """The budget is used up, or Dune asks for a pause.

    Attributes:
        is_rate_limited: Whether Dune refused the last request because there were too many.
    """

    def __init__(self, reason: str, *, is_rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.is_rate_limited = is_rate_limited


class RequestBudget:
    """A limit on the number of requests and on the time in which they are sent.

    Args:
        requests: The number of requests.
        seconds: For how long requests may be sent.
        clock: Returns the time in seconds.
    """

    def __init__(self, requests: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = self._left = requests
        self._seconds = seconds
        self._clock = clock
        self._deadline = clock() + seconds

    def spend(self, request: Callable[[], AnswerT]) -> AnswerT:
        """Send one request.

        Raises:
            BudgetExhausted: The budget is used up, or Dune answers no further request for now.
            DuneApiError: Dune refused this request; the next one may succeed.
        """
        if not self._left:
            raise BudgetExhausted(f"this tick's {self._requests} requests are used up")
        if self._clock() >= self._deadline:
            raise BudgetExhausted(f"this tick's {self._seconds:g} seconds are used up")
        self._left -= 1
        try:
            return request()
        except DuneRateLimitError as error:
            raise BudgetExhausted("Dune's rate limit was reached", is_rate_limited=True) from error
        except DuneConnectionError as error:
            raise BudgetExhausted(str(error)) from error


@dataclass(frozen=True)
class PollingRound:
    """The result of one tick.

    Attributes:
        found: By asset, the refreshes that Dagster may not know.
        polled: How many assets were polled completely.
        next: The name of the asset that the next tick begins with.
        reason: Why the tick ended before all assets were polled; empty if all were.
    """

    found: Sequence[tuple[ObservedAsset, Sequence[Refresh]]]
    polled: int
    next: str
    reason: str


class RefreshPoller:
    """Polls as many assets as a budget allows.

    Args:
        client: The client; one that does not repeat its requests.
        instance: The Dagster instance, whose event log names the executions that are known.
        budget: The requests that may be sent.
        log: The logger for problems of single assets.
    """

    def __init__(
        self, client: DuneApiClient, instance: dg.DagsterInstance, budget: RequestBudget, log: logging.Logger
    ) -> None:
        self._client = client
        self._instance = instance
        self._budget = budget
        self._log = log

    def poll(self, assets: Sequence[ObservedAsset], start: str) -> PollingRound:
        """Poll each asset once, until the budget ends.

        If the budget ends within an asset, the next tick begins with that one; but with the one after it if the asset
        alone has used up the whole budget.

        Args:
            assets: The assets, sorted by name.
            start: The name to begin with, or with the one after it if there is no such asset.

        Returns:
            The refreshes found, and where the next tick begins.

        Raises:
            DuneAuthenticationError: Dune does not take the key.
        """
        first = bisect.bisect_left([asset.name for asset in assets], start)
        order = [*assets[first:], *assets[:first]]
        found: list[tuple[ObservedAsset, list[Refresh]]] = []
        for number, asset in enumerate(order):
            refreshes: list[Refresh] = []
            found.append((asset, refreshes))
            try:
                self._poll_asset(asset, refreshes)
            except BudgetExhausted as over:
                turn_is_over = number == 0 and not over.is_rate_limited
                return PollingRound(found, number, order[(number + turn_is_over) % len(order)].name, str(over))
            except DuneAuthenticationError:
                raise
            except DuneApiError as error:
                self._log.warning("%s could not be looked at: %s", asset.name, error)
        return PollingRound(found, len(order), order[0].name, "")

    def _poll_asset(self, asset: ObservedAsset, refreshes: list[Refresh]) -> None:
        """Add the executions that have ended and are not in the event log, each as soon as its status is read."""
        logged = KnownExecutions.read(self._instance, asset.key)
        for execution_id in logged.unknown(self._execution_ids(asset, logged)):
            try:
                status = self._budget.spend(partial(self._client.get_execution_status, execution_id))
            except DuneNotFoundError:
                continue
            refresh = Refresh(execution_id, status)
            if refresh.phase.has_ended:
                refreshes.append(refresh)
            if refresh.phase.is_success and not logged.materialized:
                return

    def _execution_ids(self, asset: ObservedAsset, logged: KnownExecutions) -> Sequence[str]:
        """The latest executions: of a matview the refreshes, of a query the one whose result Dune holds."""
        if isinstance(asset.obj, MaterializedView):
            matview = self._budget.spend(partial(self._client.get_materialized_view, asset.obj.name))
            # Assumption: last-executions.
            return matview.last_execution_ids or ()
        columns = [logged.column] if logged.column else None
        try:
            result = self._latest_result(asset.obj, columns)
        except DuneNotFoundError:  # it was never executed
            return ()
        return [result.execution_id] if result.execution_id else ()

    def _latest_result(self, query: Query, columns: list[str] | None) -> ExecutionResults:
        """One row of a query's latest result, and of that one value where a column is known."""
        read = partial(self._client.get_query_results, query.query_id, limit=1, allow_partial_results=True)
        try:
            return self._budget.spend(partial(read, columns=columns))
        except DuneBadRequestError:
            if columns is None:
                raise
            return self._budget.spend(read)  # the query has lost the column


def cursor_of(polling_round: PollingRound) -> str:
    """Return the cursor that says where the next tick begins."""
    return json.dumps({"version": CURSOR_VERSION, "next": polling_round.next})


def start_of(cursor: str | None, log: logging.Logger) -> str:
    """Read from the cursor where a tick begins.

    With a cursor that cannot be read, the tick begins with the first asset. Nothing is reported twice: the event log
    holds what was reported.
    """
    if not cursor:
        return ""
    try:
        content = json.loads(cursor)
    except json.JSONDecodeError:
        content = None
    match content:
        case {"version": version, "next": str(name)} if version == CURSOR_VERSION:
            return name
    log.warning(
        "The cursor %.200r is not of version %d. The sensor begins with its first asset; nothing is reported twice, "
        "since Dagster's event log says what was.",
        cursor,
        CURSOR_VERSION,
    )
    return ""
