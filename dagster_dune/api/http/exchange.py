"""One request and its answer, within the time of one attempt.

Answers of servers, gateways and proxies are not trusted. An answer that cannot be read becomes an error. All of its
parts must arrive in time, its size is limited, and the key is redacted out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TypeVar

import httpx

from dagster_dune.api.address import API_PATH
from dagster_dune.api.deadline import deadline
from dagster_dune.api.errors import DuneRateLimitError, DuneServerError
from dagster_dune.api.http.answers import Answer, AnswerReader, Request
from dagster_dune.api.http.bodies import (
    MAX_ANSWER_BYTES,
    UnreadableAnswer,
    bounded,
    check_end_is_detectable,
    gathered,
    is_html,
    pieces_of,
    unpacked,
)
from dagster_dune.api.http.rate_budget import RateBudget
from dagster_dune.api.http.retries import seconds_of
from dagster_dune.api.key import ApiKey
from dagster_dune.errors import DuneConfigurationError, DuneError

RESULT_TIMEOUT_FACTOR = 10
SLOWEST_BYTES_A_SECOND = 10_000
"""A body that is sent or streamed gets the time that it takes at this rate, in addition to the time for the answer."""

CSV_PATH = "/results/csv"

T = TypeVar("T")


class Exchange:
    """Sends a request once, and returns its answer.

    Args:
        api_key: The key, which is redacted out of answers.
        reader: Turns refusals and failures into errors.
        timeout: The seconds that it may take, from the connection to the last byte of the answer.
        budget: Counts reads, and learns limits.
        observe: Called with each complete answer, also with refusals; not with answers that are streamed.
    """

    def __init__(
        self,
        api_key: ApiKey,
        reader: AnswerReader,
        timeout: float,
        budget: RateBudget,
        observe: Callable[[Answer], None] | None,
    ) -> None:
        self._key = api_key
        self._reader = reader
        self._timeout = timeout
        self._budget = budget
        self._observe = observe or (lambda _: None)

    def answer(self, http: httpx.Client, request: Request, max_bytes: int) -> Answer:
        """Send a request, and return its complete answer, also if that is a refusal.

        Raises:
            DuneApiError: There was no answer, or none that can be read.
        """

        def exchange() -> Answer:
            response = self._sent(http, request)
            with closing(response):
                answer = self._complete(request, response, max_bytes)
            self._observe(answer)
            return answer

        seconds = max(
            self._timeout * (RESULT_TIMEOUT_FACTOR if max_bytes > MAX_ANSWER_BYTES else 1), request.answer_seconds
        )
        return self._attempted(request, exchange, seconds + request.size / SLOWEST_BYTES_A_SECOND)

    def read(self, http: httpx.Client, request: Request, max_bytes: int) -> Answer:
        """Do the same for a read, once the rate budget allows it."""
        self._wait_for_budget(request)
        return self.answer(http, request, max_bytes)

    def opened(self, http: httpx.Client, request: Request) -> httpx.Response:
        """Send a read, and return its answer before the body arrives, if it is not a refusal.

        Raises:
            DuneApiError: The answer is a refusal, or there was none.
        """

        def open_stream() -> httpx.Response:
            response = self._sent(http, request)
            if response.status_code == 200:
                return response
            with closing(response):
                raise self._reader.refusal(self._complete(request, response, MAX_ANSWER_BYTES))

        self._wait_for_budget(request)
        return self._attempted(request, open_stream)

    def page(
        self, request: Request, response: httpx.Response, max_bytes: float, piece_bytes: int = 0
    ) -> tuple[httpx.Headers, Iterator[bytes]]:
        """Return the headers of a page and the pieces of its body, which are at least `piece_bytes` long.

        Raises:
            DuneApiError: The first piece is blank or HTML, so that the answer is not a page.
        """
        pieces = self._key.redacted_stream(self._pieces(request, response, max_bytes, piece_bytes))
        first = next(pieces, b"")
        if not first.strip() or is_html(first):
            raise self._reader.refusal(Answer(request, response.status_code, response.headers, first))
        return response.headers, chain([first], pieces)

    def _wait_for_budget(self, request: Request) -> None:
        """Wait until the rate budget allows this read, before the time of its attempt begins."""
        if not self._budget.wait_for_budget():
            raise self._reader.error(DuneRateLimitError, request, "the budget of reads had no room for it in time")

    def _sent(self, http: httpx.Client, request: Request) -> httpx.Response:
        """Send a request. Reads are counted, since Dune limits them separately."""
        built = self._built(http, request)
        if request.method != "GET":
            return http.send(built, stream=True)
        self._budget.sent()
        response = http.send(built, stream=True)
        headers = response.headers
        self._budget.answered(response.status_code, headers, seconds_of(headers.get("Retry-After")))
        return response

    def _attempted(self, request: Request, action: Callable[[], T], seconds: float | None = None) -> T:
        """Call a function within the time of one attempt, and turn each failure into an error of this library.

        The errors of httpx and httpcore are not set as its cause or context: they quote the server, and their frames
        contain the key.
        """
        begin = time.monotonic()
        try:
            with deadline(self._timeout if seconds is None else seconds):
                return action()
        except DuneError:
            raise
        except Exception as error:
            failure = self._reader.failure(request, error, time.monotonic() - begin)
        raise failure

    def _built(self, http: httpx.Client, request: Request) -> httpx.Request:
        content = request.content
        headers = {} if content is None else {"Content-Type": request.content_type, "Content-Length": str(request.size)}
        body = pieces_of(content) if isinstance(content, Path) else content
        timeout = httpx.Timeout(self._timeout, read=max(self._timeout, request.answer_seconds))
        try:
            return http.build_request(
                request.method, request.path, params=request.params, content=body, headers=headers, timeout=timeout
            )
        except (ValueError, TypeError, httpx.InvalidURL) as error:
            raise DuneConfigurationError(
                f"{request.method} {API_PATH}/{request.path} cannot be written as a request: {error}."
            ) from error

    def _complete(self, request: Request, response: httpx.Response, max_bytes: int) -> Answer:
        try:
            body = b"".join(_body(request, response, max_bytes))
        except UnreadableAnswer as error:
            raise self._reader.error(
                DuneServerError, request, f"the answer cannot be read: {error}", status=response.status_code
            ) from None
        return Answer(request, response.status_code, response.headers, self._key.redacted_bytes(body))

    def _pieces(
        self, request: Request, response: httpx.Response, max_bytes: float, piece_bytes: int
    ) -> Iterator[bytes]:
        """Yield the body while it arrives at a sufficient rate. The time that the caller takes does not count."""
        pieces = _body(request, response, max_bytes, piece_bytes)
        left = self._timeout * RESULT_TIMEOUT_FACTOR
        while True:
            begin = time.monotonic()
            piece = self._attempted(request, lambda: next(pieces, None), left)
            if piece is None:
                return
            left += len(piece) / SLOWEST_BYTES_A_SECOND - (time.monotonic() - begin)
            yield piece
            del piece  # it may contain an echoed key, and the frames of an error show their local variables


def _body(request: Request, response: httpx.Response, max_bytes: float, piece_bytes: int = 0) -> Iterator[bytes]:
    chunks = gathered(response.iter_raw(), piece_bytes)
    yield from bounded(unpacked(chunks, response.headers.get("Content-Encoding", "")), max_bytes)
    if request.path.endswith(CSV_PATH) and response.status_code == 200:
        check_end_is_detectable(response.headers)
