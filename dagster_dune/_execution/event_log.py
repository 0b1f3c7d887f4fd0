"""Reads of Dagster's storage, with retries: all events of a run, the latest materializations of many partitions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import dagster as dg

from dagster_dune.errors import DunePipelineError

READ_SECONDS = 20.0
"""For how long a read of Dagster's storage is tried again before it is given up."""
BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0

T = TypeVar("T")

PARTITIONS_A_QUERY = 500
"""The number of partitions that one query of the event log names at the most."""


def read_with_retries(read: Callable[[], T]) -> T:
    """Read from Dagster's storage, again and again, with growing, drawn waits: what runs on Dune costs meanwhile.

    Args:
        read: One call of the storage.

    Raises:
        DunePipelineError: The storage has not answered for 20 s.
    """
    deadline, pauses = time.monotonic() + READ_SECONDS, growing_pauses()
    while True:
        try:
            return read()
        except Exception as error:  # whatever the storage's own client raises
            pause = next(pauses)
            if time.monotonic() + pause > deadline:
                raise DunePipelineError(
                    f"Dagster's storage could not be read: {type(error).__name__}: {error}",
                    hint="Look at the health of Dagster's database, then retry the run.",
                ) from error
        time.sleep(pause)


def growing_pauses() -> Iterator[float]:
    """Yield how many seconds to wait after each attempt of Dagster's storage that has failed: more and more, drawn."""
    wait = BACKOFF_SECONDS
    while True:
        yield wait * random.uniform(0.5, 1.5)  # noqa: S311
        wait = min(2 * wait, MAX_BACKOFF_SECONDS)


def records_of_run(
    instance: dg.DagsterInstance, run_id: str, *kinds: dg.DagsterEventType
) -> Iterator[dg.EventLogRecord]:
    """Read the events of a run, page by page where the storage has pages.

    Args:
        instance: Where the run is stored.
        run_id: The run.
        kinds: The types of the events to read.

    Yields:
        The events, in the order in which they were stored.
    """
    cursor, has_more = None, True
    while has_more:
        page = read_with_retries(partial(instance.get_records_for_run, run_id, cursor=cursor, of_type=set(kinds)))
        yield from page.records
        cursor, has_more = page.cursor, page.has_more


def latest_of_partitions(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition_keys: Sequence[str]
) -> dict[str, dg.EventLogRecord]:
    """Find the latest materialization of each of some partitions, in a few queries however many partitions they are.

    Args:
        instance: Where the materializations are stored.
        key: The asset.
        partition_keys: The partitions.

    Returns:
        The records by partition, without the partitions that were never materialized.
    """
    found: dict[str, dg.EventLogRecord] = {}
    for start in range(0, len(partition_keys), PARTITIONS_A_QUERY):
        found |= _latest_of_few(instance, key, partition_keys[start : start + PARTITIONS_A_QUERY])
    return found


def _latest_of_few(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition_keys: Sequence[str]
) -> dict[str, dg.EventLogRecord]:
    found: dict[str, dg.EventLogRecord] = {}
    missing, cursor, has_more = set(partition_keys), None, True
    while missing and has_more:
        wanted = dg.AssetRecordsFilter(key, asset_partitions=sorted(missing))
        page = read_with_retries(partial(instance.fetch_materializations, wanted, limit=len(missing), cursor=cursor))
        cursor, has_more = page.cursor, page.has_more
        for record in page.records:  # the newest first
            if record.asset_materialization and record.partition_key in missing:
                missing.remove(record.partition_key)
                found[record.partition_key] = record
    return found
