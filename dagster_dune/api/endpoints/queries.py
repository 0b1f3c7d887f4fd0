"""Saved queries, and executing them: https://docs.dune.com/api-reference/queries. They need the Analyst plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagster_dune.api import models
from dagster_dune.api.endpoints.base import PAGE_SIZE, Endpoints, execution_options, given, query_number

SAVED_TWICE = "It may have been saved, so it was not sent again. Look for it among your queries on dune.com."


class Queries(Endpoints):
    """Reads, writes and executes queries."""

    def list_queries(self) -> Iterator[models.QueryOverview]:
        """Read an overview of every query of the account, page by page: ``GET /v1/queries``. No credits.

        An item that cannot be read is left out, with a warning.

        Raises:
            DunePermissionError: The plan has no query endpoints.
            DuneApiError: A page could not be read, or the pages do not end.
        """

        def read(offset: int) -> models.QueryList:
            return self._read(models.QueryList, "v1/queries", {"limit": PAGE_SIZE, "offset": offset})

        for page in self._pages("v1/queries", read, lambda offset, page: page.next_after(offset, PAGE_SIZE)):
            yield from page.queries

    def get_query(self, query_id: int) -> models.SavedQuery:
        """Read one saved query, its SQL, its name and its parameters: ``GET /v1/query/{id}``. No credits.

        Raises:
            DuneNotFoundError: There is no query of this id.
            DunePermissionError: It is private and belongs to another owner, or the plan has no query endpoints.
            DuneApiError: It could not be read.
        """
        number = query_number(query_id)
        return self._read_about(number, "query_id", models.SavedQuery, f"v1/query/{number}")

    def create_query(
        self,
        name: str,
        query_sql: str,
        *,
        description: str | None = None,
        parameters: Sequence[models.Parameter] | None = None,
        tags: Sequence[str] | None = None,
        is_private: bool | None = None,
        is_temp: bool | None = None,
    ) -> models.QueryWritten:
        """Save a new query: ``POST /v1/query``. No credits. Sent once: Dune would save a second one.

        Args:
            name: Its title.
            query_sql: DuneSQL, with ``{{name}}`` for parameters.
            description: What it is for.
            parameters: Its parameters with their defaults.
            tags: Labels.
            is_private: Whether only the owner may read it.
            is_temp: Whether the query is temporary. A matview cannot be made of such a query.

        Raises:
            AmbiguousSubmission: Dune may have saved it; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was saved.
        """
        body = _fields(name, query_sql, description, parameters, tags, is_private) | given(is_temp=is_temp)
        return self._submit(models.QueryWritten, "v1/query", body, hint=SAVED_TWICE)

    def update_query(
        self,
        query_id: int,
        *,
        name: str | None = None,
        query_sql: str | None = None,
        description: str | None = None,
        parameters: Sequence[models.Parameter] | None = None,
        tags: Sequence[str] | None = None,
        is_private: bool | None = None,
        is_archived: bool | None = None,
    ) -> models.QueryWritten:
        """Change the given fields of a saved query: ``PATCH /v1/query/{id}``. No credits.

        After a change of the SQL the query has no latest result until it is executed again.

        Raises:
            DuneNotFoundError: There is no query of this id.
            DuneApiError: Dune refused it, or could not be reached.
        """
        body = _fields(name, query_sql, description, parameters, tags, is_private) | given(is_archived=is_archived)
        return self._change(models.QueryWritten, "PATCH", f"v1/query/{query_number(query_id)}", body)

    def archive_query(self, query_id: int) -> models.QueryWritten:
        """Archive a query, so that it can neither be executed nor changed: ``POST /v1/query/{id}/archive``. No credits.

        Raises:
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._switch(query_id, "archive")

    def unarchive_query(self, query_id: int) -> models.QueryWritten:
        """Take a query out of the archive: ``POST /v1/query/{id}/unarchive``. No credits.

        Raises:
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._switch(query_id, "unarchive")

    def make_query_private(self, query_id: int) -> models.QueryWritten:
        """Let only the owner read a query: ``POST /v1/query/{id}/private``. No credits.

        Raises:
            DuneCreditsExhaustedError: The plan allows no more private queries.
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._switch(query_id, "private")

    def make_query_public(self, query_id: int) -> models.QueryWritten:
        """Let everyone read a query: ``POST /v1/query/{id}/unprivate``. No credits.

        Raises:
            DuneApiError: Dune refused it, or could not be reached.
        """
        return self._switch(query_id, "unprivate")

    def execute_query(
        self,
        query_id: int,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.ExecutionSubmitted:
        """Execute one saved query, and refresh nothing that it reads: ``POST /v1/query/{id}/execute``.

        Credits: those of the execution, also where it fails.

        Args:
            query_id: The query.
            performance: The engine tier; the plan's default if None.
            query_parameters: Values of its parameters; Dune's saved defaults if empty.

        Raises:
            AmbiguousSubmission: Dune may have started it; it was not sent again.
            DunePermissionError: It is archived, or may not be executed with this key.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        body = execution_options(performance, query_parameters)
        return self._submit(models.ExecutionSubmitted, f"v1/query/{query_number(query_id)}/execute", body)

    def execute_sql(
        self,
        sql: str,
        performance: models.Performance | None = None,
        query_parameters: Mapping[str, Any] | None = None,
    ) -> models.ExecutionSubmitted:
        """Execute SQL that is not saved: ``POST /v1/sql/execute``. Credits: those of the execution.

        Raises:
            AmbiguousSubmission: Dune may have started it; it was not sent again.
            DuneApiError: Dune refused it, or could not be reached; nothing was started.
        """
        body = {"sql": sql} | execution_options(performance, query_parameters)
        return self._submit(models.ExecutionSubmitted, "v1/sql/execute", body)

    def _switch(self, query_id: int, what: str) -> models.QueryWritten:
        return self._change(models.QueryWritten, "POST", f"v1/query/{query_number(query_id)}/{what}")


def _fields(
    name: str | None,
    query_sql: str | None,
    description: str | None,
    parameters: Sequence[models.Parameter] | None,
    tags: Sequence[str] | None,
    is_private: bool | None,
) -> dict[str, Any]:
    return given(
        name=name,
        query_sql=query_sql,
        description=description,
        parameters=None
        if parameters is None
        else [parameter.model_dump(mode="json", exclude_none=True, by_alias=True) for parameter in parameters],
        tags=None if tags is None else list(tags),
        is_private=is_private,
    )
