"""The ways in which a request reaches Dune, and what is waited for and repeated.

One attempt of one request is in `exchange`, and what its answer means in `answers`.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from dagster_dune.api.address import API_PATH
from dagster_dune.api.deadline import to_its_end
from dagster_dune.api.errors import DuneApiError, DuneConnectionError, DuneServerError
from dagster_dune.api.http.answers import (
    JSON,
    SURELY_NOT_STARTED,
    Answer,
    AnswerReader,
    AnswerT,
    Request,
    as_json,
)
from dagster_dune.api.http.bodies import MAX_ANSWER_BYTES, MAX_RESULT_PAGE_BYTES, PIECE_BYTES, is_html
from dagster_dune.api.http.exchange import Exchange
from dagster_dune.api.http.rate_budget import RateBudget
from dagster_dune.api.http.retries import may_read_again, may_submit_again, repeated
from dagster_dune.api.http.wire import http_client
from dagster_dune.api.key import ApiKey, RedactingFilter

LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")

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
        self._max_retries = max_retries
        parts = urlsplit(base_url)
        self._reader = AnswerReader(api_key, parts.netloc, parts.path + API_PATH)
        self._exchange = Exchange(api_key, self._reader, timeout, budget, observe)
        self._reads = http_client(api_key, base_url, keep_alive=True)
        self._submissions = http_client(api_key, base_url, keep_alive=False)
        redacting = RedactingFilter(api_key)
        for name in LOGGERS:
            logging.getLogger(name).addFilter(redacting)
        self._leave_logs = weakref.finalize(self, _leave_logs, redacting)  # also where nobody closes it
        self._leave_logs.atexit = False

    def close(self) -> None:
        """Close every connection."""
        self._reads.close()
        self._submissions.close()
        self._leave_logs()

    def send(
        self,
        answer: type[AnswerT],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        answer_seconds: float = 0.0,
        may_repeat: Callable[[DuneApiError], bool] = may_read_again,
    ) -> AnswerT:
        """Send a request that may be repeated, and return Dune's answer.

        Raises:
            DuneApiError: Dune refused it, or no usable answer came.
        """
        request = Request(method, path, params, as_json(method, path, json), answer_seconds=answer_seconds)

        def attempt() -> AnswerT:
            came = self._exchange.read(self._reads, request, max_bytes)
            if not came.is_success:
                raise self._reader.refusal(came)
            return self._reader.parsed(answer, came)

        return repeated(attempt, self._max_retries, may_repeat)

    def submit(
        self,
        answer: type[AnswerT],
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        content: bytes | Path | None = None,
        content_type: str = JSON,
        answer_seconds: float = 0.0,
        hint: str = "",
    ) -> AnswerT:
        """Send a request that must not be carried out twice, and return Dune's answer.

        Args:
            answer: The model of the answer.
            path: The path after ``/api/``.
            json: What is sent, or
            content: what is sent where it is no JSON, or the file that holds it, and
            content_type: what it is then.
            answer_seconds: How long Dune may work on it, where that is longer than the client's timeout.
            hint: What to do where nobody knows whether it was carried out.

        Raises:
            AmbiguousSubmission: It was sent, and what became of it is unknown.
            DuneApiError: It was surely not carried out.
        """
        sent = as_json("POST", path, json) if content is None else content
        request = Request("POST", path, None, sent, content_type, answer_seconds)

        def attempt() -> AnswerT:
            try:
                with to_its_end():
                    came = self._exchange.answer(self._submissions, request, MAX_ANSWER_BYTES)
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
            came = self._exchange.read(self._reads, request, MAX_RESULT_PAGE_BYTES)
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
            response = self._exchange.opened(self._reads, request)
            with closing(response):
                return read(*self._exchange.page(request, response, MAX_RESULT_PAGE_BYTES, PIECE_BYTES))

        return repeated(attempt, self._max_retries, may_read_again)

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any]) -> Iterator[tuple[httpx.Headers, Iterator[bytes]]]:
        """Send a request that may be repeated, and hand its answer on as it comes, without a bound.

        It may take ten times as long as another answer, and longer as long as it comes at 10 kB a second.

        Yields:
            The headers, and the pieces of the body, unpacked and without the key.
        """
        request = Request("GET", path, params)
        response = repeated(lambda: self._exchange.opened(self._reads, request), self._max_retries, may_read_again)
        with closing(response):
            yield self._exchange.page(request, response, math.inf)


def _leave_logs(redacting: RedactingFilter) -> None:
    for name in LOGGERS:
        logging.getLogger(name).removeFilter(redacting)
