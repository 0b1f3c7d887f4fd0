"""Reading an account from a shell: how far it is, what it waits for, and what an interrupted reading keeps."""

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
WAITS = "dagster_dune.api.http.retries"
"""Where the client says that it waits for the rate limit."""


class Counter:
    """Counts the queries that were read, of all rounds.

    Attributes:
        total: The number of queries that were to be read.
    """

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, done: int, total: int) -> None:
        """Take in how many of a round were read."""
        if done == 0:
            self.total += total


class _Bar(Counter):
    """Shows a bar, on a terminal."""

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


class _Lines(Counter):
    """Writes a line now and then, where a bar would be a mess: in files and logs."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._begun_at = self._told_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        now = time.monotonic()
        if done == 0:
            self._begun_at = now
        if total and (done in (0, total) or now - self._told_at >= SECONDS_BETWEEN_LINES):
            self._told_at = now
            left = f", about {(now - self._begun_at) / done * (total - done):.0f} s left" if 0 < done < total else ""
            self._console.print(f"Reading queries: {done} of {total}{left}.")


class _OnceAnEnd(logging.Filter):
    """Lets one word pass for all threads that wait until the same second."""

    def __init__(self) -> None:
        super().__init__()
        self._told: object = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is news."""
        until = record.args[1] if isinstance(record.args, tuple) and len(record.args) > 1 else record.getMessage()
        is_news, self._told = until != self._told, until
        return is_news


@contextmanager
def shown_progress(console: Console) -> Iterator[Counter]:
    """Show how far reading is, with a bar on a terminal and with lines elsewhere; and what is waited for."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415  (slow to import)

    waits, once = logging.getLogger(WAITS), _OnceAnEnd()
    level = waits.level
    waits.setLevel(logging.INFO)
    waits.addFilter(once)
    try:
        if not console.is_terminal:
            yield _Lines(console)
            return
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            yield _Bar(bar)
    finally:
        waits.removeFilter(once)
        waits.setLevel(level)


@contextmanager
def kept_reads(output: Path, console: Console) -> Iterator[dict[int, Query]]:
    """Keep what is read, so that a reading that ends early goes on where it was.

    Args:
        output: The file that reading is to write.
        console: Where it is told.

    Yields:
        By id, the queries that an earlier attempt has read, which those of this one join.
    """
    path = output.with_name(f"{output.stem}.partial{output.suffix}")
    read = _earlier(path, console)
    try:
        yield read
    except (KeyboardInterrupt, DuneError) as error:
        if read:
            _write(path, read)
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


def _earlier(path: Path, console: Console) -> dict[int, Query]:
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


def _write(path: Path, read: dict[int, Query]) -> None:
    from dagster_dune.catalog.contents import CatalogContents  # noqa: PLC0415  (slow to import)
    from dagster_dune.catalog.document import write_document  # noqa: PLC0415

    write_document(CatalogContents(queries=tuple(read[query_id] for query_id in sorted(read))), path)
