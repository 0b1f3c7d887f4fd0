"""Requests and answers, and how an answer becomes a model or an error of this library.

An answer that is not what Dune documents becomes an error that names the request and what was wrong, and never the key.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpcore
import httpx
from pydantic import ValidationError

from dagster_dune.api.address import API_PATH
from dagster_dune.api.errors import (
    AmbiguousSubmission,
    DuneApiError,
    DuneConnectionError,
    DuneRateLimitError,
    DuneServerError,
    error_class,
)
from dagster_dune.api.http.bodies import UnreadableAnswer, described, is_html, json_object, readable
from dagster_dune.api.http.retries import seconds_of
from dagster_dune.api.key import DEFAULT_VARIABLE, ApiKey
from dagster_dune.api.key_forms import SIGNS_OF_ESCAPES
from dagster_dune.api.models import DuneModel
from dagster_dune.errors import DuneConfigurationError

JSON = "application/json"
NEVER_OPENED = (httpcore.ConnectError, httpcore.ConnectTimeout)
NEVER_SENT = (*NEVER_OPENED, httpcore.PoolTimeout, httpcore.ProxyError, httpcore.UnsupportedProtocol)
# Assumption: refused-not-started.
SURELY_NOT_STARTED = frozenset({400, 401, 402, 403, 404, 422, 429})
"""With an error in Dune's JSON, these statuses mean that nothing was started. Any other answer leaves that open."""

GATEWAY_HINT = (
    "This is not Dune's answer: a proxy, a gateway or a login page stands in between, or DUNE_API_BASE_URL is another "
    "server's."
)
MESSAGE_CHARACTERS = 2000

AnswerT = TypeVar("AnswerT", bound=DuneModel)
ErrorT = TypeVar("ErrorT", bound=DuneApiError)


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    Attributes:
        method: The HTTP method.
        path: The path after ``/api/``.
        params: The fields of the query string.
        content: The body, or the file that contains it.
        content_type: The content type of the body.
        answer_seconds: How long the answer may take once the request is sent, if longer than the client's timeout.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    content: bytes | Path | None = None
    content_type: str = JSON
    answer_seconds: float = 0.0

    @property
    def size(self) -> int:
        """The size of the body in bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content or b"")


@dataclass(frozen=True)
class Answer:
    """A complete answer, without the key."""

    request: Request
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether its status is a success."""
        return 200 <= self.status < 300

    @cached_property
    def dune_error(self) -> str | None:
        """The `error` of Dune's JSON; None if the answer has none, so that it may not be Dune's."""
        try:
            error = json_object(self.body).get("error")
        except UnreadableAnswer:
            return None
        if isinstance(error, dict):
            error = error.get("message") or error
        return str(error) if error else None


class AnswerReader:
    """Turns an answer or a failure into a model or an error, and redacts the key out of both.

    Args:
        key: The key.
        host: The server's name and port, for messages.
        base_path: The path before the path of a request, for messages.
    """

    def __init__(self, key: ApiKey, host: str, base_path: str) -> None:
        self._key = key
        self._host = host
        self._base_path = base_path

    def parsed(self, model: type[AnswerT], answer: Answer) -> AnswerT:
        """Return an answer as a model.

        Raises:
            DuneServerError: The answer is not what Dune documents.
        """
        try:
            return model.model_validate(self._checked(answer, model))
        except Exception as error:
            reason = f"the answer is not the documented {model.__name__}: {_difference(error)}"
        hint = GATEWAY_HINT if is_html(answer.body) else ""
        raise self.error(DuneServerError, answer.request, reason, status=answer.status, hint=hint)

    def _checked(self, answer: Answer, model: type[DuneModel]) -> dict[str, Any]:
        if answer.dune_error and "error" not in model.model_fields:
            raise UnreadableAnswer(f"it holds an error, though its status says otherwise ({answer.dune_error})")
        value = json_object(answer.body)
        is_escaped = any(sign in answer.body for sign in SIGNS_OF_ESCAPES)  # escapes may hide the key
        return self._key.redacted_json(value) if is_escaped else value

    def refusal(self, answer: Answer) -> DuneApiError:
        """Return the error for a refusal. Only Dune's own are about objects: they are JSON with an `error`."""
        status, message = answer.status, answer.dune_error
        if 300 <= status < 400:
            reason = "a redirect, which is not followed because it would carry the API key elsewhere"
            return self.error(DuneServerError, answer.request, reason, status=status, hint=GATEWAY_HINT)
        if message is None:
            reason = described(answer.body) if answer.body.strip() else "an empty answer"
            kind = DuneRateLimitError if status == 429 else DuneServerError
            hint = "" if status >= 500 or status == 429 else GATEWAY_HINT
            error = self.error(kind, answer.request, reason, status=status, hint=hint)
        else:
            error = self.error(error_class(status), answer.request, message, status=status)
        if isinstance(error, DuneRateLimitError):
            error.retry_after = seconds_of(answer.headers.get("Retry-After"))
        return error

    def failure(self, request: Request, error: Exception, seconds: float) -> DuneApiError:
        """Return the error for a failed connection, which says whether the request was sent at all."""
        if isinstance(error, UnreadableAnswer):
            return self.error(DuneServerError, request, f"the answer cannot be read: {error}")
        message = str(error)
        if isinstance(error, httpcore.TimeoutException):
            message = f"no whole answer within {seconds:.3g} s"
        reason = f"{type(error).__name__} at {self._host}" + (f" ({message})" if message else "")
        was_sent = not isinstance(error, NEVER_SENT)
        hint = "" if was_sent else f"Nothing was started. {DuneConnectionError.default_hint}"
        failure = self.error(DuneConnectionError, request, reason, hint=hint)
        failure.was_sent, failure.was_opened = was_sent, not isinstance(error, NEVER_OPENED)
        failure.timed_out = was_sent and isinstance(error, httpcore.TimeoutException)
        return failure

    def ambiguous(self, error: DuneApiError, hint: str) -> AmbiguousSubmission:
        """Return the error for a submission that may or may not have been carried out."""
        return AmbiguousSubmission(
            error.dune_message, status=error.status, method=error.method, path=error.path, hint=hint
        )

    def error(
        self, kind: type[ErrorT], request: Request, reason: str, *, status: int | None = None, hint: str = ""
    ) -> ErrorT:
        """Return an error of a request, with the hint of its class if none is given."""
        message = self._key.redacted(readable(reason))[:MESSAGE_CHARACTERS]
        path = self._key.redacted(f"{self._base_path}/{request.path}")
        variable = self._key.variable
        if not hint and variable:
            hint = kind.hint_for(request.method, path).replace(DEFAULT_VARIABLE, variable)
        return kind(message, method=request.method, path=path, status=status, hint=hint)


def as_json(method: str, path: str, body: Mapping[str, Any] | None) -> bytes | None:
    """Return the body of a request as JSON; None if there is none.

    Raises:
        DuneConfigurationError: The body cannot be written as JSON.
    """
    if body is None:
        return None
    try:
        return json_module.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:  # a UnicodeEncodeError is a ValueError
        raise DuneConfigurationError(
            f"What is to be sent with {method} {API_PATH}/{path} cannot be written as JSON: {error}.",
            hint="Numbers must be finite, texts free of lone surrogates, and all values plain JSON.",
        ) from error


def _difference(error: Exception) -> str:
    """Return in a few words why an answer is not the expected one."""
    if isinstance(error, UnreadableAnswer):
        return str(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        return f"{field}: {first['msg']}"
    return f"{type(error).__name__} ({error})"
