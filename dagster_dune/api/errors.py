"""The errors of requests to Dune, as one hierarchy.

Each is a `dagster_dune.errors.DuneError`, and says which request failed, what Dune answered and what to do next. None
contains the API key.
"""

from __future__ import annotations

from typing import Any

from dagster_dune.errors import DuneError


class DuneApiError(DuneError):
    """A request to Dune failed.

    Attributes:
        status: The HTTP status of Dune's answer; None if there was no answer.
        dune_message: Dune's own error text, or the reason why there was no answer.
        method: The request's method, such as ``"GET"``.
        path: The request's path, such as ``"/api/v1/pipelines/execute"``.
        hint: What to do next.
    """

    default_hint = "See https://docs.dune.com/api-reference/overview/troubleshooting."

    def __init__(self, dune_message: str, *, method: str, path: str, status: int | None = None, hint: str = "") -> None:
        self.status = status
        self.dune_message = dune_message
        self.method = method
        self.path = path
        answer = f"Dune answered {status} to {method} {path}" if status else f"{method} {path} got no answer"
        super().__init__(f"{answer}: {dune_message.rstrip('. ')}.", hint=hint or self.hint_for(method, path))

    @classmethod
    def hint_for(cls, method: str, path: str) -> str:  # noqa: ARG003  (subclasses use them)
        """Return what to do next, for a request that has no hint of its own."""
        return cls.default_hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Make errors picklable, since they are sent between processes."""
        return _restored, (type(self), self.args, vars(self))


class DuneAuthenticationError(DuneApiError):
    """401: the API key is missing, wrong or revoked."""

    default_hint = "Check DUNE_API_KEY: the key must exist and must not have been revoked."


class DunePermissionError(DuneApiError):
    """403: the key is right, but it may not do this."""

    default_hint = (
        "Check that the key belongs to the team that owns the object, that its scope allows the call, and that "
        "the plan includes this endpoint (query endpoints need the Analyst plan or higher)."
    )


class DuneNotFoundError(DuneApiError):
    """404: the query, matview, execution or pipeline does not exist for this key."""

    default_hint = (
        "Check the id or name, and that the key belongs to the team that owns it: Dune also answers 404 for "
        "private objects of other teams."
    )


class DuneBadRequestError(DuneApiError):
    """400, 409 or another refusal of the request as it was written."""

    default_hint = "The request itself was refused and nothing was started: correct it before the next run."
    reading_hint = "What was asked for cannot be given: correct it, and ask again."

    @classmethod
    def hint_for(cls, method: str, path: str) -> str:  # noqa: ARG003
        """Return the hint for a request; one that reads would not have started anything."""
        return cls.reading_hint if method == "GET" else cls.default_hint


class DuneCreditsExhaustedError(DuneApiError):
    """402: the credits of the billing period, or a limit that was set on them, are used up."""

    default_hint = "Nothing was started. Raise the limit or add credits in Dune's billing settings, then run again."
    results_hint = (
        "Reading results is charged by size. Read fewer columns or smaller pages (page_size), lift the limit of one "
        "request with ignore_max_credits_per_request=True, or add credits in Dune's billing settings. What was read "
        "before is charged already; nothing was executed again."
    )

    @classmethod
    def hint_for(cls, method: str, path: str) -> str:
        """Return what to do next: another hint if rows were to be read."""
        return cls.results_hint if method == "GET" and "/results" in path else cls.default_hint


class DuneRateLimitError(DuneApiError):
    """429, after every retry.

    Attributes:
        retry_after: The seconds that Dune asks to wait, or None if it does not say.
    """

    default_hint = (
        "Lower the number of concurrent runs (the asset set's pool) or raise max_poll_interval; the limits of each "
        "plan are at https://docs.dune.com/api-reference/overview/rate-limits."
    )
    retry_after: float | None = None


class DuneServerError(DuneApiError):
    """5xx, a redirect, or an answer that is not what Dune documents."""

    default_hint = "Look at https://status.dune.com; if Dune is well, check DUNE_API_BASE_URL."


class DuneConnectionError(DuneApiError):
    """No answer: the connection could not be opened, broke, or timed out.

    Attributes:
        was_opened: Whether the connection was opened.
        was_sent: Whether any of the request may have reached Dune.
        timed_out: Whether the request was sent and not answered in time, so that Dune may still be working on it.
    """

    default_hint = "Check the network, the proxy and DUNE_API_BASE_URL."
    was_opened = True
    was_sent = True
    timed_out = False


class AmbiguousSubmission(DuneApiError):  # noqa: N818  (the name users search for in Dune's and our documentation)
    """A request that starts paid work got no usable answer, so Dune may or may not be running it.

    It is never sent again on its own: a second execution would be charged too.
    """

    default_hint = (
        "The work may be running, and it is charged if it is, so it was not sent again. Look at the recent "
        "executions of these queries on dune.com before you run this once more."
    )

    def with_hint(self, hint: str) -> AmbiguousSubmission:
        """Return this error with another hint."""
        return AmbiguousSubmission(self.dune_message, status=self.status, method=self.method, path=self.path, hint=hint)


def _restored(kind: type[DuneApiError], args: tuple[Any, ...], fields: dict[str, Any]) -> DuneApiError:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(fields)
    return error


BY_STATUS: dict[int, type[DuneApiError]] = {
    401: DuneAuthenticationError,
    402: DuneCreditsExhaustedError,
    403: DunePermissionError,
    404: DuneNotFoundError,
    429: DuneRateLimitError,
}


def error_class(status: int) -> type[DuneApiError]:
    """Return the class of error that an HTTP status stands for.

    Args:
        status: An HTTP status outside 200 to 299.

    Returns:
        The most specific class of this module.
    """
    if status in BY_STATUS:
        return BY_STATUS[status]
    return DuneBadRequestError if 400 <= status < 500 else DuneServerError
