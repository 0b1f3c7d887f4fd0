"""Matviews and their schedules."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from dagster_dune.api.models.base import DuneModel, Lenient, Many, Moment, Readable, Text


class MaterializedViewSchedule(DuneModel):
    """When Dune refreshes a matview by itself: a cron expression of five fields, in UTC."""

    cron_expression: Lenient[str | None] = None
    performance: Lenient[str | None] = None
    next_execution_time: Lenient[Moment | None] = None
    expires_at: Lenient[Moment | None] = None


def _as_schedule(value: Any) -> Any:
    """Return a schedule of an unknown form as an empty one, since it is still a schedule."""
    return value if value is None or isinstance(value, dict | MaterializedViewSchedule) else {}


class MaterializedViewInfo(DuneModel):
    """A matview, as listed or fetched; only the latter has `last_execution_ids` and `schedule`.

    `sql_id` is its full name, and identifies it: Dune fills in `id` only for keys of the matview's own team.
    """

    sql_id: str = Field(min_length=1)
    id: Lenient[str | None] = None
    query_id: Lenient[int | None] = None
    is_private: Lenient[bool | None] = None
    table_size_bytes: Lenient[int | None] = None
    last_execution_ids: Lenient[tuple[str, ...] | None] = None
    schedule: Annotated[MaterializedViewSchedule | None, BeforeValidator(_as_schedule)] = None

    @property
    def is_scheduled(self) -> bool | None:
        """Whether Dune refreshes it by itself; None if the answer does not say (a list never does).

        Examples:
            >>> info = MaterializedViewInfo(sql_id="dune.acme.result_x")
            >>> info.is_scheduled, info.model_copy(update={"schedule": None}).is_scheduled
            (None, False)
        """
        return self.schedule is not None if "schedule" in self.model_fields_set else None


class MaterializedViewList(DuneModel):
    """One page of ``GET /v1/materialized-views``."""

    materialized_views: Many[Readable[MaterializedViewInfo]] = ()
    next_offset: int | None = None


class MaterializedViewWritten(DuneModel):
    """The answer to the creation or the change of a matview, which starts a refresh."""

    name: str
    execution_id: Text = None
