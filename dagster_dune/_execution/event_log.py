"""Queries of Dagster's event log: all events of a run, and the latest materializations of many partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

PARTITIONS_A_QUERY = 500
"""The number of partitions that one query of the event log names at the most."""


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
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=set(kinds))
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
        page = instance.fetch_materializations(wanted, limit=len(missing), cursor=cursor)
        cursor, has_more = page.cursor, page.has_more
        for record in page.records:  # the newest first
            if record.asset_materialization and record.partition_key in missing:
                missing.remove(record.partition_key)
                found[record.partition_key] = record
    return found
