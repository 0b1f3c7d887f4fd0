"""`DuneApiClient`: Dune's HTTP API, with one method for each endpoint."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, NoReturn

from dagster_dune.api.address import DEFAULT_BASE_URL, checked_base_url
from dagster_dune.api.endpoints.account import Account
from dagster_dune.api.endpoints.datasets import Datasets
from dagster_dune.api.endpoints.executions import Executions
from dagster_dune.api.endpoints.materialized_views import MaterializedViews
from dagster_dune.api.endpoints.pipelines import Pipelines
from dagster_dune.api.endpoints.queries import Queries
from dagster_dune.api.endpoints.result_pages import CsvStream, ResultsPage
from dagster_dune.api.endpoints.uploads import Uploads
from dagster_dune.api.forks import call_after_fork
from dagster_dune.api.http.rate_budget import RateLimit, budget_of
from dagster_dune.api.key import ApiKey, checked_api_key
from dagster_dune.errors import DuneConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dagster_dune.api.http.answers import Answer
    from dagster_dune.api.http.transport import Transport

DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 5

__all__ = ["DEFAULT_MAX_RETRIES", "DEFAULT_TIMEOUT", "CsvStream", "DuneApiClient", "ResultsPage", "checked_api_key"]


class DuneApiClient(Pipelines, MaterializedViews, Queries, Executions, Uploads, Datasets, Account):
    """A client of Dune's API. Use it as a context manager, or call `close`.

    The key is sent in the ``X-Dune-Api-Key`` header alone. Reads are retried with backoff, honouring Retry-After. A
    request that starts paid work is sent again only if Dune surely did not start it, and raises `AmbiguousSubmission`
    if that cannot be known. Whatever a server, a gateway or a proxy answers, a method returns what Dune documents or
    raises a `DuneApiError` that names the request and what was wrong.

    Args:
        api_key: A key of the user or team that owns the queries, see https://dune.com/settings/api.
        base_url: The address of the API, without ``/api/v1``. It must be https, except on this machine's loopback.
        timeout: The seconds that one attempt of a request may take, from the connection to the last byte of the answer;
            a page of a result may take ten times as long while it keeps arriving. See also
            `dagster_dune.api.deadline.deadline`.
        max_retries: How often a request is sent again at the most.
        reads_per_minute: How many reads the plan allows; learned from Dune's answers if None. All clients of one key in
            a process share this limit: polling uses a quarter of it at the most, details of nodes a half.
        observe: Called with each complete answer, including its headers, before it is parsed; the key is not in it.

    Raises:
        DuneConfigurationError: The key is empty, the address unsafe, or a number out of range.

    Examples:
        >>> client = DuneApiClient("key")
        >>> client
        DuneApiClient(base_url='https://api.dune.com')
        >>> client.close()
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        reads_per_minute: int | None = None,
        observe: Callable[[Answer], None] | None = None,
    ) -> None:
        if timeout <= 0:
            raise DuneConfigurationError(f"timeout must be a positive number of seconds, not {timeout}.")
        if max_retries < 0:
            raise DuneConfigurationError(f"max_retries must not be negative, but is {max_retries}.")
        if reads_per_minute is not None and reads_per_minute < 1:
            raise DuneConfigurationError(f"reads_per_minute must be at least 1, but is {reads_per_minute}.")
        self.base_url = checked_base_url(base_url)
        self._api_key = ApiKey(api_key)
        self._timeout = timeout
        self._max_retries = max_retries
        self._observe = observe
        self.rate_budget = budget_of(self.base_url, api_key)
        if reads_per_minute is not None:
            self.rate_budget.set_limit(reads_per_minute)
        self._reset_transport()
        call_after_fork(self._reset_transport)

    def __repr__(self) -> str:
        return f"DuneApiClient(base_url={self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A DuneApiClient is not pickled, since it holds a key: make one in each process.")

    def __enter__(self) -> DuneApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _reset_transport(self) -> None:
        # After a fork, the open connections belong to the parent process: this one must not close them.
        self._current_transport: Transport | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Close every connection. The client opens new ones if it is used again."""
        if self._current_transport is not None:
            self._current_transport.close()
            self._current_transport = None

    @property
    def rate_limit(self) -> RateLimit:
        """The values of the last ``X-RateLimit-*`` headers; None for those that were not sent."""
        return self.rate_budget.rate_limit

    @property
    def _transport(self) -> Transport:
        with self._lock:  # one transport, also if several threads send the first requests at once
            if self._current_transport is None:
                from dagster_dune.api.http.transport import Transport  # noqa: PLC0415  (httpx is slow to import)

                self._current_transport = Transport(
                    api_key=self._api_key,
                    base_url=self.base_url,
                    timeout=self._timeout,
                    max_retries=self._max_retries,
                    budget=self.rate_budget,
                    observe=self._observe,
                )
            return self._current_transport
