"""Runs transactions in a DuckDB file: one writer at a time, and none continues after an interrupt."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dagster_dune.api.interrupts import uninterrupted
from dagster_dune.errors import DuneResultError

PAUSE_SECONDS = 0.1
_LOCKED = re.compile(r"^[^\"]*\bset lock on file \"|used by another process")
"""DuckDB's error for a file that another process has locked, matched before the path, which may contain any words."""
_CONFLICT = re.compile(r"^[^\"]*\bconflict\b", re.IGNORECASE)
"""DuckDB's error for a transaction that conflicts with another, matched before the names of tables or files."""
_ONE_WRITER = threading.Lock()
"""Excludes other threads of this process. DuckDB's lock of the file excludes other processes."""


def in_transaction(duckdb: Any, database: Path, work: Callable[[Any], None], wait_seconds: float) -> None:
    """Call a function in one transaction, after the transactions of other threads and processes.

    Args:
        duckdb: The package.
        database: The file.
        work: The function, which gets a connection. It is called again if the transaction lost against another one.
        wait_seconds: The maximum time to wait for other writers.

    Raises:
        DuneResultError: The file cannot be written, or other writers lock it for longer.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            _in_thread(partial(_one_transaction, duckdb, database, work))
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            if not _is_busy(duckdb, error):
                raise DuneResultError(
                    f"The DuckDB file {database} could not be written: {reason}",
                    hint="The table is as it was. Make room or give rights there if the disk refused it.",
                ) from error
            if time.monotonic() > deadline:
                raise DuneResultError(
                    f"The DuckDB file {database} could not be written: {reason}",
                    hint=f"Another writer was waited for, {wait_seconds:g} s at the most.",
                ) from error
            time.sleep(PAUSE_SECONDS)
        else:
            return


@dataclass(frozen=True)
class _Attempt:
    """An attempt at a transaction, which another thread can stop until it is committed."""

    connections: list[Any] = field(default_factory=list)
    is_cancelled: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        if self.is_cancelled.is_set():
            raise InterruptedError("Whoever waits for it has been interrupted.")


def _in_thread(act: Callable[[_Attempt], None]) -> None:
    """Run an attempt in a separate thread, which gets no signals: DuckDB hides what a signal handler raises."""
    attempt = _Attempt()
    done: Future[None] = Future()

    def run() -> None:
        try:
            act(attempt)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def stop() -> None:
        attempt.is_cancelled.set()
        while thread.is_alive() and not done.done():  # what begins after an interrupt is not interrupted by it
            for connection in attempt.connections:
                with suppress(Exception):  # it has been closed meanwhile
                    connection.interrupt()
            wait([done], PAUSE_SECONDS)

    thread = threading.Thread(target=run, name="dune-duckdb")
    try:
        thread.start()
        while wait([done], PAUSE_SECONDS).not_done:  # whoever waits for long may not see a signal before the end
            pass
    except BaseException:
        uninterrupted(stop)
        raise
    done.result()


def _one_transaction(duckdb: Any, database: Path, work: Callable[[Any], None], attempt: _Attempt) -> None:
    with _ONE_WRITER, _transaction(duckdb, database) as connection:
        attempt.connections.append(connection)
        try:
            attempt.check()
            work(connection)
            attempt.check()
        finally:
            attempt.connections.clear()


def _is_busy(duckdb: Any, error: Exception) -> bool:
    """Return whether another writer caused the error, rather than the disk."""
    if isinstance(error, duckdb.TransactionException):
        return bool(_CONFLICT.search(str(error)))
    return isinstance(error, duckdb.IOException) and bool(_LOCKED.search(str(error)))


@contextmanager
def _transaction(duckdb: Any, database: Path) -> Iterator[Any]:
    connection = duckdb.connect(str(database))
    try:
        connection.begin()
        yield connection
        connection.commit()
    finally:
        connection.close()  # which rolls back what was not committed
