"""Uploads: tables created from CSV, or with a schema and inserts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.account.account import Upload, now
from dagster_dune.emulator.engine import tables
from dagster_dune.emulator.engine.table_rows import read_csv, read_ndjson
from dagster_dune.emulator.engine.tables import Record, TableColumn
from dagster_dune.emulator.http.routes.common import (
    PageOptions,
    answer,
    column_overview,
    local_dune,
    owner,
    read_body,
    read_options,
)
from dagster_dune.emulator.local_dune import LocalDune
from dagster_dune.emulator.requests import CreateUpload, RequestError, UploadCsv

MAX_CSV_BYTES = 200_000_000
MAX_INSERT_BYTES = 1_200_000_000
DEFAULT_LIMIT = 50
MAX_LIMIT = 10_000
CREATION_CREDITS = 10.0
CREDITS_PER_GIGABYTE = 3.0
MIN_INSERT_CREDITS = 1.0
READERS: Mapping[str, Callable[[bytes, Sequence[TableColumn]], list[Record]]] = {
    "text/csv": read_csv,
    "application/x-ndjson": read_ndjson,
}


# Assumptions: local-table-credits, local-table-exists, local-table-names.
async def list_uploads(request: Request) -> Response:
    """List the team's uploads by name."""
    dune, options = local_dune(request), read_options(request, PageOptions)
    everything = [upload for _, upload in sorted(dune.account.uploads.items())]
    end = options.offset + min(options.limit or DEFAULT_LIMIT, MAX_LIMIT)
    page = [
        {
            "full_name": upload.name,
            "is_private": upload.is_private,
            "table_size_bytes": str(upload.size_bytes),
            "created_at": upload.created_at.isoformat(),
            "updated_at": upload.updated_at.isoformat(),
            "owner": owner(dune.account.team),
            "columns": await asyncio.to_thread(column_overview, dune.engine, upload.name),
        }
        for upload in everything[options.offset : end]
    ]
    return answer(tables=page, next_offset=end if end < len(everything) else None)


async def create_upload(request: Request) -> Response:
    """Create an empty table. It costs 10 credits."""
    dune = local_dune(request)
    body = await read_body(request, CreateUpload)
    _check_namespace(dune, body.namespace)
    if not re.fullmatch(r"(?!result_)[a-z][a-z0-9_]*", body.table_name):
        raise RequestError(
            400,
            f"table_name: {body.table_name!r} must be lower-case letters, digits and underscores, a letter first, "
            "and not begin with result_",
        )
    name = f"dune.{dune.account.team}.{body.table_name}"
    columns = [TableColumn(column.name, column.type, column.nullable) for column in body.columns]
    async with dune.changing_tables:
        if name in dune.account.uploads:
            raise RequestError(400, f"Table {name} exists already")
        await asyncio.to_thread(dune.engine.change, name, lambda cursor, table: tables.create(cursor, table, columns))
        created = now()
        dune.account.uploads[name] = Upload(
            name, 0, created, created, bool(body.is_private), body.description or "", takes_inserts=True
        )
        dune.account.charge(CREATION_CREDITS, f"creating {name}")
    return answer(
        namespace=body.namespace,
        table_name=body.table_name,
        full_name=name,
        example_query=f"select * from {name} limit 10",  # noqa: S608 - for people to read
        message=f"Table {name} was created",
        already_existed=False,
    )


async def upload_csv(request: Request) -> Response:
    """Create the table ``dune.<team>.dataset_<table_name>``, or replace it."""
    dune = local_dune(request)
    body = await read_body(request, UploadCsv)
    data = body.data.encode(errors="surrogatepass")
    if len(data) > MAX_CSV_BYTES:
        raise RequestError(400, f"data has {len(data)} bytes, but an upload takes {MAX_CSV_BYTES} at the most")
    name = dune.account.full_name("dataset", f"dataset_{body.table_name}")
    async with dune.changing_tables:
        await asyncio.to_thread(dune.engine.create_upload, name, data)
        moment, before = now(), dune.account.uploads.get(name)
        dune.account.uploads[name] = Upload(
            name,
            len(data),
            before.created_at if before else moment,
            moment,
            bool(body.is_private),
            body.description or "",
        )
    return answer(success=True, table_name=body.table_name)


