"""Counts the rows with a marker, to find out whether an insert that got no answer has arrived, and how often."""

from __future__ import annotations

import time

from dagster_dune._formatting import counted
from dagster_dune.api.client import DuneApiClient
from dagster_dune.catalog.names import name_in_sql
from dagster_dune.errors import DuneError, DuneUploadError
from dagster_dune.frames.results import Log, get_result, run_sql
from dagster_dune.frames.uploads.budget import CreditBudget

LONGEST_PAUSE = 30.0


class MarkedRows:
    """The rows of a table that carry a marker. Each count of them is a query, which is charged for.

    Args:
        client: A client of Dune's API.
        table: The full name of the table.
        column: The column that holds the marker.
        marker: The marker.
        log: The logger that each count is reported to.
        budget: The credits of the write, which the price of each count is added to and which may forbid another one.
    """

    def __init__(
        self, client: DuneApiClient, table: str, column: str, marker: str, log: Log, budget: CreditBudget
    ) -> None:
        self._client = client
        self._table = table
        self._column = column
        self._marker = marker
        self._log = log
        self._budget = budget

    def exist(self, rows: int) -> bool:
        """Return whether the rows were appended before.

        Args:
            rows: The expected number of rows.

        Raises:
            DuneUploadError: The table has another number of rows with the marker, or they could not be counted.
        """
        found = self._count("Nothing was appended")
        if found == rows > 0:
            message = (
                "%s has %s with the marker %r already, so that nothing was sent. What they hold was not compared: to "
                "write other rows, replace the table, or use another marker."
            )
            self._log.warning(message, self._table, counted(found, "row"), self._marker)
        elif found:
            raise DuneUploadError(
                f"{self._table} has {found:,} rows with the marker {self._marker!r}, not 0 and not the {rows:,} of the "
                "frame.",
                hint="An earlier append was cut short or another one: replace the table, or use another marker.",
            )
        return found == rows

    def have_arrived(self, before: int, rows: int, error: DuneError, settle_seconds: float) -> bool:
        """Wait for the rows of an insert that got no answer, and return whether they arrived.

        Args:
            before: The number of marked rows before the insert.
            rows: The number of rows in the insert.
            error: Why there was no answer.
            settle_seconds: The time after which the insert cannot arrive any more.

        Raises:
            DuneUploadError: Only some of the rows arrived, or they arrived twice, or they could not be counted.
        """
        state = (
            f"{before:,} rows are in, and whether the {rows:,} rows of the insert that got no answer are there is not "
            "known"
        )
        deadline = time.monotonic() + settle_seconds
        self._log.warning("An insert into %s got no answer; its marker is looked for. %s", self._table, error)
        while True:
            is_late = time.monotonic() >= deadline
            found = self._count(state)
            if found == before + rows:
                return True
            if found != before:
                raise DuneUploadError(
                    f"{self._table} has {found:,} rows with the marker {self._marker!r}, where {before:,} or "
                    f"{before + rows:,} could be.",
                    hint="Rows are there twice or in part: replace the table, or delete and append them again.",
                )
            if is_late:
                return False
            time.sleep(min(LONGEST_PAUSE, max(0.05, settle_seconds / 10)))

    def check(self, rows: int) -> None:
        """Check that the table has this number of rows with the marker.

        Raises:
            DuneUploadError: It has more or fewer, or they could not be counted.
        """
        found = self._count(f"All {rows:,} rows were appended")
        if found != rows:
            raise DuneUploadError(
                f"{self._table} has {found:,} rows with the marker {self._marker!r}, but {rows:,} were appended.",
                hint="Rows are there twice or not at all: replace the table.",
            )

    def _count(self, state: str) -> int:
        """Count the rows with the marker.

        Args:
            state: What is known about the table, for the error if they cannot be counted.
        """
        budget = self._budget
        if budget.is_passed_by(budget.count_price):
            why = (
                f"{budget.spent:g} credits are spent of max_credits={budget.most:g}, what is still to be sent costs "
                f"{budget.reserved:g}, and a look costs {budget.count_price:g}."
            )
            raise self._not_counted(state, why)
        sql = f"SELECT count(*) AS n FROM {name_in_sql(self._table)} WHERE {self._column} = '{self._marker}'"  # noqa: S608 - checked by us
        try:
            result = run_sql(self._client, sql, log=self._log)
            budget.add_count(result.credits)
            return int(get_result(self._client, result.execution_id, log=self._log).column("n")[0].as_py())
        except DuneError as error:
            raise self._not_counted(state, str(error)) from error

    def _not_counted(self, state: str, why: str) -> DuneUploadError:
        return DuneUploadError(
            f"The rows of {self._table} with the marker {self._marker!r} could not be counted. {state}: {why}",
            hint="Append the same rows again with the same marker: what is there is counted first."
            + self._budget.spent_sentence,
        )
