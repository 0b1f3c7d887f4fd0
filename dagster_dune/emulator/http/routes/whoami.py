"""Who a key belongs to."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.http.routes.common import answer

CUSTOMER = "team_1"
USER = 1
KEY_ID = "01JB0000000000000000000000"


async def whoami(_: Request) -> Response:
    """Name the team of the key, who made it, and its id; an emulator has one of each."""
    return answer(customer_id=CUSTOMER, created_by=USER, api_key_id=KEY_ID)


routes = [Route("/whoami", whoami)]
