"""What a value is compared with: the one that the check had before, of the same partition where that is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import number_of, raw
from dagster_dune._execution.checks.by_partition import PARTITION_COLUMN, records_of
from dagster_dune.catalog.settings.partitions import Partition, label_of
from dagster_dune.metadata import EXECUTION_ID, PARTITION, VALUE, VALUE_BEFORE, VALUE_BEFORE_OF

LOOK_BACK = 1000
"""How many results are read at the most, to find a partition's own value."""
PAGE = 100


@dataclass(frozen=True)
class Before:
    """A value to compare with.

    Attributes:
        value: The value.
        of: The partition that it is of, where that is another one; else empty.
    """

    value: float
    of: str = ""


@dataclass(frozen=True)
class _Told:
    """What a result has told of one partition, or under an empty label of what has none."""

    label: str
    execution_id: str | None
    value: float | None
    before: Before | None


class ValuesBefore:
    """The values that a check had in its last results.

    A partition is compared with its own value before. One that has none is compared with that of the last partition
    before it, where both are single spans of time: others, and several together, have nothing in common.

    Args:
        instance: Where the results are stored.
        key: The check.
        partitions: What it is asked of now.
    """

    def __init__(
        self, instance: dg.DagsterInstance, key: dg.AssetCheckKey, partitions: Iterable[Partition | None]
    ) -> None:
        self._told: list[_Told] = []
        missing = {label_of(partition) for partition in partitions}
        for told in _told_before(instance, key):
            self._told.append(told)
            if told.value is not None:
                missing.discard(told.label)
            if not missing:
                break
        self._values: dict[str, float] = {}
        for told in self._told:
            if told.value is not None:
                self._values.setdefault(told.label, told.value)

    def of(self, partition: Partition | None, execution_id: str) -> Before | None:
        """Return what the value of an execution is compared with; None where nothing is known."""
        # An attempt that takes an execution over tells it anew, and must say the same of it.
        same = next((told for told in self._told if told.execution_id == execution_id), None)
        if same:
            return same.before
        label = label_of(partition)
        if label in self._values:
            return Before(self._values[label])
        if partition is None or partition.window is None or len(partition.keys) > 1:
            return None
        # Dagster writes spans of time so that their keys have the order of time.
        earlier = [other for other in self._values if other and other < label and "..." not in other]
        return Before(self._values[max(earlier)], max(earlier)) if earlier else None

    def note(self, partition: Partition | None, value: Any) -> None:
        """Take in the value that a partition has now, for those after it in the same run."""
        if (number := number_of(value)) is not None:
            self._values[label_of(partition)] = number


def _told_before(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Iterator[_Told]:
    """What the last results have told, the newest first."""
    cursor = None
    for _ in range(0, LOOK_BACK, PAGE):
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=PAGE, cursor=cursor)
        for record in records:
            event = record.event.dagster_event if record.event else None
            if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                yield from _told_in(event.asset_check_evaluation_data.metadata)
        if len(records) < PAGE:
            return
        cursor = records[-1].id


def _told_in(metadata: Mapping[str, Any]) -> Iterator[_Told]:
    parts: list[Mapping[str, Any]] = [
        {**record, PARTITION: record[PARTITION_COLUMN]} for record in records_of(metadata)
    ] or [metadata]
    for part in parts:
        before = number_of(part.get(VALUE_BEFORE))
        yield _Told(
            label=raw(part.get(PARTITION)) or "",
            execution_id=raw(part.get(EXECUTION_ID)),
            value=number_of(part.get(VALUE)),
            before=None if before is None else Before(before, raw(part.get(VALUE_BEFORE_OF)) or ""),
        )
