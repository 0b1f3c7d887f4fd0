"""Runs the checks that only read: the owner of the key, the plan, the account's objects, and our models of answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TypeVar
from urllib.request import getproxies

from dagster_dune._formatting import abbreviated, counted
from dagster_dune.api import models
from dagster_dune.api.address import VARIABLE, address_of_environment
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import (
    DuneApiError,
    DuneAuthenticationError,
    DuneConnectionError,
    DuneCreditsExhaustedError,
    DuneNotFoundError,
    DunePermissionError,
)
from dagster_dune.api.models.base import DuneModel
from dagster_dune.catalog.names import TEAM_TABLE_NAME
from dagster_dune.doctor.exchanges import Exchange, without_names
from dagster_dune.doctor.model_fields import missing_fields, unknown_fields
from dagster_dune.doctor.report import Report
from dagster_dune.errors import DuneError

PROXY_HEADERS = (
    "via",
    "x-cache",
    "cf-cache-status",
    "x-forwarded-for",
    "x-proxy",
    "x-squid-error",
    "x-bluecoat-via",
    "age",
)
SKEW_SECONDS = 30
MAX_LISTED = 1_000
PIPELINES = "pipelines"
UNKNOWN_PIPELINE = "01JB0000000000000000000000"
MAX_DATASETS = 10

T = TypeVar("T")


class AccountReads:
    """Reads the account. No request changes anything or costs credits.

    Args:
        client: A client whose answers are appended to `report.exchanges`.
        report: The report that gets all findings.
        clock: Returns this machine's time in seconds.
    """

    def __init__(self, client: DuneApiClient, report: Report, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._client = client
        self._report = report
        self._unknown_fields: dict[str, list[str]] = {}
        self._missing_fields: dict[str, list[str]] = {}
        self._available: list[str] = []
        self._unavailable: list[str] = []
        self._latest_refresh: str | None = None

    def examine(self) -> None:
        """Send all requests, and report what they show.

        Raises:
            DuneError: Dune rejects the key or does not answer, or the answers are not Dune's.
        """
        asked_at = self._clock()
        self._owner()
        self._connection(asked_at, self._clock())
        self._credits()
        self._objects()
        self._executions()
        self._endpoints()

    # --- the key and the connection ---

    def _owner(self) -> None:
        try:
            owner = self._read("whoami", self._client.whoami, models.KeyOwner)
        except (DuneAuthenticationError, DuneConnectionError):
            raise
        except DuneApiError as error:
            self._report.fact("key", f"whoami: {_reason(error)}")
            return
        self._report.fact("key", f"belongs to {owner.customer_id}, made by user {owner.created_by}", is_private=True)

    def _connection(self, asked_at: float, answered_at: float) -> None:
        """Report the clock skew and the proxies that the headers of the first answer show."""
        if not self._report.exchanges:
            return
        headers = self._report.exchanges[0].headers
        skew = _skew(headers.get("date"), asked_at, answered_at)
        if skew is not None:
            late = abs(skew) > SKEW_SECONDS
            words = f"{skew:+.0f} s against Dune's"
            advice = ": set it, since ages of runs are told by it" if late else ""
            self._report.fact("clock", words + advice, is_trouble=late)
        named = [f"{name}: {headers[name]}" for name in PROXY_HEADERS if name in headers]
        proxies = sorted(getproxies())
        said = f"{'the environment names one' if proxies else 'none in the environment'}; "
        said += f"answers show {', '.join(named)}" if named else "answers show none"
        self._report.fact("proxy", said, is_private=bool(named))

    def _limits(self) -> None:
        limit = self._client.rate_limit
        told = [f"{name} {value:g}" for name, value in vars(limit).items() if isinstance(value, int | float)]
        said = ", ".join(told) if told else "no X-RateLimit headers: learned from 429 alone"
        self._report.fact("limits", said)
        refused = [exchange for exchange in self._report.exchanges if exchange.status == 429]
        if refused:
            without = [exchange for exchange in refused if "retry-after" not in exchange.headers]
            seen = f"{len(refused)} answers 429, {len(without)} of them without"
            self._report.judge("retry-after", not without, seen)
        else:
            self._report.not_tried("retry-after", "no answer was 429")

    # --- the objects of the account ---

    def _credits(self) -> None:
        with self._continue_on_error("usage"):
            usage = self._read("usage", self._client.get_usage, models.Usage)
            for period in usage.billing_periods[-1:]:
                left = (period.credits_included or 0) - (period.credits_used or 0)
                said = f"{left:g} of {period.credits_included or 0:g} left until {period.end_date}"
                self._report.fact("credits", said, is_trouble=left <= 0)

    def _objects(self) -> None:
        matviews = list[models.MaterializedViewInfo]()
        with self._continue_on_error("materialized views"):
            matviews = self._read_list(
                "materialized views", self._client.list_materialized_views(), models.MaterializedViewList
            )
            self._matview_names([matview.sql_id for matview in matviews])
        if matviews:
            name = matviews[0].sql_id
            with self._continue_on_error("one materialized view"):
                matview = self._read(
                    "materialized view", lambda: self._client.get_materialized_view(name), models.MaterializedViewInfo
                )
                self._latest_refresh = next(iter(matview.last_execution_ids or ()), None)
        queries = list[models.QueryOverview]()
        with self._continue_on_error("queries"):
            queries = self._read_list("queries", self._client.list_queries(), models.QueryList)
        if queries:
            id_ = queries[0].id
            with self._continue_on_error("one query"):
                self._read("query", lambda: self._client.get_query(id_), models.SavedQuery)
            with self._continue_on_error("a query's pipeline"):
                self._read("pipeline of a query", lambda: self._client.get_query_pipeline(id_), models.QueryPipeline)
        with self._continue_on_error("uploads"):
            uploads = self._read_list("uploads", self._client.list_uploads(), models.UploadList)
            self._report.fact("uploads", f"{len(uploads)}")
        with self._continue_on_error("datasets"):
            found = islice(self._client.search_datasets("dex trades", page_size=MAX_DATASETS), MAX_DATASETS)
            self._read_list("datasets", found, models.DatasetsFound)
        shown = (
            f"{MAX_LISTED} or more queries" if len(queries) == MAX_LISTED else counted(len(queries), "query", "queries")
        )
        self._report.fact("account", f"{counted(len(matviews), 'materialized view')}, {shown}")

    def _matview_names(self, names: Iterable[str]) -> None:
        names = list(names)
        odd = [name for name in names if not TEAM_TABLE_NAME.fullmatch(name.replace('"', "").lower())]
        if names:
            all_names = counted(len(names), "name")
            seen = f"{len(odd)} of {all_names} {'is' if len(odd) == 1 else 'are'} of another form" if odd else all_names
            self._report.judge("matview-names", not odd, seen)
        else:
            self._report.not_tried("matview-names", "the account has no materialized views")

    def _executions(self) -> None:
        """Read the status of the latest refresh, and its result without rows."""
        execution_id = self._latest_refresh
        if execution_id is not None:
            with self._continue_on_error("an execution"):
                self._read("execution", lambda: self._client.get_execution_status(execution_id), models.ExecutionStatus)
            with self._continue_on_error("a result's shape"):
                self._read(
                    "results",
                    lambda: self._client.get_execution_results(execution_id, limit=0, allow_partial_results=True),
                    models.ExecutionResults,
                )
        with self._continue_on_error(PIPELINES):
            with suppress(DuneNotFoundError):
                self._client.get_pipeline_status(UNKNOWN_PIPELINE)
            self._available.append(PIPELINES)

    def _endpoints(self) -> None:
        self._limits()
        self._report.fact("endpoints", f"answer: {', '.join(dict.fromkeys(self._available)) or 'none'}")
        if self._unavailable:
            self._report.fact("not to be had", "; ".join(self._unavailable), is_trouble=True)
        if set(self._available) <= {PIPELINES}:  # which any 404 makes available
            raise DuneError(
                "Nothing that this address was asked was answered as Dune does.",
                hint="Check DUNE_API_BASE_URL, what stands between this machine and Dune, and what the key may do.",
            )
        for answer, fields in self._unknown_fields.items():
            self._report.fact(f"new in {answer}", f"fields that are not read: {abbreviated(fields, most=8)}")
        for answer, fields in self._missing_fields.items():
            self._report.fact(f"not in {answer}", abbreviated(fields, most=8))

    # --- requests ---

    def _read(self, name: str, ask: Callable[[], T], model: type[DuneModel]) -> T:
        before = len(self._report.exchanges)
        answer = ask()
        self._available.append(name)
        self._compare_fields(name, model, before)
        return answer

    def _read_list(self, name: str, items: Iterable[T], model: type[DuneModel]) -> list[T]:
        before = len(self._report.exchanges)
        found = list(islice(items, MAX_LISTED))
        self._available.append(name)
        self._compare_fields(name, model, before)
        return found

    def _compare_fields(self, name: str, model: type[DuneModel], before: int) -> None:
        """Compare a model with each answer since an index of `report.exchanges`."""
        answers = [exchange.json for exchange in self._report.exchanges[before:] if exchange.is_success]
        if unknown := sorted({field for answer in answers for field in unknown_fields(model, answer)}):
            self._unknown_fields[name] = unknown
        if missing := sorted({field for answer in answers for field in missing_fields(model, answer)}):
            self._missing_fields[name] = missing

    def _continue_on_error(self, what: str) -> _ContinueOnError:
        return _ContinueOnError(what, self._unavailable)


class _ContinueOnError:
    """Adds an error of one endpoint, which the plan may not include, to a list, so that the others are still read."""

    def __init__(self, what: str, absent: list[str]) -> None:
        self._what = what
        self._unavailable = absent

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, DuneError):
            self._unavailable.append(f"{self._what} ({_reason(error)})")
            return True
        return False


def append_exchanges(report: Report) -> Callable[[object], None]:
    """Return a callback that appends each answer to the exchanges of a report."""

    def note(answer: object) -> None:
        report.exchanges.append(Exchange.of(answer))  # type: ignore[arg-type]

    return note


def _reason(error: DuneError) -> str:
    """Return the text of an error without names."""
    if isinstance(error, DunePermissionError | DuneCreditsExhaustedError):
        return f"{error.status}: not with this key or plan"
    if isinstance(error, DuneApiError):
        return f"{error.status or 'no answer'}: {without_names(error.dune_message)}"
    return without_names(str(error))


def _skew(date: str | None, asked_at: float, answered_at: float) -> float | None:
    """Return by how many seconds at least this machine's clock is ahead of an answer's; None if that has no time.

    Dune wrote its time at some moment between the request and the answer, which may be long.
    """
    try:
        theirs = parsedate_to_datetime(date or "")
    except (ValueError, TypeError):
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    ahead, behind = asked_at - theirs.timestamp(), answered_at - theirs.timestamp()
    return ahead if ahead > 0 else min(behind, 0.0)


def described_address(base_url: str) -> str:
    """Return the address of the requests, and where it was set."""
    return f"{base_url} ({VARIABLE if address_of_environment() else 'the default'})"
