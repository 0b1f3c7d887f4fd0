"""Who may ask the emulator for what."""

from __future__ import annotations

import hmac
import ipaddress

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dagster_dune.emulator.http.journal import CONTROL_PATH


class AuthMiddleware:
    """Asks for the API key as Dune does: in the ``X-Dune-Api-Key`` header, or as the query parameter ``api_key``.

    What is under ``/_emulator/`` needs no key, but answers clients on this machine alone.
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or hand the request on."""
        if scope["type"] == "http" and (refusal := self._refusal(Request(scope))):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> JSONResponse | None:
        if request.url.path.startswith(CONTROL_PATH):
            if request.client and is_loopback(request.client.host):
                return None
            return JSONResponse({"error": f"{CONTROL_PATH} answers the emulator's own machine alone"}, 403)
        given = request.headers.get("X-Dune-Api-Key") or request.query_params.get("api_key") or ""
        if hmac.compare_digest(given.encode(), self._api_key):
            return None
        return JSONResponse({"error": "invalid API Key"}, 401)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback.

    Examples:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("192.0.2.1")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
