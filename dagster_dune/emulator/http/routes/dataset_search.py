"""Searches datasets by words and by contracts."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.http.routes.common import answer, column_overview, local_dune, read_body
from dagster_dune.emulator.http.routes.datasets import outlines
from dagster_dune.emulator.local_dune import LocalDune
from dagster_dune.emulator.requests import DatasetSearch, DatasetSearchByContract, RequestError

CATEGORIES = {"dune_table": "canonical", "decoded_table": "decoded", "spell": "spell"}
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


async def search_datasets(request: Request) -> Response:
    """Find datasets with all words of a text in their names or descriptions, and that match all filters."""
    dune, body = local_dune(request), await read_body(request, DatasetSearch)
    found = [outline for outline in await outlines(dune) if _matches(outline, body, dune.account.team)]
    if body.contract_address is not None:
        found = await _of_contract(dune, found, body.contract_address)
    return await _page(dune, found, body)


async def search_datasets_by_contract(request: Request) -> Response:
    """Find tables with rows of a contract, which have its address in the column ``contract_address``."""
    dune, body = local_dune(request), await read_body(request, DatasetSearchByContract)
    found = await _of_contract(dune, await outlines(dune), body.contract_address)
    return await _page(dune, [outline for outline in found if _is_on(outline, body.blockchains)], body)


def _matches(outline: dict[str, Any], body: DatasetSearch, team: str) -> bool:
    text = f"{outline['full_name']} {outline['metadata'].get('description', '')}".lower()
    is_own = outline["owner"]["handle"] == team
    return (
        all(word in text for word in (body.query or "").lower().split())
        and (not body.categories or _category(outline) in body.categories)
        and (not body.dataset_types or outline["type"] in body.dataset_types)
        and (not body.schemas or outline["full_name"].rpartition(".")[0] in body.schemas)
        and _is_on(outline, body.blockchains)
        and (body.owner_scope in (None, "all") or is_own)
        and (body.include_private is not False or not outline["is_private"])
    )


def _category(outline: dict[str, Any]) -> str:
    return CATEGORIES.get(outline["type"], "community")


def _is_on(outline: dict[str, Any], blockchains: tuple[str, ...] | None) -> bool:
    """Return whether the name of a dataset's schema begins with one of the blockchains."""
    schema = outline["full_name"].partition(".")[0]
    return not blockchains or any(schema == chain or schema.endswith(f"_{chain}") for chain in blockchains)


async def _of_contract(dune: LocalDune, found: list[dict[str, Any]], address: str) -> list[dict[str, Any]]:
    if not ADDRESS.fullmatch(address):
        raise RequestError(400, f"contract_address: {address!r} is no address, which is 0x and 40 hexadecimal digits")
    names = await asyncio.to_thread(dune.engine.tables_of_contract, bytes.fromhex(address[2:]))
    return [outline for outline in found if outline["full_name"] in names]


async def _page(
    dune: LocalDune, found: list[dict[str, Any]], body: DatasetSearch | DatasetSearchByContract
) -> Response:
    end = body.offset + body.limit
    has_more = end < len(found)
    pagination = {"limit": body.limit, "offset": body.offset, "has_more": has_more}
    results = [await _result(dune, outline, body) for outline in found[body.offset : end]]
    return answer(total=len(found), results=results, pagination=pagination | ({"next_offset": end} if has_more else {}))


async def _result(
    dune: LocalDune, outline: dict[str, Any], body: DatasetSearch | DatasetSearchByContract
) -> dict[str, Any]:
    description = outline["metadata"].get("description")
    result = {
        "full_name": outline["full_name"],
        "category": _category(outline),
        "dataset_type": outline["type"],
        "visibility": "private" if outline["is_private"] else "public",
        "owner_scope": "team" if outline["owner"]["handle"] == dune.account.team else "all",
    }
    if description:
        result["description"] = description
    if body.include_schema:
        result["schema"] = await asyncio.to_thread(column_overview, dune.engine, outline["full_name"])
    if isinstance(body, DatasetSearch) and body.include_metadata:
        result["metadata"] = outline["metadata"]
    return result


routes = [
    Route("/datasets/search", search_datasets, methods=["POST"]),
    Route("/datasets/search-by-contract", search_datasets_by_contract, methods=["POST"]),
]
