"""Uploads: make a table of a CSV text."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.account import Upload
from dagster_dune.emulator.routes.common import answer, local_dune
from dagster_dune.emulator.wire import RequestError, UploadCsv, read_body

MAX_BYTES = 200_000_000


async def upload_csv(request: Request) -> Response:
    """Create the table ``dune.<team>.dataset_<table_name>``, or replace it."""
    dune = local_dune(request)
    body = await read_body(request, UploadCsv)
    data = body.data.encode()
    if len(data) > MAX_BYTES:
        raise RequestError(400, f"data has {len(data)} bytes, but an upload takes {MAX_BYTES} at the most")
    name = dune.account.full_name("dataset", f"dataset_{body.table_name}")
    async with dune.changing_tables:
        await asyncio.to_thread(dune.engine.create_upload, name, data)
        dune.account.uploads[name] = Upload(name, len(data), bool(body.is_private), body.description or "")
    return answer(success=True, table_name=f"dataset_{body.table_name}")


routes = [Route("/uploads/csv", upload_csv, methods=["POST"])]
