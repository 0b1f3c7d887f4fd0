"""Authenticates requests: by the API key, the Host header and the address of the client."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dagster_dune.emulator.http.journal import CONTROL_PATH


@dataclass(frozen=True)
class Access:
    """The settings of authentication.

    Attributes:
        api_key: The key that clients must send.
        host: The address or name that the server listens on.
        allowed_hosts: Further host names of the server.
    """

    api_key: str
    host: str
    allowed_hosts: frozenset[str] = frozenset()

    def is_own_host(self, header: str) -> bool:
        """Return whether a ``Host`` header names this server.

        Other names are refused, whatever address their DNS entries have, since web pages of those names could read the
        answers. If the server does not listen on loopback alone, all IP addresses are accepted.

        Examples:
            >>> local = Access("key", "127.0.0.1")
            >>> [local.is_own_host(host) for host in ("localhost:8787", "[::1]:80", "192.0.2.1", "evil.example")]
            [True, True, False, False]
            >>> [Access("key", "0.0.0.0").is_own_host(host) for host in ("192.0.2.1:80", "evil.example")]
            [True, False]
        """
        name = (urlsplit(f"//{header}").hostname or "").lower()
        if name == self.host.lower() or name in self.allowed_hosts or is_loopback(name):
            return True
        if is_loopback(self.host):
            return False
        return _is_address(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())


class AuthMiddleware:
    """Requires the API key as Dune does: in the ``X-Dune-Api-Key`` header, or as the query parameter ``api_key``.

    Paths under ``/_emulator/`` are for clients on this machine. Requests with other host names and from other web pages
    are refused, with or without a key.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 401 or 403, or pass the request on."""
        if scope["type"] == "http" and (refusal := self._refusal(Request(scope))):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> JSONResponse | None:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not self._access.is_own_host(host):
            return _error(403, f"Host {host!r} is not this server; name it in allowed_hosts if it is")
        if origin is not None and urlsplit(origin).netloc != host:
            return _error(403, f"Requests from the web page {origin} are refused")
        if request.url.path.startswith(CONTROL_PATH) and not (request.client and is_loopback(request.client.host)):
            return _error(403, f"{CONTROL_PATH} answers the emulator's own machine alone")
        given = request.headers.get("X-Dune-Api-Key") or request.query_params.get("api_key") or ""
        if not hmac.compare_digest(given.encode(), self._access.api_key.encode()):
            return _error(401, "invalid API Key")
        return None


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is loopback.

    Examples:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("192.0.2.1")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
