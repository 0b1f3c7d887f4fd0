"""`Statement`: a prepared query that can be interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagster_dune.emulator.engine.error_messages import sql_error
from dagster_dune.emulator.engine.results import ResultSet
from dagster_dune.emulator.sql_errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Statement:
    """A prepared query, which is run once.

    Args:
        connect: Opens a connection.
        execute: Runs the query on the connection.
    """

    def __init__(
        self, connect: Callable[[], DuckDBPyConnection], execute: Callable[[DuckDBPyConnection], ResultSet]
    ) -> None:
        self._connect = connect
        self._execute = execute
        self._lock = threading.Lock()
        self._cursor: DuckDBPyConnection | None = None
        self._is_interrupted = False

    def run(self) -> ResultSet:
        """Run the query, and wait for its rows.

        Returns:
            All rows.

        Raises:
            SqlError: The query failed, or was interrupted.
        """
        with self._lock:
            if self._is_interrupted:
                raise SqlError("The query was cancelled", type="FAILED_TYPE_CANCELLED")
            cursor = self._cursor = self._connect()
        try:
            return self._execute(cursor)
        finally:
            with self._lock:
                self._cursor = None
                cursor.close()

    def interrupt(self) -> None:
        """Interrupt the query, from any thread and at any time; `run` then raises an error."""
        with self._lock:
            is_first, self._is_interrupted = not self._is_interrupted, True
            if is_first and self._cursor is not None:
                threading.Thread(target=self._interrupt_until_ended, daemon=True).start()

    def _interrupt_until_ended(self) -> None:
        """Interrupt repeatedly, since DuckDB ignores an interrupt between two queries."""
        while self._interrupt_if_running():
            time.sleep(0.005)

    def _interrupt_if_running(self) -> bool:
        with self._lock:
            if self._cursor is not None:
                self._cursor.interrupt()
            return self._cursor is not None


@contextmanager
def interrupts() -> Iterator[None]:
    """Raise a KeyboardInterrupt for the error of DuckDB if Ctrl-C interrupts the main thread."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


@contextmanager
def failures() -> Iterator[None]:
    """Raise an error of Dune for an error of DuckDB."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except duckdb.Error as error:
        raise sql_error(str(error)) from None
