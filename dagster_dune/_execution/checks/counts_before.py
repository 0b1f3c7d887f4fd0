"""The row counts that a new one is compared with: those of earlier executions of the same extent, each once.

The extent of an execution is the number of its partitions: the row count of a month says nothing about that of a day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import number_of, raw
from dagster_dune._execution.event_log import read_with_retries
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.metadata import EXECUTION_ID, PARTITION_ROW_COUNT, RANGE_PARTITIONS, RANGE_ROW_COUNT, ROW_COUNT

ROW_COUNTS = (ROW_COUNT, PARTITION_ROW_COUNT, RANGE_ROW_COUNT)
"""The metadata keys under which a materialization may hold the row count of its execution."""
LOOK_BACK = 1000
"""The number of materializations that are read at the most."""
PAGE = 100


class CountsBefore:
    """The row counts that the row counts of a run are compared with.

    Partitions that are not time windows have nothing in common, so each is compared only with itself.

    Args:
        instance: Where materializations are stored.
        key: The asset.
        check: The check.
        run_id: The run, whose own materializations do not count.
        own: The executions that are checked.
        is_of_time: Whether the asset's partitions are time windows.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        key: dg.AssetKey,
        check: DuneCheck,
        *,
        run_id: str,
        own: Collection[str],
        is_of_time: bool,
    ) -> None:
        self._instance = instance
        self._key = key
        self._check = check
        self._run_id = run_id
        self._own = own
        self._is_of_time = is_of_time
        self._found: dict[tuple[int | None, str], list[float]] = {}

    def of(self, metadata: Mapping[str, Any], partition: str) -> list[float]:
        """Return the counts that a materialization is compared with; its partition is an empty text if it has none."""
        extent = extent_of(metadata, partition)
        only = "" if self._is_of_time or extent != 1 else partition
        if (extent, only) not in self._found:
            made = materialized_before(self._instance, self._key, run_id=self._run_id, partition=only or None)
            self._found[extent, only] = counts_before(self._check, extent, made, self._own)
        return self._found[extent, only]


def extent_of(metadata: Mapping[str, Any], partition: str | None) -> int | None:
    """Return the number of partitions that the execution of a materialization covers.

    Args:
        metadata: The metadata of the materialization.
        partition: The partition of the materialization; empty or None if it has none.

    Returns:
        The number; 0 if the asset has no partitions. None if it is not known: before 0.2, ranges did not record it, and
        metadata that a user reports may hold something else than a number.
    """
    if RANGE_PARTITIONS in metadata:
        number = number_of(metadata[RANGE_PARTITIONS])
        return int(number) if number is not None and number.is_integer() else None
    if RANGE_ROW_COUNT in metadata:
        return None
    return 1 if partition or PARTITION_ROW_COUNT in metadata else 0


def counts_before(
    check: DuneCheck, extent: int | None, made: Iterable[dg.AssetMaterialization], own: Collection[str]
) -> list[float]:
    """Return the row counts that a check compares with, the newest first.

    Args:
        check: The check; without factor_at_most it compares with nothing, and nothing is read.
        extent: The number of partitions of the new count; nothing is read if it is None.
        made: The earlier materializations, the newest first.
        own: The executions that are checked now.
    """
    if check.factor_at_most is None or extent is None:
        return []
    counts: list[float] = []
    seen = set(own)
    for materialization in made:
        metadata = materialization.metadata
        id_ = execution_of(metadata)
        count = next((number_of(metadata[key]) for key in ROW_COUNTS if key in metadata), None)
        if count is None or id_ in seen or extent_of(metadata, materialization.partition) != extent:
            continue
        counts.append(count)
        if len(counts) == check.last:
            break
        seen |= {id_} if id_ else set()
    return counts


def materialized_before(
    instance: dg.DagsterInstance, key: dg.AssetKey, *, run_id: str | None = None, partition: str | None = None
) -> Iterator[dg.AssetMaterialization]:
    """Read the last materializations of an asset, the newest first, page by page.

    Args:
        instance: Where they are stored.
        key: The asset.
        run_id: A run whose materializations are left out; none are if None.
        partition: The partition whose materializations are read; all if None.
    """
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition else None)
    cursor = None
    for _ in range(0, LOOK_BACK, PAGE):
        page = read_with_retries(partial(instance.fetch_materializations, wanted, limit=PAGE, cursor=cursor))
        for record in page.records:
            if record.asset_materialization and (run_id is None or record.run_id != run_id):
                yield record.asset_materialization
        if not page.has_more:
            return
        cursor = page.cursor


def execution_of(metadata: Mapping[str, Any]) -> str:
    """Return the id of the execution in a materialization's metadata; empty if the metadata has none."""
    return str(raw(metadata.get(EXECUTION_ID)) or "")
