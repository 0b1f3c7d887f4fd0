"""`Job`: the SQL of an execution, the values of its parameters, and the matview that it refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dagster_dune.emulator.account.account import Account, MaterializedView, Query
from dagster_dune.emulator.account.query_parameters import parameter_values
from dagster_dune.emulator.requests import ParameterValues, Performance


@dataclass(frozen=True)
class Job:
    """The work of one execution, which is fixed when it is submitted.

    Attributes:
        query_id: The saved query, or 0 for SQL that is not saved.
        materialized_view: The full name of the matview that is refreshed, None if there is none.
    """

    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    query_id: int = 0
    materialized_view: str | None = None
    performance: Performance = "medium"

    @property
    def target(self) -> int | str:
        """The full name of the matview, or the id of the query if there is no matview."""
        return self.materialized_view or self.query_id


def query_job(query: Query, values: ParameterValues | None = None, performance: Performance | None = None) -> Job:
    """Return the job that executes a query.

    Raises:
        RequestError: 403, if the query is archived; 400, if the values do not fit its parameters.
    """
    query.check_executable()
    return Job(
        sql=query.sql,
        parameters=parameter_values(query.parameters, values),
        query_id=query.query_id,
        performance=performance or "medium",
    )


def refresh_job(account: Account, materialized_view: MaterializedView, performance: Performance | None = None) -> Job:
    """Return the job that refreshes a matview with the saved parameters of its query.

    Raises:
        RequestError: 403, if its query is archived.
    """
    query = account.query(materialized_view.query_id)
    query.check_executable()
    return Job(
        sql=query.sql,
        parameters=parameter_values(query.parameters),
        query_id=query.query_id,
        materialized_view=materialized_view.name,
        performance=performance or materialized_view.performance or "medium",
    )
