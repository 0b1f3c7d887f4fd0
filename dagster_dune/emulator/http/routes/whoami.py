"""The owner of the API key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_dune.emulator.http.routes.common import answer

CUSTOMER = "team_1"
USER = 1
KEY_ID = "01JB0000000000000000000000"


async def whoami(_: Request) -> Response:
    """Return the team of the key, its creator and its id, which are constant."""
    return answer(customer_id=CUSTOMER, created_by=USER, api_key_id=KEY_ID)


routes = [Route("/whoami", whoami)]