async def insert_rows(request: Request) -> Response:
    """Insert rows into a table with a schema, all or none. It costs 3 credits per GB, at least 1."""
    dune = local_dune(request)
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type not in READERS:
        raise RequestError(400, f"Content-Type: {content_type!r} is neither text/csv nor application/x-ndjson")
    data = await request.body()
    if len(data) > MAX_INSERT_BYTES:
        raise RequestError(400, f"The data has {len(data)} bytes, but an insert takes {MAX_INSERT_BYTES} at the most")
    async with dune.changing_tables:
        upload = _upload(request)
        if not upload.takes_inserts:
            raise RequestError(400, f"Table {upload.name} is a CSV upload; insert into tables that POST /uploads made")
        rows = await asyncio.to_thread(_insert, dune, upload.name, READERS[content_type], data)
        size = await asyncio.to_thread(dune.engine.size_bytes, upload.name)
        dune.account.uploads[upload.name] = replace(upload, size_bytes=size, updated_at=now())
        dune.account.charge(
            max(MIN_INSERT_CREDITS, CREDITS_PER_GIGABYTE * len(data) / 1e9), f"inserting into {upload.name}"
        )
    return answer(name=upload.name, rows_written=rows, bytes_written=len(data))


async def clear_upload(request: Request) -> Response:
    """Remove the rows of a table."""
    dune = local_dune(request)
    async with dune.changing_tables:
        upload = _upload(request)
        await asyncio.to_thread(dune.engine.change, upload.name, tables.clear)
        dune.account.uploads[upload.name] = replace(upload, size_bytes=0, updated_at=now())
    return answer(message=f"Table {_short_name(upload)} successfully cleared")


async def delete_upload(request: Request) -> Response:
    """Delete a table and its rows."""
    dune = local_dune(request)
    async with dune.changing_tables:
        upload = _upload(request)
        del dune.account.uploads[upload.name]
        await asyncio.to_thread(dune.engine.drop, upload.name)
    return answer(message=f"Table {_short_name(upload)} successfully deleted")


def _insert(
    dune: LocalDune, name: str, read: Callable[[bytes, Sequence[TableColumn]], list[Record]], data: bytes
) -> int:
    columns = dune.engine.columns(name)
    records = read(data, columns)
    dune.engine.change(name, lambda cursor, table: tables.insert(cursor, table, columns, records))
    return len(records)


def _upload(request: Request) -> Upload:
    dune = local_dune(request)
    _check_namespace(dune, request.path_params["namespace"])
    return dune.account.upload(f"dune.{dune.account.team}.{request.path_params['table_name']}")


def _short_name(upload: Upload) -> str:
    """Return the name without ``dune``, as in Dune's messages."""
    return upload.name.partition(".")[2]


def _check_namespace(dune: LocalDune, namespace: str) -> None:
    if namespace != dune.account.team:
        raise RequestError(404, f"Namespace {namespace!r} not found: the key belongs to {dune.account.team}")


routes = [
    Route("/uploads", list_uploads),
    Route("/uploads", create_upload, methods=["POST"]),
    Route("/uploads/csv", upload_csv, methods=["POST"]),
    Route("/uploads/{namespace}/{table_name}/insert", insert_rows, methods=["POST"]),
    Route("/uploads/{namespace}/{table_name}/clear", clear_upload, methods=["POST"]),
    Route("/uploads/{namespace}/{table_name}", delete_upload, methods=["DELETE"]),
    # deprecated paths of the same endpoints, which clients still use
    Route("/tables", list_uploads),
    Route("/table/create", create_upload, methods=["POST"]),
    Route("/table/upload/csv", upload_csv, methods=["POST"]),
    Route("/table/{namespace}/{table_name}/insert", insert_rows, methods=["POST"]),
    Route("/table/{namespace}/{table_name}/clear", clear_upload, methods=["POST"]),
    Route("/table/{namespace}/{table_name}", delete_upload, methods=["DELETE"]),
]
