"""Which row counts a new one is compared with: of earlier executions of the same extent, each once.

The extent of an execution is of how many partitions it is: the rows of a month are no measure for those of a day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import number_of, raw
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.metadata import EXECUTION_ID, PARTITION_ROW_COUNT, RANGE_PARTITIONS, RANGE_ROW_COUNT, ROW_COUNT

ROW_COUNTS = (ROW_COUNT, PARTITION_ROW_COUNT, RANGE_ROW_COUNT)
"""Where a materialization may tell how many rows its execution returned."""
LOOK_BACK = 1000
"""How many materializations are read at the most."""
PAGE = 100


class CountsBefore:
    """The row counts that those of a run are compared with.

    Partitions that are no spans of time have nothing in common, so that each is compared with itself alone.

    Args:
        instance: Where materializations are stored.
        key: The asset.
        check: The check.
        run_id: The run, whose own materializations do not count.
        own: The executions that are checked.
        is_of_time: Whether partitions of the asset are spans of time.
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
        """Return the counts that a materialization is compared with, of a partition or under an empty text of none."""
        extent = extent_of(metadata, partition)
        alone = "" if self._is_of_time or extent != 1 else partition
        if (extent, alone) not in self._found:
            made = materialized_before(self._instance, self._key, run_id=self._run_id, partition=alone or None)
            self._found[extent, alone] = counts_before(self._check, extent, made, self._own)
        return self._found[extent, alone]


def extent_of(metadata: Mapping[str, Any], partition: str | None) -> int | None:
    """Return of how many partitions a materialization's execution is.

    Args:
        metadata: That of the materialization.
        partition: What it is of; empty or None where it has no partitions.

    Returns:
        The number; 0 where it has no partitions, and None where that is not known: before 0.2 ranges did not tell it,
        and what somebody has reported may be no number.
    """
    if RANGE_PARTITIONS in metadata:
        told = number_of(metadata[RANGE_PARTITIONS])
        return int(told) if told is not None and told.is_integer() else None
    if RANGE_ROW_COUNT in metadata:
        return None
    return 1 if partition or PARTITION_ROW_COUNT in metadata else 0


def counts_before(
    check: DuneCheck, extent: int | None, made: Iterable[dg.AssetMaterialization], own: Collection[str]
) -> list[float]:
    """Return the row counts that a check compares with, the newest first.

    Args:
        check: The check; one without factor_at_most reads nothing.
        extent: Of how many partitions the new count is.
        made: What was materialized before, the newest first.
        own: The executions that are checked now.
    """
    if check.factor_at_most is None or extent is None:
        return []
    counts: list[float] = []
    counted = set(own)
    for materialization in made:
        metadata = materialization.metadata
        id_ = execution_of(metadata)
        count = next((number_of(metadata[key]) for key in ROW_COUNTS if key in metadata), None)
        if count is None or id_ in counted or extent_of(metadata, materialization.partition) != extent:
            continue
        counts.append(count)
        if len(counts) == check.last:
            break
        counted |= {id_} if id_ else set()
    return counts


def materialized_before(
    instance: dg.DagsterInstance, key: dg.AssetKey, *, run_id: str | None = None, partition: str | None = None
) -> Iterator[dg.AssetMaterialization]:
    """Read the last materializations of an asset, the newest first, page by page.

    Args:
        instance: Where they are stored.
        key: The asset.
        run_id: The run that asks, whose own ones are left out.
        partition: The one that is wanted; all if None.
    """
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition else None)
    cursor = None
    for _ in range(0, LOOK_BACK, PAGE):
        page = instance.fetch_materializations(wanted, limit=PAGE, cursor=cursor)
        for record in page.records:
            if record.asset_materialization and (run_id is None or record.run_id != run_id):
                yield record.asset_materialization
        if not page.has_more:
            return
        cursor = page.cursor


def execution_of(metadata: Mapping[str, Any]) -> str:
    """Return the execution that made something; empty where that is not told."""
    return str(raw(metadata.get(EXECUTION_ID)) or "")
