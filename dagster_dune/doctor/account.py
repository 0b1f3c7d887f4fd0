"""The checks that only read: the owner of the key, the plan, the objects of the account, and our models of answers."""

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

BETWEEN = ("via", "x-cache", "cf-cache-status", "x-forwarded-for", "x-proxy", "x-squid-error", "x-bluecoat-via", "age")
SKEW_SECONDS = 30
LISTED = 1_000
PIPELINES = "pipelines"
NO_PIPELINE = "01JB0000000000000000000000"
DATASETS_LOOKED_AT = 10

T = TypeVar("T")


class AccountReads:
    """Reads the account. Nothing that can be changed or charged is asked for.

    Args:
        client: A client that puts each answer into `report.exchanges`.
        report: Where everything goes.
        clock: This machine's time in seconds.
    """

    def __init__(self, client: DuneApiClient, report: Report, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._client = client
        self._report = report
        self._unknown: dict[str, list[str]] = {}
        self._missing: dict[str, list[str]] = {}
        self._there: list[str] = []
        self._absent: list[str] = []
        self._latest: str | None = None

    def examine(self) -> None:
        """Ask for everything.

        Raises:
            DuneError: Dune does not take the key, or does not answer; or whatever answers is not Dune.
        """
        asked_at = self._clock()
        self._owner()
        self._way(asked_at, self._clock())
        self._usage()
        self._account()
        self._executions()
        self._endpoints()

    # --- who, and by which way ---

    def _owner(self) -> None:
        try:
            owner = self._read("whoami", self._client.whoami, models.KeyOwner)
        except (DuneAuthenticationError, DuneConnectionError):
            raise
        except DuneApiError as error:
            self._report.fact("key", f"whoami: {_words(error)}")
            return
        self._report.fact("key", f"belongs to {owner.customer_id}, made by user {owner.created_by}", is_private=True)

    def _way(self, asked_at: float, told_at: float) -> None:
        """Clock, proxies and limits: what the headers of the first answer betray."""
        if not self._report.exchanges:
            return
        headers = self._report.exchanges[0].headers
        skew = _skew(headers.get("date"), asked_at, told_at)
        if skew is not None:
            late = abs(skew) > SKEW_SECONDS
            words = f"{skew:+.0f} s against Dune's"
            advice = ": set it, since ages of runs are told by it" if late else ""
            self._report.fact("clock", words + advice, is_trouble=late)
        named = [f"{name}: {headers[name]}" for name in BETWEEN if name in headers]
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

    # --- what the account holds ---

    def _usage(self) -> None:
        with self._tried("usage"):
            usage = self._read("usage", self._client.get_usage, models.Usage)
            for period in usage.billing_periods[-1:]:
                left = (period.credits_included or 0) - (period.credits_used or 0)
                said = f"{left:g} of {period.credits_included or 0:g} left until {period.end_date}"
                self._report.fact("credits", said, is_trouble=left <= 0)

    def _account(self) -> None:
        matviews = list[models.MaterializedViewInfo]()
        with self._tried("materialized views"):
            matviews = self._list(
                "materialized views", self._client.list_materialized_views(), models.MaterializedViewList
            )
            self._names([matview.sql_id for matview in matviews])
        if matviews:
            name = matviews[0].sql_id
            with self._tried("one materialized view"):
                matview = self._read(
                    "materialized view", lambda: self._client.get_materialized_view(name), models.MaterializedViewInfo
                )
                self._latest = next(iter(matview.last_execution_ids or ()), None)
        queries = list[models.QueryOverview]()
        with self._tried("queries"):
            queries = self._list("queries", self._client.list_queries(), models.QueryList)
        if queries:
            id_ = queries[0].id
            with self._tried("one query"):
                self._read("query", lambda: self._client.get_query(id_), models.SavedQuery)
            with self._tried("a query's pipeline"):
                self._read("pipeline of a query", lambda: self._client.get_query_pipeline(id_), models.QueryPipeline)
        with self._tried("uploads"):
            uploads = self._list("uploads", self._client.list_uploads(), models.UploadList)
            self._report.fact("uploads", f"{len(uploads)}")
        with self._tried("datasets"):
            found = islice(self._client.search_datasets("dex trades", page_size=DATASETS_LOOKED_AT), DATASETS_LOOKED_AT)
            self._list("datasets", found, models.DatasetsFound)
        shown = f"{LISTED} or more queries" if len(queries) == LISTED else counted(len(queries), "query", "queries")
        self._report.fact("account", f"{counted(len(matviews), 'materialized view')}, {shown}")

    def _names(self, names: Iterable[str]) -> None:
        names = list(names)
        odd = [name for name in names if not TEAM_TABLE_NAME.fullmatch(name.replace('"', "").lower())]
        if names:
            all_names = counted(len(names), "name")
            seen = f"{len(odd)} of {all_names} {'is' if len(odd) == 1 else 'are'} of another form" if odd else all_names
            self._report.judge("matview-names", not odd, seen)
        else:
            self._report.not_tried("matview-names", "the account has no materialized views")

    def _executions(self) -> None:
        """Of the latest refresh: its status, and the shape of its result; rows are not read."""
        execution_id = self._latest
        if execution_id is not None:
            with self._tried("an execution"):
                self._read("execution", lambda: self._client.get_execution_status(execution_id), models.ExecutionStatus)
            with self._tried("a result's shape"):
                self._read(
                    "results",
                    lambda: self._client.get_execution_results(execution_id, limit=0, allow_partial_results=True),
                    models.ExecutionResults,
                )
        with self._tried(PIPELINES):
            with suppress(DuneNotFoundError):
                self._client.get_pipeline_status(NO_PIPELINE)
            self._there.append(PIPELINES)

    def _endpoints(self) -> None:
        self._limits()
        self._report.fact("endpoints", f"answer: {', '.join(dict.fromkeys(self._there)) or 'none'}")
        if self._absent:
            self._report.fact("not to be had", "; ".join(self._absent), is_trouble=True)
        if set(self._there) <= {PIPELINES}:  # of which the answer that it is not known is one
            raise DuneError(
                "Nothing that this address was asked was answered as Dune does.",
                hint="Check DUNE_API_BASE_URL, what stands between this machine and Dune, and what the key may do.",
            )
        for answer, fields in self._unknown.items():
            self._report.fact(f"new in {answer}", f"fields that are not read: {abbreviated(fields, most=8)}")
        for answer, fields in self._missing.items():
            self._report.fact(f"not in {answer}", abbreviated(fields, most=8))

    # --- how ---

    def _read(self, name: str, ask: Callable[[], T], model: type[DuneModel]) -> T:
        before = len(self._report.exchanges)
        answer = ask()
        self._there.append(name)
        self._compare(name, model, before)
        return answer

    def _list(self, name: str, items: Iterable[T], model: type[DuneModel]) -> list[T]:
        before = len(self._report.exchanges)
        found = list(islice(items, LISTED))
        self._there.append(name)
        self._compare(name, model, before)
        return found

    def _compare(self, name: str, model: type[DuneModel], before: int) -> None:
        """Whether the model reads whole what has come since, each page of it."""
        answers = [exchange.json for exchange in self._report.exchanges[before:] if exchange.is_success]
        if unknown := sorted({field for answer in answers for field in unknown_fields(model, answer)}):
            self._unknown[name] = unknown
        if missing := sorted({field for answer in answers for field in missing_fields(model, answer)}):
            self._missing[name] = missing

    def _tried(self, what: str) -> _Tried:
        return _Tried(what, self._absent)


class _Tried:
    """One endpoint that the plan may not have, or that may fail: the others are tried all the same."""

    def __init__(self, what: str, absent: list[str]) -> None:
        self._what = what
        self._absent = absent

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, DuneError):
            self._absent.append(f"{self._what} ({_words(error)})")
            return True
        return False


def observed(report: Report) -> Callable[[object], None]:
    """What puts each answer into a report."""

    def note(answer: object) -> None:
        report.exchanges.append(Exchange.of(answer))  # type: ignore[arg-type]

    return note


def _words(error: DuneError) -> str:
    """What an error says, without names."""
    if isinstance(error, DunePermissionError | DuneCreditsExhaustedError):
        return f"{error.status}: not with this key or plan"
    if isinstance(error, DuneApiError):
        return f"{error.status or 'no answer'}: {without_names(error.dune_message)}"
    return without_names(str(error))


def _skew(date: str | None, asked_at: float, told_at: float) -> float | None:
    """How many seconds this machine's clock is surely ahead of that of an answer; None where that says no time.

    Dune's time is one between the question and its answer, which may have taken long.
    """
    try:
        theirs = parsedate_to_datetime(date or "")
    except (ValueError, TypeError):
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    ahead, behind = asked_at - theirs.timestamp(), told_at - theirs.timestamp()
    return ahead if ahead > 0 else min(behind, 0.0)


def address_in_words(base_url: str) -> str:
    """The address that is asked, and where it comes from."""
    return f"{base_url} ({VARIABLE if address_of_environment() else 'the default'})"
