"""Queries: list, read, create, change."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.routes.common import PageOptions, answer, local_dune
from dagster_dune.emulator.wire import NewQuery, QueryFields, read_body, read_options

DEFAULT_LIMIT = 20


async def list_queries(request: Request) -> Response:
    """List the team's queries, the lowest id first."""
    dune, options = local_dune(request), read_options(request, PageOptions)
    queries = [query for _, query in sorted(dune.account.queries.items())]
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
    """Read one query."""
    account = local_dune(request).account
    query = account.query(request.path_params["query_id"])
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
        is_archived=False,
        is_unsaved=False,
    )


async def create_query(request: Request) -> Response:
    """Save a new query."""
    query = local_dune(request).account.save_query(await read_body(request, NewQuery))
    return answer(query_id=query.query_id)


async def update_query(request: Request) -> Response:
    """Change a query."""
    fields = await read_body(request, QueryFields)
    query = local_dune(request).account.update_query(request.path_params["query_id"], fields)
    return answer(query_id=query.query_id)


routes = [
    Route("/queries", list_queries),
    Route("/query", create_query, methods=["POST"]),
    Route("/query/{query_id:int}", get_query),
    Route("/query/{query_id:int}", update_query, methods=["PATCH"]),
]
