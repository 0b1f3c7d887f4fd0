"""Shows the progress of reading an account, and keeps the queries that an interrupted command has read."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_dune._formatting import counted
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from dagster_dune.catalog.objects import Query

SECONDS_BETWEEN_LINES = 5.0
RETRY_LOGGER = "dagster_dune.api.http.retries"
"""The logger of waits for the rate limit."""


class ReadCounter:
    """Counts the queries that are read, in all rounds.

    Attributes:
        total: The number of queries in all rounds so far.
    """

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, done: int, total: int) -> None:
        """Add the size of a round when it starts; later calls report its progress."""
        if done == 0:
            self.total += total


class _ProgressBar(ReadCounter):
    """Shows a progress bar on a terminal."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar = bar
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        if done == 0:
            self._task = self._bar.add_task("Reading queries", total=total) if total else None
        elif self._task is not None:
            self._bar.update(self._task, completed=done)


class _ProgressLines(ReadCounter):
    """Prints a line every few seconds, for files and logs."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._started_at = self._printed_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        now = time.monotonic()
        if done == 0:
            self._started_at = now
        if total and (done in (0, total) or now - self._printed_at >= SECONDS_BETWEEN_LINES):
            self._printed_at = now
            left = f", about {(now - self._started_at) / done * (total - done):.0f} s left" if 0 < done < total else ""
            self._console.print(f"Reading queries: {done} of {total}{left}.")


class _OncePerWait(logging.Filter):
    """Passes one message for all threads that wait until the same second."""

    def __init__(self) -> None:
        super().__init__()
        self._last_wait: object = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the end of the wait differs from that of the last message."""
        until = record.args[1] if isinstance(record.args, tuple) and len(record.args) > 1 else record.getMessage()
        is_news, self._last_wait = until != self._last_wait, until
        return is_news


@contextmanager
def shown_progress(console: Console) -> Iterator[ReadCounter]:
    """Show the progress of reading, as a bar on a terminal and as lines elsewhere, and waits for the rate limit."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415  (slow to import)

    logger, once_per_wait = logging.getLogger(RETRY_LOGGER), _OncePerWait()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addFilter(once_per_wait)
    try:
        if not console.is_terminal:
            yield _ProgressLines(console)
            return
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            yield _ProgressBar(bar)
    finally:
        logger.removeFilter(once_per_wait)
        logger.setLevel(level)


@contextmanager
def resumable_reads(output: Path, console: Console) -> Iterator[dict[int, Query]]:
    """Write the queries to a partial file if reading ends early, and begin with those of an earlier partial file.

    Args:
        output: The file that the command writes.
        console: The console for messages.

    Yields:
        Queries by their ids: those of the partial file, to which the caller adds the ones that it reads.
    """
    path = output.with_name(f"{output.stem}.partial{output.suffix}")
    read = _read_partial(path, console)
    try:
        yield read
    except (KeyboardInterrupt, DuneError) as error:
        if read:
            _write_partial(path, read)
            console.print(
                f"{counted(len(read), 'query that was read is', 'queries that were read are')} kept in {path}; the "
                "next pull goes on from there.",
                markup=False,
            )
        if isinstance(error, KeyboardInterrupt):
            console.print("Interrupted.")
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)  # the threads that still wait for Dune's answers would hold the process up
        raise
    path.unlink(missing_ok=True)


def _read_partial(path: Path, console: Console) -> dict[int, Query]:
    from dagster_dune.catalog.document import read_document  # noqa: PLC0415  (slow to import)

    if not path.exists():
        return {}
    try:
        read = {query.query_id: query for query in read_document(path).queries}
    except DuneError:
        return {}
    console.print(
        f"Going on with {counted(len(read), 'query', 'queries')} that an earlier pull has read ({path}).", markup=False
    )
    return read


def _write_partial(path: Path, read: dict[int, Query]) -> None:
    from dagster_dune.catalog.contents import CatalogContents  # noqa: PLC0415  (slow to import)
    from dagster_dune.catalog.document import write_document  # noqa: PLC0415

    write_document(CatalogContents(queries=tuple(read[query_id] for query_id in sorted(read))), path)
