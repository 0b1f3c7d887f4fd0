"""Datasets: the sample tables, and the uploads and matviews of the team, with their columns.

Sample tables have no dates of their own; they show the start of the sample data.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_dune.emulator.account.account import MaterializedView, Upload
from dagster_dune.emulator.http.routes.common import (
    PageOptions,
    answer,
    column_overview,
    local_dune,
    owner,
    read_options,
)
from dagster_dune.emulator.local_dune import LocalDune
from dagster_dune.emulator.requests import RequestError

DEFAULT_LIMIT = 50
MAX_LIMIT = 250
TYPES = (
    "transformation_view",
    "transformation_table",
    "uploaded_table",
    "decoded_table",
    "spell",
    "dune_table",
    "materialized_view",
)
RAW_SCHEMAS = ("ethereum",)
SAMPLE_DATE = "2026-05-02T00:00:00+00:00"
SAMPLE_OWNER = "dune"


# Assumption: local-dataset-types.
class DatasetOptions(PageOptions):
    """The requested datasets."""

    owner_handle: str | None = None
    type: str | None = None


async def list_datasets(request: Request) -> Response:
    """List the datasets by name."""
    dune, options = local_dune(request), read_options(request, DatasetOptions)
    types = options.type.split(",") if options.type else TYPES
    if unknown := [name for name in types if name not in TYPES]:
        raise RequestError(400, f"type: {unknown[0]!r} is none of {', '.join(TYPES)}")
    everything = await outlines(dune)
    chosen = [
        outline
        for outline in everything
        if outline["type"] in types and options.owner_handle in (None, outline["owner"]["handle"])
    ]
    end = options.offset + min(options.limit or DEFAULT_LIMIT, MAX_LIMIT)
    page = [await _with_columns(dune, outline) for outline in chosen[options.offset : end]]
    return answer(datasets=page, total=len(chosen))


async def get_dataset(request: Request) -> Response:
    """Return a dataset by its full name."""
    dune, name = local_dune(request), request.path_params["slug"].lower()
    for outline in await outlines(dune):
        if outline["full_name"] == name:
            return JSONResponse(await _with_columns(dune, outline))
    raise RequestError(404, f"Dataset {name} not found")


async def outlines(dune: LocalDune) -> list[dict[str, Any]]:
    """Return all datasets without their columns, by name."""
    samples = [_sample(name) for name in await asyncio.to_thread(dune.engine.sample_tables)]
    uploads = [_upload(upload, dune.account.team) for upload in dune.account.uploads.values()]
    views = [_materialized_view(view, dune) for view in dune.account.materialized_views.values()]
    return sorted(samples + uploads + views, key=lambda outline: str(outline["full_name"]))


def _sample(name: str) -> dict[str, Any]:
    kind = "dune_table" if name.partition(".")[0] in RAW_SCHEMAS else "spell"
    return {
        "full_name": name,
        "type": kind,
        "owner": owner(SAMPLE_OWNER),
        "metadata": {},
        "created_at": SAMPLE_DATE,
        "updated_at": SAMPLE_DATE,
        "is_private": False,
    }


def _upload(upload: Upload, team: str) -> dict[str, Any]:
    return {
        "full_name": upload.name,
        "type": "uploaded_table",
        "owner": owner(team),
        "metadata": {"description": upload.description} if upload.description else {},
        "created_at": upload.created_at.isoformat(),
        "updated_at": upload.updated_at.isoformat(),
        "is_private": upload.is_private,
    }


def _materialized_view(view: MaterializedView, dune: LocalDune) -> dict[str, Any]:
    query = dune.account.query(view.query_id)
    return {
        "full_name": view.name,
        "type": "materialized_view",
        "owner": owner(dune.account.team),
        "metadata": {"description": query.description} if query.description else {},
        "created_at": query.created_at.isoformat(),
        "updated_at": query.updated_at.isoformat(),
        "is_private": view.is_private,
    }


async def _with_columns(dune: LocalDune, outline: dict[str, Any]) -> dict[str, Any]:
    return outline | {"columns": await asyncio.to_thread(column_overview, dune.engine, outline["full_name"])}


routes = [
    Route("/datasets", list_datasets),
    Route("/datasets/{slug}", get_dataset),
]
