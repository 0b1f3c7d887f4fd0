"""How a request reaches Dune: the key, the retries, and an answer or an error of our own."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Mapping
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from httpx_retries import Retry, RetryTransport
from pydantic import ValidationError

from dagster_dune.api.address import is_loopback
from dagster_dune.api.errors import (
    AmbiguousSubmission,
    DuneConnectionError,
    DuneRateLimitError,
    DuneServerError,
    error_class,
)
from dagster_dune.api.models import DuneModel
from dagster_dune.api.retries import retry_reads, retry_submissions
from dagster_dune.version import __version__

API_PATH = "/api/v1"
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.LocalProtocolError,
)

AnswerT = TypeVar("AnswerT", bound=DuneModel)


class ApiKeyAuth(httpx.Auth):
    """Puts the key into the header of each request as it leaves, and keeps it out of everything else."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["X-Dune-Api-Key"] = self._api_key
        yield request


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """Read them once a process: that takes longer than a request."""
    return httpx.create_ssl_context()


class Transport:
    """Sends requests, and turns whatever comes back into a model or into one of `dagster_dune.api.errors`.

    Submissions go over a connection of their own each: on one that was kept alive, a server's idle close looks like a
    lost answer.
    """

    def __init__(self, *, api_key: str, base_url: str, timeout: float, max_retries: int) -> None:
        self._api_path = urlsplit(base_url).path + API_PATH

        def http(retry: Retry, limits: httpx.Limits) -> httpx.Client:
            wire = httpx.HTTPTransport(verify=_trusted_certificates(), proxy=_proxy(base_url), limits=limits)
            return httpx.Client(
                auth=ApiKeyAuth(api_key),
                base_url=base_url + API_PATH,
                headers={"User-Agent": f"dagster-dune/{__version__}"},
                timeout=timeout,
                transport=RetryTransport(wire, retry=retry),
            )

        self._reads = http(retry_reads(max_retries), httpx.Limits())
        self._submissions = http(retry_submissions(max_retries), httpx.Limits(max_keepalive_connections=0))

    def close(self) -> None:
        """Close every connection."""
        self._reads.close()
        self._submissions.close()

    def send(
        self,
        answer: type[AnswerT],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> AnswerT:
        """Send a request that may be repeated, and return Dune's answer."""
        try:
            response = self._reads.request(method, path, params=params, json=json)
        except httpx.HTTPError as error:
            raise DuneConnectionError(_reason(error), method=method, path=self._full(path)) from error
        self._raise_for_refusal(response, path)
        return self._parse(answer, response, path)

    def download(self, path: str, params: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """Read an answer that is no model, and return its headers and its body."""
        try:
            response = self._reads.get(path, params=params)
        except httpx.HTTPError as error:
            raise DuneConnectionError(_reason(error), method="GET", path=self._full(path)) from error
        self._raise_for_refusal(response, path)
        return response.headers, response.content

    def submit(self, answer: type[AnswerT], path: str, body: Mapping[str, Any]) -> AnswerT:
        """Send a request that must not be carried out twice, and return Dune's answer.

        Raises:
            AmbiguousSubmission: It was sent, and what became of it is unknown.
        """
        full_path = self._full(path)
        try:
            response = self._submissions.post(path, json=body)
        except NEVER_SENT as error:
            raise DuneConnectionError(
                _reason(error),
                method="POST",
                path=full_path,
                hint=f"Nothing was started. {DuneConnectionError.default_hint}",
            ) from error
        except httpx.HTTPError as error:
            raise AmbiguousSubmission(_reason(error), method="POST", path=full_path) from error

        def ambiguous(reason: str) -> AmbiguousSubmission:
            return AmbiguousSubmission(reason, status=response.status_code, method="POST", path=full_path)

        if response.is_server_error:
            raise ambiguous(_dune_message(response))
        self._raise_for_refusal(response, path)
        try:
            return self._parse(answer, response, path)
        except DuneServerError as error:
            raise ambiguous(error.dune_message) from error

    def _full(self, path: str) -> str:
        return f"{self._api_path}/{path}"

    def _raise_for_refusal(self, response: httpx.Response, path: str) -> None:
        if response.is_success:
            return
        status = response.status_code
        message = _dune_message(response)
        if response.is_redirect:
            message = f"a redirect, which is not followed because it would carry the API key elsewhere ({message})"
        error = error_class(status)(message, status=status, method=response.request.method, path=self._full(path))
        if isinstance(error, DuneRateLimitError):
            error.retry_after = _seconds(response.headers.get("Retry-After"))
        raise error

    def _parse(self, answer: type[AnswerT], response: httpx.Response, path: str) -> AnswerT:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the body"
            raise DuneServerError(
                f"the answer is not the documented {answer.__name__} ({field}: {first['msg']})",
                status=response.status_code,
                method=response.request.method,
                path=self._full(path),
            ) from error


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for this address (httpx looks only where no transport is given)."""
    parts = urlsplit(base_url)
    if parts.hostname is None or is_loopback(parts.hostname) or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _reason(error: httpx.HTTPError) -> str:
    words = str(error)
    return f"{type(error).__name__} ({words})" if words else type(error).__name__


def _dune_message(response: httpx.Response) -> str:
    """Dune's own words: the `error` of its JSON, or the start of whatever else it sent."""
    try:
        body = response.json()
    except ValueError:
        return " ".join(response.text.split())[:300] or response.reason_phrase
    words = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(words, dict):
        words = words.get("message", words)
    return str(words)[:2000]


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.strip().isdigit() else None
