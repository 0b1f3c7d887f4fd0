"""The earlier value that a check compares its value with: that of the same partition, where one is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import number_of, raw
from dagster_dune._execution.checks.by_partition import PARTITION_COLUMN, records_of
from dagster_dune._execution.event_log import read_with_retries
from dagster_dune.catalog.settings.partitions import Partition, label_of
from dagster_dune.metadata import EXECUTION_ID, PARTITION, VALUE, VALUE_BEFORE, VALUE_BEFORE_OF

LOOK_BACK = 1000
"""The number of results that are read at the most to find an earlier value of a partition."""
PAGE = 100


@dataclass(frozen=True)
class Before:
    """A value to compare with.

    Attributes:
        value: The value.
        partition: The label of its partition, if it is not the partition that is compared; otherwise empty.
    """

    value: float
    partition: str = ""


@dataclass(frozen=True)
class _Answer:
    """The answer that a stored result holds for one partition; its label is empty where there are no partitions."""

    label: str
    execution_id: str | None
    value: float | None
    before: Before | None


class ValuesBefore:
    """The values that a check had in its last results.

    A partition is compared with its own earlier value. If it has none, it is compared with the value of the last
    partition before it, provided that both are single time windows: other partitions, and several in one execution,
    have nothing in common.

    Args:
        instance: Where the results are stored.
        key: The check.
        partitions: The partitions that the check runs for now.
    """

    def __init__(
        self, instance: dg.DagsterInstance, key: dg.AssetCheckKey, partitions: Iterable[Partition | None]
    ) -> None:
        self._answers: list[_Answer] = []
        missing = {label_of(partition) for partition in partitions}
        for answer in _stored_answers(instance, key):
            self._answers.append(answer)
            if answer.value is not None:
                missing.discard(answer.label)
            if not missing:
                break
        self._values: dict[str, float] = {}
        for answer in self._answers:
            if answer.value is not None:
                self._values.setdefault(answer.label, answer.value)

    def of(self, partition: Partition | None, execution_id: str) -> Before | None:
        """Return the value to compare the value of an execution with; None if none is known."""
        # An attempt that takes over an execution reports it again, and must report the same comparison.
        same = next((answer for answer in self._answers if answer.execution_id == execution_id), None)
        if same:
            return same.before
        label = label_of(partition)
        if label in self._values:
            return Before(self._values[label])
        if partition is None or partition.window is None or len(partition.keys) > 1:
            return None
        # The keys of time windows sort by time.
        earlier = [other for other in self._values if other and other < label and "..." not in other]
        return Before(self._values[max(earlier)], max(earlier)) if earlier else None

    def note(self, partition: Partition | None, value: Any) -> None:
        """Add the value that a partition has now, for the partitions after it in the same run."""
        if (number := number_of(value)) is not None:
            self._values[label_of(partition)] = number


def _stored_answers(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Iterator[_Answer]:
    """Yield the answers in the last results, the newest first."""
    cursor = None
    for _ in range(0, LOOK_BACK, PAGE):
        history = instance.event_log_storage.get_asset_check_execution_history
        records = read_with_retries(partial(history, key, limit=PAGE, cursor=cursor))
        for record in records:
            event = record.event.dagster_event if record.event else None
            if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                yield from _answers_in(event.asset_check_evaluation_data.metadata)
        if len(records) < PAGE:
            return
        cursor = records[-1].id


def _answers_in(metadata: Mapping[str, Any]) -> Iterator[_Answer]:
    parts: list[Mapping[str, Any]] = [
        {**record, PARTITION: record[PARTITION_COLUMN]} for record in records_of(metadata)
    ] or [metadata]
    for part in parts:
        before = number_of(part.get(VALUE_BEFORE))
        yield _Answer(
            label=raw(part.get(PARTITION)) or "",
            execution_id=raw(part.get(EXECUTION_ID)),
            value=number_of(part.get(VALUE)),
            before=None if before is None else Before(before, raw(part.get(VALUE_BEFORE_OF)) or ""),
        )
