"""Matviews: list, read, create or change, delete, refresh."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_dune.emulator.account.account import MaterializedView, now
from dagster_dune.emulator.account.cron import check_cron, next_run
from dagster_dune.emulator.execution.jobs import refresh_job
from dagster_dune.emulator.http.routes.common import PageOptions, answer, local_dune, read_body, read_options
from dagster_dune.emulator.local_dune import LocalDune
from dagster_dune.emulator.requests import RefreshMaterializedView, RequestError, UpsertMaterializedView

MAX_LIMIT = 1_000
SHOWN_EXECUTIONS = 10


# Assumption: local-schedule-times.
async def list_materialized_views(request: Request) -> Response:
    """List the team's matviews by name."""
    dune, options = local_dune(request), read_options(request, PageOptions)
    everything = [view for _, view in sorted(dune.account.materialized_views.items())]
    end = options.offset + min(options.limit or MAX_LIMIT, MAX_LIMIT)
    page = [{"id": "", **_overview(dune, view)} for view in everything[options.offset : end]]
    return answer(materialized_views=page, next_offset=end if end < len(everything) else None)


async def get_materialized_view(request: Request) -> Response:
    """Return a matview, with its schedule and its latest refreshes, the newest first."""
    dune = local_dune(request)
    view = dune.account.materialized_view(request.path_params["name"])
    refreshes = [execution.execution_id for execution in dune.executions.refreshes(view.name)]
    last = {"last_execution_ids": refreshes[: -SHOWN_EXECUTIONS - 1 : -1]}
    return JSONResponse(_overview(dune, view) | last | {"schedule": _schedule(view)})


async def upsert_materialized_view(request: Request) -> Response:
    """Create or change a matview, and refresh it."""
    dune = local_dune(request)
    body = await read_body(request, UpsertMaterializedView)
    if body.cron_expression:
        check_cron(body.cron_expression)
    if body.expires_at is not None:
        _check_expiry(body)
    view = dune.account.save_materialized_view(body)
    execution = dune.executions.submit(refresh_job(dune.account, view))
    return answer(name=view.name, execution_id=execution.execution_id)


async def delete_materialized_view(request: Request) -> Response:
    """Delete a matview and its rows, and cancel running refreshes of it."""
    dune = local_dune(request)
    async with dune.changing_tables:
        view = dune.account.materialized_view(request.path_params["name"])
        del dune.account.materialized_views[view.name]
        await dune.executions.forget_refreshes(view.name)
        await asyncio.to_thread(dune.engine.drop, view.name)
    return answer(message="ok")


async def refresh_materialized_view(request: Request) -> Response:
    """Refresh a matview."""
    dune = local_dune(request)
    body = await read_body(request, RefreshMaterializedView)
    view = dune.account.materialized_view(request.path_params["name"])
    execution = dune.executions.submit(refresh_job(dune.account, view, body.performance))
    return answer(execution_id=execution.execution_id, sql_id=view.name)


def _overview(dune: LocalDune, view: MaterializedView) -> dict[str, Any]:
    refresh = dune.executions.last_refresh(view.name)
    return {
        "sql_id": view.name,
        "query_id": view.query_id,
        "is_private": view.is_private,
        "table_size_bytes": refresh.result_bytes if refresh else 0,
    }


def _schedule(view: MaterializedView) -> dict[str, Any] | None:
    """Return the schedule of a matview, None if it has none or it has expired."""
    moment = now()
    if not view.cron_expression or (view.expires_at and moment >= datetime.fromisoformat(view.expires_at)):
        return None
    schedule = {
        "cron_expression": view.cron_expression,
        "performance": view.performance,
        "next_execution_time": next_run(view.cron_expression, moment).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expires_at": view.expires_at,
    }
    return {name: value for name, value in schedule.items() if value is not None}


def _check_expiry(body: UpsertMaterializedView) -> None:
    if not body.cron_expression:
        raise RequestError(400, "expires_at belongs to a schedule: give a cron_expression too")
    try:
        is_a_moment = datetime.fromisoformat(body.expires_at or "").tzinfo is not None
    except ValueError:
        is_a_moment = False
    if not is_a_moment:
        raise RequestError(400, f"expires_at: {body.expires_at!r} is no time of RFC 3339, such as 2026-12-31T00:00:00Z")


routes = [
    Route("/materialized-views", list_materialized_views),
    Route("/materialized-views", upsert_materialized_view, methods=["POST"]),
    Route("/materialized-views/{name}", get_materialized_view),
    Route("/materialized-views/{name}", delete_materialized_view, methods=["DELETE"]),
    Route("/materialized-views/{name}/refresh", refresh_materialized_view, methods=["POST"]),
]
