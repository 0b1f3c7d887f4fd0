"""The ways in which a request reaches Dune, and what is waited for and repeated.

Here, and in `dagster_dune.api.answers`, is the one place where answers are read. Nothing that a server, a gateway or a
proxy sends does more than be told: an answer that cannot be what Dune documents becomes an error, it has all of its
parts within the time of one request, it is bounded, and the key is blotted out of it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from dagster_dune.api.address import API_PATH
from dagster_dune.api.answers import (
    JSON,
    SURELY_NOT_STARTED,
    Answer,
    AnswerReader,
    AnswerT,
    Request,
    as_json,
)
from dagster_dune.api.bodies import (
    MAX_ANSWER_BYTES,
    MAX_RESULT_PAGE_BYTES,
    UnreadableAnswer,
    bounded,
    is_html,
    pieces_of,
    unpacked,
)
from dagster_dune.api.deadline import deadline, seconds_left
from dagster_dune.api.errors import (
    DuneConnectionError,
    DuneRateLimitError,
    DuneServerError,
)
from dagster_dune.api.key import ApiKey, BlottingFilter
from dagster_dune.api.rate_budget import RateBudget
from dagster_dune.api.retries import may_read_again, may_submit_again, repeated, seconds_of
from dagster_dune.api.wire import http_client
from dagster_dune.errors import DuneConfigurationError, DuneError

LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")
RESULT_PATIENCE = 10
SLOWEST_BYTES_A_SECOND = 10_000
"""What is sent or streamed gets the time that it takes at this pace, beside the time for the answer."""

T = TypeVar("T")


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
        parts = urlsplit(base_url)
        self._reader = AnswerReader(api_key, parts.netloc, parts.path + API_PATH)
        self._reads = http_client(api_key, base_url, timeout, keep_alive=True)
        self._submissions = http_client(api_key, base_url, timeout, keep_alive=False)
        self._filter = BlottingFilter(api_key)
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    def close(self) -> None:
        """Close every connection."""
        self._reads.close()
        self._submissions.close()
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)

    # --- the ways to send a request ---

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
        request = Request(method, path, params, as_json(method, path, json))

        def attempt() -> AnswerT:
            self._wait_for_room(request)
            came = self._attempt(self._reads, request, max_bytes)
            if not came.is_success:
                raise self._reader.refusal(came)
            return self._reader.parsed(answer, came)

        return repeated(attempt, self._max_retries, may_read_again)

    def submit(
        self,
        answer: type[AnswerT],
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        content: bytes | Path | None = None,
        content_type: str = JSON,
        hint: str = "",
    ) -> AnswerT:
        """Send a request that must not be carried out twice, and return Dune's answer.

        Args:
            answer: The model of the answer.
            path: The path after ``/api/``.
            json: What is sent, or
            content: what is sent where it is no JSON, or the file that holds it, and
            content_type: what it is then.
            hint: What to do where nobody knows whether it was carried out.

        Raises:
            AmbiguousSubmission: It was sent, and what became of it is unknown.
            DuneApiError: It was surely not carried out.
        """
        sent = as_json("POST", path, json) if content is None else content
        request = Request("POST", path, None, sent, content_type)

        def attempt() -> AnswerT:
            try:
                came = self._attempt(self._submissions, request, MAX_ANSWER_BYTES)
            except DuneConnectionError as error:
                raise self._reader.ambiguous(error, hint) if error.was_sent else error from None
            except DuneServerError as error:
                raise self._reader.ambiguous(error, hint) from None
            if not came.is_success:
                refusal = self._reader.refusal(came)
                is_sure = came.status in SURELY_NOT_STARTED and came.dune_error is not None
                raise refusal if is_sure else self._reader.ambiguous(refusal, hint)
            try:
                return self._reader.parsed(answer, came)
            except DuneServerError as error:
                raise self._reader.ambiguous(error, hint) from None

        return repeated(attempt, self._max_retries, may_submit_again)

    def download(self, path: str, params: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """Read a page of a result as it is, and return its headers and its body, without the key.

        Raises:
            DuneApiError: Dune refused it, or no usable answer came.
        """
        request = Request("GET", path, params)

        def attempt() -> Answer:
            self._wait_for_room(request)
            came = self._attempt(self._reads, request, MAX_RESULT_PAGE_BYTES)
            if came.status != 200 or not came.body.strip() or is_html(came.body):
                raise self._reader.refusal(came)
            return came

        came = repeated(attempt, self._max_retries, may_read_again)
        return came.headers, came.body

    def read_page(self, path: str, params: Mapping[str, Any], read: Callable[[httpx.Headers, Iterator[bytes]], T]) -> T:
        """Read a page of a result as it comes, and return what `read` makes of its headers and pieces.

        Where the connection breaks, all of the page is read again. The pieces are unpacked and without the key.

        Raises:
            DuneApiError: Dune refused it, or no usable answer came.
        """
        request = Request("GET", path, params)

        def attempt() -> T:
            response = self._opened(request)
            with closing(response):
                return read(*self._page(request, response, MAX_RESULT_PAGE_BYTES))

        return repeated(attempt, self._max_retries, may_read_again)

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any]) -> Iterator[tuple[httpx.Headers, Iterator[bytes]]]:
        """Send a request that may be repeated, and hand its answer on as it comes, without a bound.

        It may take ten times as long as another answer, and longer as long as it comes at 10 kB a second.

        Yields:
            The headers, and the pieces of the body, unpacked and without the key.
        """
        request = Request("GET", path, params)
        response = repeated(lambda: self._opened(request), self._max_retries, may_read_again)
        with closing(response):
            yield self._page(request, response, math.inf)

    # --- one attempt ---

    def _attempt(self, http: httpx.Client, request: Request, max_bytes: int) -> Answer:
        def exchange() -> Answer:
            response = self._sent(http, request)
            with closing(response):
                answer = self._whole(request, response, max_bytes)
            self._observe(answer)
            return answer

        seconds = self._timeout * (RESULT_PATIENCE if max_bytes > MAX_ANSWER_BYTES else 1)
        return self._told(request, exchange, seconds + request.size / SLOWEST_BYTES_A_SECOND)

    def _wait_for_room(self, request: Request) -> None:
        """Wait for this read's turn, before the time of its attempt begins."""
        if not self._budget.wait_for_room(seconds_left()):
            raise self._reader.error(DuneRateLimitError, request, "the budget of reads had no room for it in time")

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
            failure = self._reader.failure(request, error, allowed)
        raise failure

    def _built(self, http: httpx.Client, request: Request) -> httpx.Request:
        content = request.content
        headers = {} if content is None else {"Content-Type": request.content_type, "Content-Length": str(request.size)}
        body = pieces_of(content) if isinstance(content, Path) else content
        try:
            return http.build_request(
                request.method, request.path, params=request.params, content=body, headers=headers
            )
        except (ValueError, TypeError, httpx.InvalidURL) as error:
            raise DuneConfigurationError(
                f"{request.method} {API_PATH}/{request.path} cannot be written as a request: {error}."
            ) from error

    def _whole(self, request: Request, response: httpx.Response, max_bytes: int) -> Answer:
        try:
            body = b"".join(_body(response, max_bytes))
        except UnreadableAnswer as error:
            raise self._reader.error(
                DuneServerError, request, f"the answer cannot be read: {error}", status=response.status_code
            ) from None
        return Answer(request, response.status_code, response.headers, self._key.blotted_bytes(body))

    def _opened(self, request: Request) -> httpx.Response:
        """Send a read, and return once it is known that its answer is no refusal; the body has yet to come."""

        def open_stream() -> httpx.Response:
            response = self._sent(self._reads, request)
            if response.status_code == 200:
                return response
            with closing(response):
                raise self._reader.refusal(self._whole(request, response, MAX_ANSWER_BYTES))

        self._wait_for_room(request)
        return self._told(request, open_stream)

    def _page(
        self, request: Request, response: httpx.Response, max_bytes: float
    ) -> tuple[httpx.Headers, Iterator[bytes]]:
        """The headers of a page and the pieces of its body, the first of which tells whether it may be one."""
        pieces = self._key.blotted_stream(self._pieces(request, response, max_bytes))
        first = next(pieces, b"")
        if not first.strip() or is_html(first):
            raise self._reader.refusal(Answer(request, response.status_code, response.headers, first))
        return response.headers, chain([first], pieces)

    def _pieces(self, request: Request, response: httpx.Response, max_bytes: float) -> Iterator[bytes]:
        """What comes, while it comes at a pace that is worth waiting for. The reader's own time does not count."""
        pieces = _body(response, max_bytes)
        left = self._timeout * RESULT_PATIENCE
        while True:
            begin = time.monotonic()
            piece = self._told(request, lambda: next(pieces, None), left)
            if piece is None:
                return
            left += len(piece) / SLOWEST_BYTES_A_SECOND - (time.monotonic() - begin)
            yield piece


def _body(response: httpx.Response, max_bytes: float) -> Iterator[bytes]:
    return bounded(unpacked(response.iter_raw(), response.headers.get("Content-Encoding", "")), max_bytes)
