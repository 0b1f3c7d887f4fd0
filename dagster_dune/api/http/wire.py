"""Sockets that keep the deadline. The timeouts of httpx are per read, so that an answer in many parts has no limit."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from dagster_dune.api.address import API_PATH, is_loopback
from dagster_dune.api.deadline import CHECK_SECONDS, may_end_early, seconds_left
from dagster_dune.api.key import ApiKey
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.version import __version__

WRITE_BYTES = 2**16


def http_client(api_key: ApiKey, base_url: str, *, keep_alive: bool) -> httpx.Client:
    """Return a client of httpx over sockets that keep the deadline. Each request has its own timeout.

    Args:
        api_key: The key.
        base_url: The address of the API, without ``/api``.
        keep_alive: Whether a connection serves more than one request.
    """
    certificates = _trusted_certificates() if base_url.startswith("https:") else None
    return httpx.Client(
        auth=_ApiKeyAuth(api_key),
        base_url=base_url + API_PATH,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # those of gateways are not kept
        headers={"User-Agent": f"dagster-dune/{__version__}", "Accept-Encoding": "gzip"},
        transport=Wire(certificates, _proxy(base_url), api_key.redacted_bytes, keep_alive=keep_alive),
    )


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """Return the trusted certificates. They are read once per process: that takes longer than a request."""
    return httpx.create_ssl_context()


class _ApiKeyAuth(httpx.Auth):
    """Adds the key to the header of each request when it is sent, so that it is nowhere else."""

    def __init__(self, api_key: ApiKey) -> None:
        self._api_key = api_key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["X-Dune-Api-Key"] = self._api_key.reveal()
        yield request


def _proxy(base_url: str) -> str | None:
    """Return the proxy that the environment names for this address: with a transport of its own, httpx does not."""
    parts = urlsplit(base_url)
    if parts.hostname is None or is_loopback(parts.hostname) or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


class Wire(httpx.BaseTransport):
    """Sends requests through httpcore, and raises its errors unchanged.

    Args:
        verify: The trusted certificates; None without TLS.
        proxy: The address of the proxy, if any.
        redacted: Removes the key from bytes of a server.
        keep_alive: Whether a connection serves more than one request.
    """

    def __init__(
        self, verify: ssl.SSLContext | None, proxy: str | None, redacted: Callable[[bytes], bytes], *, keep_alive: bool
    ) -> None:
        self._redacted = redacted
        settings: dict[str, Any] = {
            "ssl_context": verify,
            "max_connections": 100,
            "max_keepalive_connections": 20 if keep_alive else 0,
            "keepalive_expiry": 5.0,
            "network_backend": _Backend(),
        }
        self._pool = _proxied(proxy, settings) if proxy else httpcore.ConnectionPool(**settings)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return when the headers of its answer have arrived."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        headers = [(self._redacted(name), self._redacted(value)) for name, value in answer.headers]
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer.stream))  # without the reason phrase

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def _proxied(address: str, settings: dict[str, Any]) -> httpcore.ConnectionPool:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        kind = httpcore.SOCKSProxy if proxy.url.scheme.startswith("socks5") else httpcore.HTTPProxy
        return kind(proxy_url=str(proxy.url), proxy_auth=proxy.raw_auth, **settings)
    except RuntimeError as error:
        raise _unusable(str(error), "Install httpx[socks], or name another one in HTTPS_PROXY.") from error
    except (ValueError, httpx.InvalidURL):  # its message may quote a part of the proxy's password
        reason = "it is no address of an HTTP or SOCKS proxy"
        raise _unusable(reason, "Name one in HTTPS_PROXY, such as http://proxy.example.com:3128.") from None


def _unusable(reason: str, hint: str) -> DuneConfigurationError:
    return DuneConfigurationError(f"The proxy that the environment names for Dune cannot be used: {reason}.", hint=hint)


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore.SyncBackend):
    """Opens connections that keep the deadline of their users."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        allowed = _at_most(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, allowed, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes each have a timeout of what is left of the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ends_at = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            allowed = _at_most(ends_at - time.monotonic(), httpcore.ReadTimeout)
            is_last = not may_end_early() or (allowed is not None and allowed <= CHECK_SECONDS)
            try:
                return self._stream.read(max_bytes, allowed if is_last else CHECK_SECONDS)
            except httpcore.ReadTimeout:
                if is_last:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            part = buffer[start : start + WRITE_BYTES]
            self._stream.write(part, _at_most(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        allowed = _at_most(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, allowed))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _at_most(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    shortest = min(math.inf if timeout is None else timeout, seconds_left())
    if shortest <= 0:
        raise late("the deadline has passed")
    return None if shortest == math.inf else shortest
