"""The queries, matviews and uploads of a team, without their rows, which the engine stores."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dagster_dune.emulator.account.query_parameters import checked_parameters, parameter_values, saved_parameters
from dagster_dune.emulator.dunesql import View
from dagster_dune.emulator.requests import (
    Parameter,
    Performance,
    QueryChange,
    QueryFields,
    RequestError,
    UpsertMaterializedView,
)

MAX_NAME_LENGTH = 128


# Assumptions: local-archived-query, local-several-matviews.
@dataclass(frozen=True)
class Query:
    """A saved query.

    Attributes:
        version: 1, and one more with each change.
        is_archived: Whether it can neither be changed nor executed.
        is_temp: Whether it is temporary: not in lists, and not usable for a matview.
    """

    query_id: int
    name: str
    sql: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    tags: tuple[str, ...] = ()
    is_private: bool = False
    is_archived: bool = False
    version: int = 1
    is_temp: bool = False

    @property
    def view(self) -> View:
        """The view that other queries read."""
        return View(self.sql, parameter_values(self.parameters))

    def check_executable(self) -> None:
        """Check that the query can be executed.

        Raises:
            RequestError: 403.
        """
        if self.is_archived:
            raise RequestError(
                403, "Not allowed to execute query. Query is archived, unsaved or not enough permissions"
            )

    def check_materializable(self) -> None:
        """Check that the query can be that of a matview.

        Raises:
            RequestError: 403, if it is archived; 400, if it is temporary or has parameters.
        """
        self.check_executable()
        if self.is_temp:
            raise RequestError(400, f"Query {self.query_id} is temporary: a materialized view needs a saved query")
        if self.parameters:
            keys = ", ".join(parameter.key for parameter in self.parameters)
            raise RequestError(
                400, f"Query {self.query_id} has parameters ({keys}), which no materialized view can give values"
            )

    def changed(self, fields: QueryFields) -> Query:
        """Return the next version of the query."""
        given = fields.model_dump(
            exclude_none=True, exclude={"query_id", "query_sql", "parameters", "query_parameters"}
        )
        if fields.query_sql is not None:
            given["sql"] = fields.query_sql
        if (parameters := saved_parameters(fields)) is not None:
            given["parameters"] = checked_parameters(parameters)
        return replace(self, **given, version=self.version + 1, updated_at=now())


@dataclass(frozen=True)
class MaterializedView:
    """A matview, by its full name. Its schedule is validated and stored, but the emulator does not run it.

    Attributes:
        expires_at: The end of the schedule in RFC 3339; None if it has none.
    """

    name: str
    query_id: int
    is_private: bool = False
    performance: Performance | None = None
    cron_expression: str | None = None
    expires_at: str | None = None


@dataclass(frozen=True)
class Upload:
    """An uploaded table, by its full name.

    Attributes:
        takes_inserts: Whether rows can be inserted: it was created with a schema, and not as a CSV file.
    """

    name: str
    size_bytes: int
    created_at: datetime
    updated_at: datetime
    is_private: bool = False
    description: str = ""
    takes_inserts: bool = False


@dataclass(frozen=True)
class Charge:
    """Credits that were not spent on an execution."""

    at: datetime
    credits: float
    reason: str


class Account:
    """The queries, matviews and uploads of one team.

    Args:
        team: The handle of the team, which is the middle part of all full names.
    """

    def __init__(self, team: str) -> None:
        self.team = team
        self.queries: dict[int, Query] = {}
        self.materialized_views: dict[str, MaterializedView] = {}
        self.uploads: dict[str, Upload] = {}
        self.charges: list[Charge] = []
        self.endpoints: dict[str, int] = {}

    def clear(self) -> None:
        """Remove everything."""
        self.queries.clear()
        self.materialized_views.clear()
        self.uploads.clear()
        self.charges.clear()
        self.endpoints.clear()

    def query(self, query_id: int) -> Query:
        """Return a query.

        Raises:
            RequestError: 404.
        """
        if query_id not in self.queries:
            raise RequestError(404, "Query not found")
        return self.queries[query_id]

    def view(self, query_id: int) -> View | None:
        """Return the view of a query that other queries read, or None if there is no such query."""
        query = self.queries.get(query_id)
        return query.view if query else None

    def materialized_view(self, name: str) -> MaterializedView:
        """Return a matview by its full name, quoted or not.

        Raises:
            RequestError: 404.
        """
        if materialized_view := self.find_materialized_view(name):
            return materialized_view
        raise RequestError(404, f"Materialized view {name} not found")

    def find_materialized_view(self, name: str) -> MaterializedView | None:
        """Return a matview by its full name, quoted or not, or None if there is none."""
        return self.materialized_views.get(name.replace('"', "").lower())

    def upload(self, name: str) -> Upload:
        """Return an upload by its full name.

        Raises:
            RequestError: 404.
        """
        if name not in self.uploads:
            raise RequestError(404, f"Table {name} not found")
        return self.uploads[name]

    def charge(self, credits_used: float, reason: str) -> None:
        """Add a charge."""
        self.charges.append(Charge(now(), credits_used, reason))

    def save_endpoint(self, slug: str, query_id: int) -> None:
        """Save a custom endpoint, which returns the latest result of a query.

        Raises:
            RequestError: 404, if there is no such query.
        """
        self.endpoints[slug] = self.query(query_id).query_id

    def endpoint(self, handle: str, slug: str) -> int:
        """Return the query id of a custom endpoint.

        Raises:
            RequestError: 404.
        """
        if handle != self.team or slug not in self.endpoints:
            raise RequestError(404, f"Custom endpoint {handle}/{slug} not found")
        return self.endpoints[slug]

    def save_query(self, fields: QueryFields, query_id: int | None = None) -> Query:
        """Save a new query, under the next free id or under the given one."""
        moment = now()
        blank = Query(query_id or max(self.queries, default=0) + 1, "", "", moment, moment, version=0)
        query = replace(blank.changed(fields), updated_at=moment)
        self.queries[query.query_id] = query
        return query

    def update_query(self, query_id: int, fields: QueryChange) -> Query:
        """Change a saved query.

        Raises:
            RequestError: 404, or 400 for parameters that cannot be substituted, for another id in the body, and for an
                archived query that the change leaves archived.
        """
        query = self.query(query_id)
        if fields.query_id not in (None, query_id):
            raise RequestError(400, f"query_id: {fields.query_id} is not the query of the path, {query_id}")
        if query.is_archived and fields.is_archived is not False:
            raise RequestError(400, f"Query {query_id} is archived: unarchive it to change it")
        self.queries[query_id] = query.changed(fields)
        return self.queries[query_id]

    def mark_query(self, query_id: int, *, is_archived: bool | None = None, is_private: bool | None = None) -> Query:
        """Set whether a query is archived and whether it is private; None changes nothing.

        Raises:
            RequestError: 404.
        """
        query = self.query(query_id)
        self.queries[query_id] = replace(
            query,
            is_archived=query.is_archived if is_archived is None else is_archived,
            is_private=query.is_private if is_private is None else is_private,
            updated_at=now(),
        )
        return self.queries[query_id]

    def save_materialized_view(self, fields: UpsertMaterializedView) -> MaterializedView:
        """Create or replace a matview, including its schedule.

        Raises:
            RequestError: 400, if the name is not of Dune's form or is another query's, if there is no such query, or if
                it is temporary or has parameters; 403, if it is archived.
        """
        name = self.full_name("result", fields.name)
        if fields.query_id not in self.queries:
            raise RequestError(400, f"Query {fields.query_id} not found")
        self.queries[fields.query_id].check_materializable()
        before = self.materialized_views.get(name)
        if before and before.query_id != fields.query_id:
            raise RequestError(400, f"Materialized view {name} exists already, for query {before.query_id}")
        view = MaterializedView(
            name=name,
            query_id=fields.query_id,
            is_private=bool(fields.is_private),
            performance=fields.performance,
            cron_expression=fields.cron_expression,
            expires_at=fields.expires_at,
        )
        self.materialized_views[name] = view
        return view

    def full_name(self, kind: str, name: str) -> str:
        """Return the full name of one of the team's tables.

        Args:
            kind: ``"result"`` or ``"dataset"``, which the last part begins with.
            name: The last part.

        Raises:
            RequestError: 400, if the name is not of this kind.
        """
        if not re.fullmatch(rf"{kind}_[a-z0-9_]*[a-z0-9]", name) or len(name) > MAX_NAME_LENGTH:
            raise RequestError(
                400,
                f"{name!r} is no valid name: write {kind}_<name> in lower-case letters, digits and underscores, none "
                f"of these at the end, and {MAX_NAME_LENGTH} characters at the most",
            )
        return f"dune.{self.team}.{name}"


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
