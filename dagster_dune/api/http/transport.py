"""Sends requests to Dune, with retries.

`exchange` makes one attempt of a request, and `answers` reads its answer.
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
from dagster_dune.api.deadline import until_answered
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
    """Sends requests, and turns each answer into a model or into one of `dagster_dune.api.errors`.

    Each submission has a connection of its own: if a server closes an idle connection that was kept alive, that cannot
    be told from a lost answer.

    Args:
        api_key: The key.
        base_url: The address of the API.
        timeout: The seconds that one attempt may take, from the connection to the last byte of the answer.
        max_retries: How often a request is sent again at the most.
        budget: Counts reads, and learns limits.
        observe: Called with each complete answer, also with refusals; not with answers that are streamed.
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
        self._remove_filter = weakref.finalize(self, _remove_filter, redacting)  # also if nobody closes it
        self._remove_filter.atexit = False

    def close(self) -> None:
        """Close every connection."""
        self._reads.close()
        self._submissions.close()
        self._remove_filter()

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
            DuneApiError: Dune refused it, or there was no usable answer.
        """
        request = Request(method, path, params, as_json(method, path, json), answer_seconds=answer_seconds)

        def attempt() -> AnswerT:
            received = self._exchange.read(self._reads, request, max_bytes)
            if not received.is_success:
                raise self._reader.refusal(received)
            return self._reader.parsed(answer, received)

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
            json: The body, if it is JSON.
            content: The body, if it is not JSON, or the file that contains it.
            content_type: The content type of `content`.
            answer_seconds: How long Dune may work on the request, if longer than the client's timeout.
            hint: What to do if it is not known whether the request was carried out.

        Raises:
            AmbiguousSubmission: The request was sent, and may or may not have been carried out.
            DuneApiError: The request was surely not carried out.
        """
        sent = as_json("POST", path, json) if content is None else content
        request = Request("POST", path, None, sent, content_type, answer_seconds)

        def attempt() -> AnswerT:
            try:
                with until_answered():
                    received = self._exchange.answer(self._submissions, request, MAX_ANSWER_BYTES)
            except DuneConnectionError as error:
                raise self._reader.ambiguous(error, hint) if error.was_sent else error from None
            except DuneServerError as error:
                raise self._reader.ambiguous(error, hint) from None
            if not received.is_success:
                refusal = self._reader.refusal(received)
                is_sure = received.status in SURELY_NOT_STARTED and received.dune_error is not None
                raise refusal if is_sure else self._reader.ambiguous(refusal, hint)
            try:
                return self._reader.parsed(answer, received)
            except DuneServerError as error:
                raise self._reader.ambiguous(error, hint) from None

        return repeated(attempt, self._max_retries, may_submit_again)

    def download(self, path: str, params: Mapping[str, Any]) -> tuple[Mapping[str, str], bytes]:
        """Read a page of a result, and return its headers and its body unparsed, without the key.

        Raises:
            DuneApiError: Dune refused it, or there was no usable answer.
        """
        request = Request("GET", path, params)

        def attempt() -> Answer:
            received = self._exchange.read(self._reads, request, MAX_RESULT_PAGE_BYTES)
            if received.status != 200 or not received.body.strip() or is_html(received.body):
                raise self._reader.refusal(received)
            return received

        received = repeated(attempt, self._max_retries, may_read_again)
        return received.headers, received.body

    def read_page(self, path: str, params: Mapping[str, Any], read: Callable[[httpx.Headers, Iterator[bytes]], T]) -> T:
        """Read a page of a result as it arrives, and return what `read` returns for its headers and pieces.

        If the connection breaks, the whole page is read again. The pieces are decompressed and without the key.

        Raises:
            DuneApiError: Dune refused it, or there was no usable answer.
        """
        request = Request("GET", path, params)

        def attempt() -> T:
            response = self._exchange.opened(self._reads, request)
            with closing(response):
                return read(*self._exchange.page(request, response, MAX_RESULT_PAGE_BYTES, PIECE_BYTES))

        return repeated(attempt, self._max_retries, may_read_again)

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any]) -> Iterator[tuple[httpx.Headers, Iterator[bytes]]]:
        """Send a request that may be repeated, and yield its answer as it arrives, without a limit of its size.

        It may take ten times as long as another answer, and longer while it arrives at 10 kB per second.

        Yields:
            The headers, and the pieces of the body, decompressed and without the key.
        """
        request = Request("GET", path, params)
        response = repeated(lambda: self._exchange.opened(self._reads, request), self._max_retries, may_read_again)
        with closing(response):
            yield self._exchange.page(request, response, math.inf)


def _remove_filter(redacting: RedactingFilter) -> None:
    for name in LOGGERS:
        logging.getLogger(name).removeFilter(redacting)
