"""Creates the temporary objects of `doctor --execute` on an account, and deletes them.

Their names tell them from the user's objects: names of queries begin with `QUERY_MARK`, names of matviews with
`MATVIEW_MARK`. So the next run can delete the objects of a run that was killed, without a record of them. Objects of
another run are not deleted until that run has certainly ended: see `dagster_dune.doctor.owners`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from dagster_dune._formatting import counted
from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneNotFoundError
from dagster_dune.doctor.owners import Owner
from dagster_dune.errors import DuneError
from dagster_dune.pipeline.states import phase_of_execution

QUERY_MARK = "dagster-dune doctor: "
T = TypeVar("T")

ARCHIVED_NAME = "(archived) dagster-dune doctor"
MATVIEW_MARK = "result_dagster_dune_doctor_"


class BudgetSpentError(DuneError):
    """The executions have cost as many credits as the user allows."""


class TemporaryObjects:
    """Creates private queries and matviews, and executes SQL.

    Args:
        client: The client.
        max_credits: The limit of the cost of all executions; no execution is started once they have cost as much.
        interval: The seconds between two polls.
        timeout: The maximum duration of one execution in seconds.
    """

    def __init__(
        self, client: DuneApiClient, *, max_credits: float | None, interval: float = 1.0, timeout: float = 300.0
    ) -> None:
        self.client = client
        self.interval = interval
        self.timeout = timeout
        self.tier: str | None = None
        self._max_credits = max_credits
        self.owner = Owner()
        self._running: set[str] = set()
        self._costs: dict[str, float] = {}

    @property
    def credits(self) -> float:
        """The cost of the executions so far."""
        return sum(self._costs.values())

    # --- creating ---

    def query(self, name: str, sql: str, parameters: Sequence[models.Parameter] = ()) -> int:
        """Save a private query."""
        title = f"{QUERY_MARK}{name} {self.owner.mark}"
        return self.client.create_query(title, sql, parameters=parameters or None, is_private=True).query_id

    def matview(self, query_id: int) -> models.MaterializedViewWritten:
        """Create a private matview of a query, which Dune refreshes at once."""
        self.check_budget()
        return self.client.upsert_materialized_view(
            f"{MATVIEW_MARK}{self.owner.mark}", query_id, is_private=True, performance=self.tier
        )

    # --- executing ---

    def check_budget(self) -> None:
        """Check that another execution may start.

        Raises:
            BudgetSpentError: The executions have cost `max_credits`.
        """
        if self._max_credits is not None and self.credits >= self._max_credits:
            raise BudgetSpentError(f"{self.credits:g} credits are spent, and --max-credits is {self._max_credits:g}")

    def run_sql(self, sql: str) -> models.ExecutionStatus:
        """Execute SQL that is not saved, and wait until the execution ends."""
        self.check_budget()
        return self.wait_for_end(self.client.execute_sql(sql, self.tier).execution_id)

    def wait_for_end(self, execution_id: str) -> models.ExecutionStatus:
        """Wait until an execution ends.

        Raises:
            DuneError: It takes too long.
        """
        self._running.add(execution_id)
        status = self.wait(lambda: self.client.get_execution_status(execution_id), _has_ended)
        self.record(execution_id, status)
        return status

    def record(self, execution_id: str, status: models.ExecutionStatus | None = None) -> models.ExecutionStatus:
        """Record the cost of an execution, and whether it has ended."""
        status = status or self.client.get_execution_status(execution_id)
        self._costs[execution_id] = status.execution_cost_credits or 0.0
        if _has_ended(status):
            self._running.discard(execution_id)
        return status

    def watch(self, execution_id: str) -> None:
        """Record a running execution, so that it is cancelled if the doctor is stopped."""
        self._running.add(execution_id)

    def wait(self, read: Callable[[], T], is_good: Callable[[T], bool]) -> T:
        """Poll until a condition holds.

        Raises:
            DuneError: It takes too long.
        """
        end = time.monotonic() + self.timeout
        while True:
            found = read()
            if is_good(found):
                return found
            if time.monotonic() > end:
                raise DuneError(f"it did not come about within {self.timeout:g} s")
            time.sleep(self.interval)

    # --- deleting ---

    def clear(self) -> list[str]:
        """Cancel running executions, and delete the objects of this run and of runs that have ended.

        Returns:
            Descriptions of what was deleted.
        """
        for execution_id in sorted(self._running):
            _ignoring_errors(partial(self.client.cancel_execution, execution_id))
        self._running.clear()
        try:
            cleared = clear_account(self.client, self.owner)
        except BaseException:
            self.owner.give_up()
            raise
        self.owner.close()
        return cleared


def clear_account(client: DuneApiClient, owner: Owner) -> list[str]:
    """Delete the doctor's matviews, then archive its queries, except those of a run that may still go on.

    Args:
        client: The client.
        owner: The run that deletes.

    Returns:
        Descriptions of what was deleted, and of how much was left to other runs.
    """
    all_matviews = [
        view.sql_id
        for view in client.list_materialized_views()
        if view.sql_id.rpartition(".")[2].startswith(MATVIEW_MARK)
    ]
    matviews = [name for name in all_matviews if owner.may_clear(name)]
    for name in matviews:
        try:
            client.delete_materialized_view(name)
        except DuneNotFoundError:  # a first attempt has lost its answer
            continue
    all_queries = [query for query in client.list_queries() if (query.name or "").startswith(QUERY_MARK)]
    queries = [query.id for query in all_queries if owner.may_clear(query.name or "")]
    for query_id in queries:
        client.update_query(query_id, name=ARCHIVED_NAME, is_archived=True)
    left = len(all_matviews) - len(matviews) + len(all_queries) - len(queries)
    counts = {
        counted(len(matviews), "materialized view deleted", "materialized views deleted"): matviews,
        counted(len(queries), "query archived", "queries archived"): queries,
        f"{left} left to a doctor that may still run": left,
    }
    return [words for words, some in counts.items() if some]


def _has_ended(status: models.ExecutionStatus) -> bool:
    return phase_of_execution(status).has_ended


def _ignoring_errors(action: Callable[[], object]) -> None:
    try:
        action()
    except DuneError:
        return
