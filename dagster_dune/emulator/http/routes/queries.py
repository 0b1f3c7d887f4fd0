"""Queries: list, read, create, change."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.http.routes.common import PageOptions, answer, local_dune, query_id, read_body, read_options
from dagster_dune.emulator.requests import NewQuery, QueryChange

DEFAULT_LIMIT = 20


# Assumption: local-temporary-query.
async def list_queries(request: Request) -> Response:
    """List the team's queries, the lowest id first."""
    dune, options = local_dune(request), read_options(request, PageOptions)
    queries = [query for _, query in sorted(dune.account.queries.items()) if not query.is_temp]
    page = queries[options.offset : options.offset + (options.limit or DEFAULT_LIMIT)]
    overviews = [
        {
            "id": query.query_id,
            "name": query.name,
            "description": query.description,
            "owner": dune.account.team,
            "tags": query.tags,
            "created_at": query.created_at.isoformat(),
            "updated_at": query.updated_at.isoformat(),
        }
        for query in page
    ]
    return answer(queries=overviews, total=len(queries))


async def get_query(request: Request) -> Response:
    """Return a query."""
    account = local_dune(request).account
    query = account.query(query_id(request))
    return answer(
        query_id=query.query_id,
        name=query.name,
        description=query.description,
        query_sql=query.sql,
        query_engine="medium",
        parameters=[parameter.model_dump(mode="json", exclude_none=True) for parameter in query.parameters],
        tags=query.tags,
        version=query.version,
        owner=account.team,
        is_private=query.is_private,
        is_archived=query.is_archived,
        is_unsaved=query.is_temp,
        is_temp=query.is_temp,
    )


async def create_query(request: Request) -> Response:
    """Save a new query."""
    query = local_dune(request).account.save_query(await read_body(request, NewQuery))
    return answer(query_id=query.query_id)


async def update_query(request: Request) -> Response:
    """Change a query."""
    fields = await read_body(request, QueryChange)
    query = local_dune(request).account.update_query(query_id(request), fields)
    return answer(query_id=query.query_id)


async def archive_query(request: Request) -> Response:
    """Archive a query, which can then not be changed and executed."""
    return _marked(request, is_archived=True)


async def unarchive_query(request: Request) -> Response:
    """Unarchive a query."""
    return _marked(request, is_archived=False)


async def make_private(request: Request) -> Response:
    """Make a query private."""
    return _marked(request, is_private=True)


async def make_public(request: Request) -> Response:
    """Make a query public."""
    return _marked(request, is_private=False)


def _marked(request: Request, **marks: bool) -> Response:
    return answer(query_id=local_dune(request).account.mark_query(query_id(request), **marks).query_id)


routes = [
    Route("/queries", list_queries),
    Route("/query", create_query, methods=["POST"]),
    Route("/query/", create_query, methods=["POST"]),  # the path that the official Python client uses
    Route("/query/{query_id}", get_query),
    Route("/query/{query_id}", update_query, methods=["PATCH"]),
    Route("/query/{query_id}/archive", archive_query, methods=["POST"]),
    Route("/query/{query_id}/unarchive", unarchive_query, methods=["POST"]),
    Route("/query/{query_id}/private", make_private, methods=["POST"]),
    Route("/query/{query_id}/unprivate", make_public, methods=["POST"]),
]
