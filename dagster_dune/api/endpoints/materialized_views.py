"""Matviews: https://docs.dune.com/api-reference/materialized-views."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import PAGE_SIZE, Endpoints, given, segment
from dagster_dune.errors import DuneConfigurationError

PATH = "v1/materialized-views"


class MaterializedViews(Endpoints):
    """Reads, writes and refreshes matviews."""

    def list_materialized_views(self) -> Iterator[models.MaterializedViewInfo]:
        """Read every matview of the account, page by page: ``GET /v1/materialized-views``. No credits.

        Schedules and latest executions are not in the list. An item that cannot be read is left out, with a warning.

        Raises:
            DuneApiError: A page could not be read, or the pages do not end.
        """

        def read(offset: int) -> models.MaterializedViewList:
            return self._read(models.MaterializedViewList, PATH, {"limit": PAGE_SIZE, "offset": offset})

        for page in self._pages(PATH, read, lambda _, page: page.next_offset):
            yield from page.materialized_views

    def get_materialized_view(self, name: str) -> models.MaterializedViewInfo:
        """Read one matview by its full name, ``dune.<team>.result_<name>``: ``GET /v1/materialized-views/{name}``.

        No credits. Its `schedule` is None if it has none, and if Dune's answer lacks it: see `is_scheduled`.

        Raises:
            DuneNotFoundError: There is no matview of this name.
            DuneApiError: It could not be read.
        """
        return self._read(models.MaterializedViewInfo, f"{PATH}/{segment(name)}")

    def upsert_materialized_view(
        self,
        name: str,
        query_id: int,
        *,
        cron_expression: str | None = None,
        performance: models.Performance | None = None,
        is_private: bool | None = None,
        expires_at: datetime | None = None,
    ) -> models.MaterializedViewWritten:
        """Create a matview, or overwrite the one of this name: ``POST /v1/materialized-views``.

        **Everything is overwritten**: what is left out here is not kept but dropped, the schedule first of all, and a
        private matview becomes a public one. Name and query cannot be changed later. Dune refreshes the matview at
        once. Credits: those of that execution.

        Args:
            name: The name without ``dune.<team>.``, such as ``result_daily_volume``: 8 to 128 lower-case letters,
                digits and underscores.
            query_id: The query that returns its rows: saved, of the same owner, without parameters.
            cron_expression: Five fields, in UTC, from every 15 minutes to weekly; never refreshed by Dune if None.
            performance: The engine tier of its refreshes; the plan's default if None.
            is_private: Whether only the owner may read it; it is always sent, as False if None.
            expires_at: When the schedule ends, with a time zone; never if None.

        Returns:
            The full name and the execution that fills it.

        Raises:
            DuneConfigurationError: `expires_at` has no time zone, or there is no schedule that could expire.
            AmbiguousSubmission: Dune may have written and refreshed it; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        if expires_at is not None and (cron_expression is None or expires_at.tzinfo is None):
            raise DuneConfigurationError(
                f"The schedule of {name} cannot expire: expires_at needs a cron_expression and a time zone.",
                hint="Give both, such as expires_at=datetime(2027, 1, 1, tzinfo=UTC).",
            )
        body = given(
            name=name,
            query_id=query_id,
            cron_expression=cron_expression,
            performance=performance,
            is_private=bool(is_private),
            expires_at=expires_at and expires_at.isoformat(),
        )
        return self._submit(models.MaterializedViewWritten, PATH, body)

    def delete_materialized_view(self, name: str) -> models.Message:
        """Delete a matview; its query stays: ``DELETE /v1/materialized-views/{name}``. No credits.

        Raises:
            DuneNotFoundError: There is no such matview. Perhaps a first attempt, whose answer was lost, deleted it.
            DuneApiError: It could not be deleted.
        """
        return self._change(models.Message, "DELETE", f"{PATH}/{segment(name)}")

    def refresh_materialized_view(
        self, name: str, performance: models.Performance | None = None
    ) -> models.ExecutionSubmitted:
        """Refresh one matview, and nothing that it reads: ``POST /v1/materialized-views/{name}/refresh``.

        Credits: those of the execution.

        Raises:
            AmbiguousSubmission: Dune may have started it; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        return self._submit(
            models.ExecutionSubmitted, f"{PATH}/{segment(name)}/refresh", given(performance=performance)
        )
