"""What `doctor --execute` makes on an account, and how it is taken away again, by whichever run comes next.

Everything is told from what the user has by its name: queries begin with `QUERY_MARK`, matviews have `MATVIEW_MARK`
in theirs. So nothing has to be written down before it is made, and a run that was killed is cleared by the next one.
What another run has made is left to that one until it has surely ended: see `dagster_dune.doctor.owners`.
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
    """What the user allows has been used."""


class TemporaryObjects:
    """Makes private queries and matviews, and executes.

    Args:
        client: The client.
        max_credits: What all executions together may cost; nothing is begun once they have cost as much.
        interval: The seconds between two looks.
        timeout: The seconds that one execution may take.
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
        """What the executions have cost that are known to have ended."""
        return sum(self._costs.values())

    # --- making ---

    def query(self, name: str, sql: str, parameters: Sequence[models.Parameter] = ()) -> int:
        """Save a private query."""
        title = f"{QUERY_MARK}{name} {self.owner.mark}"
        return self.client.create_query(title, sql, parameters=parameters or None, is_private=True).query_id

    def matview(self, query_id: int) -> models.MaterializedViewWritten:
        """Make a private matview of a query, which refreshes it at once."""
        self.check_budget()
        return self.client.upsert_materialized_view(
            f"{MATVIEW_MARK}{self.owner.mark}", query_id, is_private=True, performance=self.tier
        )

    # --- executing ---

    def check_budget(self) -> None:
        """Let another execution begin.

        Raises:
            BudgetSpentError: They have cost what they may.
        """
        if self._max_credits is not None and self.credits >= self._max_credits:
            raise BudgetSpentError(f"{self.credits:g} credits are spent, and --max-credits is {self._max_credits:g}")

    def run_sql(self, sql: str) -> models.ExecutionStatus:
        """Execute SQL that is not saved, and wait for its end."""
        self.check_budget()
        return self.ended(self.client.execute_sql(sql, self.tier).execution_id)

    def ended(self, execution_id: str) -> models.ExecutionStatus:
        """Wait for the end of an execution.

        Raises:
            DuneError: It takes too long.
        """
        self._running.add(execution_id)
        status = self.wait(lambda: self.client.get_execution_status(execution_id), _has_ended)
        self.note(execution_id, status)
        return status

    def note(self, execution_id: str, status: models.ExecutionStatus | None = None) -> models.ExecutionStatus:
        """Take down what an execution cost."""
        status = status or self.client.get_execution_status(execution_id)
        self._costs[execution_id] = status.execution_cost_credits or 0.0
        if _has_ended(status):
            self._running.discard(execution_id)
        return status

    def watch(self, execution_id: str) -> None:
        """Remember an execution that runs, so that it is cancelled where the doctor is stopped."""
        self._running.add(execution_id)

    def wait(self, read: Callable[[], T], is_good: Callable[[T], bool]) -> T:
        """Look until something is as it should be.

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

    # --- taking away ---

    def clear(self) -> list[str]:
        """Cancel what runs, and take away everything that this run or one that has ended has made.

        Returns:
            What was taken away, in words.
        """
        for execution_id in sorted(self._running):
            _quietly(partial(self.client.cancel_execution, execution_id))
        self._running.clear()
        try:
            cleared = clear_account(self.client, self.owner)
        except BaseException:
            self.owner.give_up()
            raise
        self.owner.close()
        return cleared


def clear_account(client: DuneApiClient, owner: Owner) -> list[str]:
    """Delete matviews of the doctor's, then archive its queries, but for those of a run that may go on.

    Args:
        client: The client.
        owner: The run that clears.

    Returns:
        What was taken away, and how much was left to others, in words.
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


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except DuneError:
        return
