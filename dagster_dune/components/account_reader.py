"""Reads the account within a time limit, since Dagster limits how long a code location may take to load."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from dagster_dune.api.waiting import result_of
from dagster_dune.errors import DuneCatalogError

if TYPE_CHECKING:
    from dagster_dune.api.client import DuneApiClient
    from dagster_dune.catalog.contents import CatalogContents
from dagster_dune.catalog.selection import Patterns, UnmatchedPatternError, warn_of_exclude

STARTUP_SECONDS = 180.0
"""How long Dagster waits for a code server to start."""
DEFAULT_TIME_LIMIT = 120.0
WITHOUT_ACCOUNT = (
    "A file needs no account where code locations load: write it once with dagster-dune catalog pull -o FILE, "
    "and load that (document: FILE)."
)

T = TypeVar("T")

_read_intervals: list[tuple[float, float]] = []
"""The start and end of each read of an account by this process in the last `STARTUP_SECONDS`."""


class AccountUnreadableError(DuneCatalogError):
    """The account could not be read: Dune was out of reach, refused the key, or took too long."""


def read_account(
    open_client: Callable[[], DuneApiClient],
    *,
    select: Patterns | None = None,
    exclude: Patterns = (),
    known: CatalogContents | None = None,
    time_limit: float | None = DEFAULT_TIME_LIMIT,
    warn: Callable[[UnmatchedPatternError], object] = warn_of_exclude,
    strict: bool = False,
) -> CatalogContents:
    """Read an account like `dagster_dune.catalog.sources.account.discover`, within a time limit.

    Args:
        open_client: Makes the client, which is closed at the end.
        select: The patterns of the objects to read; all objects if None.
        exclude: The patterns of the objects to exclude from the selection.
        known: The catalog of an earlier read.
        time_limit: The limit in seconds; none if None. Reads of accounts by this process in the last three minutes
            count too, because all components of a code location share Dagster's limit.
        warn: Called with an error for each pattern of `exclude` that matches nothing.
        strict: Whether an object that must be left out raises an error instead of a warning.

    Returns:
        The account's catalog.

    Raises:
        AccountUnreadableError: Dune could not be reached, refused the key, or took too long.
        DuneCatalogError: A pattern of `select` matches nothing, or something is left out, and `strict` is set.
    """
    from dagster_dune.api.deadline import until_set  # noqa: PLC0415  (code locations load quicker without)
    from dagster_dune.api.errors import DuneApiError  # noqa: PLC0415
    from dagster_dune.catalog.sources.account import discover  # noqa: PLC0415
    from dagster_dune.catalog.sources.left_out import LeftOut  # noqa: PLC0415

    progress, is_cancelled, left_out = _Progress(), Event(), LeftOut(strict=strict)

    def read() -> CatalogContents:
        with until_set(is_cancelled), open_client() as client:
            return discover(
                client,
                select=select,
                exclude=exclude,
                known=known,
                progress=progress,
                warn=warn,
                left_out=left_out,
            )

    begin = time.monotonic()
    try:
        contents = _call_with_timeout(None if time_limit is None else _seconds_left(time_limit, begin), read)
    except FutureTimeoutError as error:
        raise AccountUnreadableError(
            f"Reading the Dune accounts of this code location took longer than {time_limit:g} seconds; of this one, "
            f"{progress}.",
            hint=WITHOUT_ACCOUNT,
        ) from error
    except DuneApiError as error:
        raise AccountUnreadableError(f"The Dune account cannot be read. {error}", hint=WITHOUT_ACCOUNT) from error
    finally:
        is_cancelled.set()  # also after an interrupt, or the threads of the pool would delay the end of the process
        _read_intervals.append((begin, time.monotonic()))
    left_out.raise_errors()
    return contents


class _Progress:
    """Counts the queries that were read."""

    def __init__(self) -> None:
        self._read = 0
        self._total = 0

    def __call__(self, done: int, total: int) -> None:
        if done == 0:
            self._total += total
        else:
            self._read += 1

    def __str__(self) -> str:
        if not self._total:
            return "the list of its queries was not complete"
        return f"{self._read} of {self._total} queries were read"


def _call_with_timeout(seconds: float | None, call: Callable[[], T]) -> T:
    """Call a function in a daemon thread, and return its result or raise `FutureTimeoutError` after the timeout."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="dune-account", daemon=True).start()
    return result_of(future, seconds)


def _seconds_left(time_limit: float, now: float) -> float:
    earliest = now - STARTUP_SECONDS
    _read_intervals[:] = [(begin, end) for begin, end in _read_intervals if end > earliest]
    return max(0.0, time_limit - sum(end - max(begin, earliest) for begin, end in _read_intervals))
