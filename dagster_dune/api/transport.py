"""How a request reaches Dune, and how whatever comes back becomes an answer or an error of our own.

Here is the one place where answers are read. Nothing that a server, a gateway or a proxy sends does more than be told:
an answer that cannot be what Dune documents becomes an error that names the request and what was wrong, it has all of
its parts within the time of one request, it is bounded, and the key is blotted out of it.
"""

from __future__ import annotations

import json as json_module
import logging
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx
from pydantic import ValidationError

from dagster_dune.api.address import is_loopback
from dagster_dune.api.bodies import (
    MAX_ANSWER_BYTES,
    MAX_RESULT_PAGE_BYTES,
    UnreadableAnswer,
    bounded,
    described,
    is_html,
    json_object,
    readable,
    unpacked,
)
from dagster_dune.api.deadline import deadline, seconds_left
from dagster_dune.api.errors import (
    AmbiguousSubmission,
    DuneApiError,
    DuneConnectionError,
    DuneRateLimitError,
    DuneServerError,
    error_class,
)
from dagster_dune.api.key import DEFAULT_VARIABLE, SIGNS_OF_ESCAPES, ApiKey, BlottingFilter
from dagster_dune.api.models import DuneModel
from dagster_dune.api.rate_budget import RateBudget
from dagster_dune.api.retries import may_read_again, may_submit_again, repeated, seconds_of
from dagster_dune.api.wire import Wire
from dagster_dune.errors import DuneConfigurationError, DuneError
from dagster_dune.version import __version__

API_PATH = "/api"
JSON = "application/json"
NEVER_OPENED = (httpcore.ConnectError, httpcore.ConnectTimeout)
NEVER_SENT = (*NEVER_OPENED, httpcore.PoolTimeout, httpcore.ProxyError, httpcore.UnsupportedProtocol)
# Assumption: refused-not-started.
SURELY_NOT_STARTED = frozenset({400, 401, 402, 403, 404, 422, 429})
"""With an error in Dune's JSON, these say that nothing was started. Whatever else comes back leaves that open."""

LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")
GATEWAY_HINT = (
    "This is not Dune's answer: a proxy, a gateway or a login page stands in between, or DUNE_API_BASE_URL is another "
    "server's."
)

AnswerT = TypeVar("AnswerT", bound=DuneModel)
MESSAGE_CHARACTERS = 2000
RESULT_PATIENCE = 10
SLOWEST_BYTES_A_SECOND = 10_000
"""What is sent or streamed gets the time that it takes at this pace, beside the time for the answer."""

ErrorT = TypeVar("ErrorT", bound=DuneApiError)
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What is sent.

    Attributes:
        method: The HTTP method.
        path: The path after ``/api/``.
        params: The query string's fields.
        content: The body.
        content_type: What the body is.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    content: bytes | None = None
    content_type: str = JSON


