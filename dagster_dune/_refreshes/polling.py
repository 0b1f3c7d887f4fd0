"""Looking for refreshes on Dune within a budget, a few assets at a time, each in its turn.

A look costs no credits: a matview names its latest executions, a query its latest result, of which one value is read.
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


class BudgetExhausted(Exception):  # noqa: N818  (it is how a look ends, and no error)
    """The budget is used up, or Dune asks for a pause.

    Attributes:
        is_rate_limited: Whether Dune refused the last request because there were too many.
    """

    def __init__(self, reason: str, *, is_rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.is_rate_limited = is_rate_limited


class RequestBudget:
    """How many requests may still be sent, and for how long.

    Args:
        requests: The number of requests.
        seconds: How long the first of them may lie back.
        clock: Says the time in seconds.
    """

    def __init__(self, requests: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = self._left = requests
        self._seconds = seconds
        self._clock = clock
        self._deadline = clock() + seconds

    def spend(self, request: Callable[[], AnswerT]) -> AnswerT:
        """Send one request.

        Raises:
            BudgetExhausted: The budget is used up, or Dune cannot be asked any more for now.
            DuneApiError: Dune refused this request; the next may do well.
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
    """How far one tick came.

    Attributes:
        found: The refreshes that may be news, by asset.
        looked: How many assets were looked at to the end.
        next: The name of the asset that is next.
        reason: Why it ended before all assets were looked at; empty if it did not.
    """

    found: Sequence[tuple[ObservedAsset, Sequence[Refresh]]]
    looked: int
    next: str
    reason: str


class RefreshPoller:
    """Looks at assets, as many as a budget allows.

    Args:
        client: The client; one that does not repeat its requests.
        instance: Where the event log is.
        budget: What may be spent.
        log: Where problems of single assets are told.
    """

    def __init__(
        self, client: DuneApiClient, instance: dg.DagsterInstance, budget: RequestBudget, log: logging.Logger
    ) -> None:
        self._client = client
        self._instance = instance
        self._budget = budget
        self._log = log

    def poll(self, assets: Sequence[ObservedAsset], start: str) -> PollingRound:
        """Look at each asset once, until the budget ends.

        Where it ends within an asset, that one is next, unless it used up the whole budget: its turn is over then, and
        it goes on in the next round.

        Args:
            assets: What to look at, sorted by name.
            start: The name to begin at, or after it if it is gone.

        Returns:
            How far it came.

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
                self._look(asset, refreshes)
            except BudgetExhausted as over:
                turn_is_over = number == 0 and not over.is_rate_limited
                return PollingRound(found, number, order[(number + turn_is_over) % len(order)].name, str(over))
            except DuneAuthenticationError:
                raise
            except DuneApiError as error:
                self._log.warning("%s could not be looked at: %s", asset.name, error)
        return PollingRound(found, len(order), order[0].name, "")

    def _look(self, asset: ObservedAsset, refreshes: list[Refresh]) -> None:
        """Add the executions that have ended and that the event log does not know, each as soon as it is read."""
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
    """Write where the next tick begins."""
    return json.dumps({"version": CURSOR_VERSION, "next": polling_round.next})


def start_of(cursor: str | None, log: logging.Logger) -> str:
    """Read where a tick begins.

    A cursor that cannot be read costs nothing but fairness, since what was told already stands in the event log: the
    round begins anew.
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