@dataclass(frozen=True)
class Answer:
    """A whole answer, without the key."""

    request: Request
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether its status says that all is well."""
        return 200 <= self.status < 300

    @cached_property
    def dune_error(self) -> str | None:
        """The `error` of Dune's JSON; None where the answer has none, so that it may be anybody's."""
        try:
            words = json_object(self.body).get("error")
        except UnreadableAnswer:
            return None
        if isinstance(words, dict):
            words = words.get("message") or words
        return str(words) if words else None


class Transport:
    """Sends requests, and turns whatever comes back into a model or into one of `dagster_dune.api.errors`.

    Submissions go over a connection of their own each: on one that was kept alive, a server's idle close looks like a
    lost answer.

    Args:
        api_key: The key.
        base_url: Where the API is.
        timeout: The seconds that one attempt may take, from the connection to the last byte of the answer.
        max_retries: How often a request is sent again at the most.
        budget: Where reads are counted, and limits learned.
        observe: Called with each whole answer, whatever it says; those that are streamed are not.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey,
        base_url: str,
        timeout: float,
        max_retries: int,
        budget: RateBudget,
        observe: Callable[[Answer], None] | None = None,
    ) -> None:
        self._key = api_key
        self._observe = observe or (lambda _: None)
        self._budget = budget
        self._timeout = timeout
        self._max_retries = max_retries
        self._base_path = urlsplit(base_url).path + API_PATH
        self._host = urlsplit(base_url).netloc
        verify = _trusted_certificates()

        def http(*, keep_alive: bool) -> httpx.Client:
            return httpx.Client(
                auth=_ApiKeyAuth(api_key),
                base_url=base_url + API_PATH,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # Dune needs none, and gateways set theirs
                headers={"User-Agent": f"dagster-dune/{__version__}", "Accept-Encoding": "gzip"},
                timeout=timeout,
                transport=Wire(verify, _proxy(base_url), api_key.blotted_bytes, keep_alive=keep_alive),
            )

        self._reads = http(keep_alive=True)
        self._submissions = http(keep_alive=False)
        self._filter = BlottingFilter(api_key)
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    def close(self) -> None:
        """Close every connection."""
        self._reads.close()
        self._submissions.close()
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)

    # --- the three ways to send a request ---

    def send(
        self,
        answer: type[AnswerT],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> AnswerT:
        """Send a request that may be repeated, and return Dune's answer.

        Raises:
            DuneApiError: Dune refused it, or no usable answer came.
        """
        request = Request(method, path, params, _as_json(method, path, json))

        def attempt() -> AnswerT:
            self._wait_for_room(request)
            came = self._attempt(self._reads, request, max_bytes)
            if not came.is_success:
                raise self._refusal(came)
            return self._parsed(answer, came)

        return repeated(attempt, self._max_retries, may_read_again)

    def submit(
        self,
        answer: type[AnswerT],
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        content_type: str = JSON,
        hint: str = "",
    ) -> AnswerT:
        """Send a request that must not be carried out twice, and return Dune's answer.

        Args:
            answer: The model of the answer.
            path: The path after ``/api/``.
            json: What is sent, or
            content: what is sent where it is no JSON, and
            content_type: what it is then.
            hint: What to do where nobody knows whether it was carried out.

        Raises:
            AmbiguousSubmission: It was sent, and what became of it is unknown.
            DuneApiError: It was surely not carried out.
        """
        sent = _as_json("POST", path, json) if content is None else content
        request = Request("POST", path, None, sent, content_type)

        def attempt() -> AnswerT:
            try:
                came = self._attempt(self._submissions, request, MAX_ANSWER_BYTES)
            except DuneConnectionError as error:
                raise self._ambiguous(error, hint) if error.was_sent else error from None
            except DuneServerError as error:
                raise self._ambiguous(error, hint) from None
            if not came.is_success:
                refusal = self._refusal(came)
                is_sure = came.status in SURELY_NOT_STARTED and came.dune_error is not None
                raise refusal if is_sure else self._ambiguous(refusal, hint)
            try:
                return self._parsed(answer, came)
            except DuneServerError as error:
                raise self._ambiguous(error, hint) from None

        return repeated(attempt, self._max_retries, may_submit_again)

    def download(self, path: str, params: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """Read a page of a result as it is, and return its headers and its body, without the key.

        Raises:
            DuneApiError: Dune refused it, or no usable answer came.
        """
        request = Request("GET", path, params)

        def attempt() -> Answer:
            came = self._attempt(self._reads, request, MAX_RESULT_PAGE_BYTES)
            if came.status != 200 or not came.body.strip() or is_html(came.body):
                raise self._refusal(came)
            return came

        came = repeated(attempt, self._max_retries, may_read_again)
        return came.headers, came.body

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any]) -> Iterator[tuple[httpx.Headers, Iterator[bytes]]]:
        """Send a request that may be repeated, and hand its answer on as it comes, without a bound.

        It may take ten times as long as another answer, and longer as long as it comes at 10 kB a second.

        Yields:
            The headers, and the pieces of the body, unpacked and without the key.
        """
        request = Request("GET", path, params)

        def open_stream() -> httpx.Response:
            response = self._sent(self._reads, request)
            if response.status_code == 200:
                return response
            with closing(response):
                raise self._refusal(self._whole(request, response, MAX_ANSWER_BYTES))

        response = repeated(lambda: self._told(request, open_stream), self._max_retries, may_read_again)
        with closing(response):
            pieces = self._key.blotted_stream(self._pieces(request, response))
            first = next(pieces, b"")
            if not first.strip() or is_html(first):
                raise self._refusal(Answer(request, response.status_code, response.headers, first))
            yield response.headers, chain([first], pieces)

    # --- one attempt ---

    def _attempt(self, http: httpx.Client, request: Request, max_bytes: int) -> Answer:
        def exchange() -> Answer:
            response = self._sent(http, request)
            with closing(response):
                answer = self._whole(request, response, max_bytes)
            self._observe(answer)
            return answer

        seconds = self._timeout * (RESULT_PATIENCE if max_bytes > MAX_ANSWER_BYTES else 1)
        return self._told(request, exchange, seconds + len(request.content or b"") / SLOWEST_BYTES_A_SECOND)

    def _wait_for_room(self, request: Request) -> None:
        """Wait for this read's turn, before the time of its attempt begins."""
        if not self._budget.wait_for_room(seconds_left()):
            raise self._error(DuneRateLimitError, request, "there was no room for it in the budget of reads in time")

    def _sent(self, http: httpx.Client, request: Request) -> httpx.Response:
        """Send a request; reads are counted, and Dune limits them on their own."""
        built = self._built(http, request)
        if request.method != "GET":
            return http.send(built, stream=True)
        self._budget.sent()
        response = http.send(built, stream=True)
        headers = response.headers
        self._budget.answered(response.status_code, headers, seconds_of(headers.get("Retry-After")))
        return response

    def _told(self, request: Request, action: Callable[[], T], seconds: float | None = None) -> T:
        """Do something within the time of one attempt. Whatever goes wrong becomes an error of our own.

        The errors of the libraries below are neither causes nor contexts of ours: they quote the server, and their
        frames hold the key.
        """
        allowed = min(self._timeout if seconds is None else seconds, seconds_left())
        try:
            with deadline(allowed):
                return action()
        except DuneError:
            raise
        except Exception as error:
            failure = self._failure(request, error, allowed)
        raise failure

    def _failure(self, request: Request, error: Exception, allowed: float) -> DuneApiError:
        if isinstance(error, UnreadableAnswer):
            return self._error(DuneServerError, request, f"the answer cannot be read: {error}")
        words = str(error)
        if isinstance(error, httpcore.TimeoutException):
            words = f"no whole answer within {max(allowed, 0):.3g} s"
        reason = f"{type(error).__name__} at {self._host}" + (f" ({words})" if words else "")
        was_sent = not isinstance(error, NEVER_SENT)
        hint = "" if was_sent else f"Nothing was started. {DuneConnectionError.default_hint}"
        failure = self._error(DuneConnectionError, request, reason, hint=hint)
        failure.was_sent, failure.was_opened = was_sent, not isinstance(error, NEVER_OPENED)
        return failure

    def _built(self, http: httpx.Client, request: Request) -> httpx.Request:
        headers = {"Content-Type": request.content_type} if request.content is not None else None
        try:
            return http.build_request(
                request.method, request.path, params=request.params, content=request.content, headers=headers
            )
        except (ValueError, TypeError, httpx.InvalidURL) as error:
            raise DuneConfigurationError(
                f"{request.method} {API_PATH}/{request.path} cannot be written as a request: {error}."
            ) from error

    def _whole(self, request: Request, response: httpx.Response, max_bytes: int) -> Answer:
        try:
            body = bounded(unpacked(response.iter_raw(), response.headers.get("Content-Encoding", "")), max_bytes)
        except UnreadableAnswer as error:
            raise self._error(
                DuneServerError, request, f"the answer cannot be read: {error}", status=response.status_code
            ) from None
        return Answer(request, response.status_code, response.headers, self._key.blotted_bytes(body))

    def _pieces(self, request: Request, response: httpx.Response) -> Iterator[bytes]:
        """What comes, while it comes at a pace that is worth waiting for. The reader's own time does not count."""
        pieces = unpacked(response.iter_raw(), response.headers.get("Content-Encoding", ""))
        left = self._timeout * RESULT_PATIENCE
        while True:
            begin = time.monotonic()
            piece = self._told(request, lambda: next(pieces, None), left)
            if piece is None:
                return
            left += len(piece) / SLOWEST_BYTES_A_SECOND - (time.monotonic() - begin)
            yield piece

    # --- what came ---

    def _refusal(self, answer: Answer) -> DuneApiError:
        """Whoever sent it: Dune's refusals are JSON with an `error`, and only they say something about objects."""
        status, words = answer.status, answer.dune_error
        if 300 <= status < 400:
            reason = "a redirect, which is not followed because it would carry the API key elsewhere"
            return self._error(DuneServerError, answer.request, reason, status=status, hint=GATEWAY_HINT)
        if words is None:
            reason = described(answer.body) if answer.body.strip() else "an empty answer"
            kind = DuneRateLimitError if status == 429 else DuneServerError
            hint = "" if status >= 500 or status == 429 else GATEWAY_HINT
            error = self._error(kind, answer.request, reason, status=status, hint=hint)
        else:
            error = self._error(error_class(status), answer.request, words, status=status)
        if isinstance(error, DuneRateLimitError):
            error.retry_after = seconds_of(answer.headers.get("Retry-After"))
        return error

    def _parsed(self, model: type[AnswerT], answer: Answer) -> AnswerT:
        try:
            return model.model_validate(self._checked(answer, model))
        except Exception as error:
            reason = f"the answer is not the documented {model.__name__}: {_wrong(error)}"
        hint = GATEWAY_HINT if is_html(answer.body) else ""
        raise self._error(DuneServerError, answer.request, reason, status=answer.status, hint=hint)

    def _checked(self, answer: Answer, model: type[DuneModel]) -> dict[str, Any]:
        if answer.dune_error and "error" not in model.model_fields:
            raise UnreadableAnswer(f"it holds an error, though its status says otherwise ({answer.dune_error})")
        value = json_object(answer.body)
        is_escaped = any(sign in answer.body for sign in SIGNS_OF_ESCAPES)  # the key may hide behind them
        return self._key.blotted_json(value) if is_escaped else value

    def _ambiguous(self, error: DuneApiError, hint: str) -> AmbiguousSubmission:
        return AmbiguousSubmission(
            error.dune_message, status=error.status, method=error.method, path=error.path, hint=hint
        )

    def _error(
        self, kind: type[ErrorT], request: Request, reason: str, *, status: int | None = None, hint: str = ""
    ) -> ErrorT:
        words = self._key.blotted(readable(reason))[:MESSAGE_CHARACTERS]
        path = self._key.blotted(f"{self._base_path}/{request.path}")
        variable = self._key.variable
        if not hint and variable:
            hint = kind.hint_for(request.method, path).replace(DEFAULT_VARIABLE, variable)
        return kind(words, method=request.method, path=path, status=status, hint=hint)


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """Read them once a process: that takes longer than a request."""
    return httpx.create_ssl_context()


class _ApiKeyAuth(httpx.Auth):
    """Puts the key into the header of each request as it leaves, and keeps it out of everything else."""

    def __init__(self, api_key: ApiKey) -> None:
        self._api_key = api_key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["X-Dune-Api-Key"] = self._api_key.reveal()
        yield request


def _as_json(method: str, path: str, body: Mapping[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    try:
        return json_module.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:  # a UnicodeEncodeError is a ValueError
        raise DuneConfigurationError(
            f"What is to be sent with {method} {API_PATH}/{path} cannot be written as JSON: {error}.",
            hint="Numbers must be finite, texts free of lone surrogates, and all values plain JSON.",
        ) from error


def _wrong(error: Exception) -> str:
    """Say in few words why an answer is not what was expected."""
    if isinstance(error, UnreadableAnswer):
        return str(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        return f"{field}: {first['msg']}"
    return f"{type(error).__name__} ({error})"


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for this address (httpx looks only where no transport is given)."""
    parts = urlsplit(base_url)
    if parts.hostname is None or is_loopback(parts.hostname) or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
