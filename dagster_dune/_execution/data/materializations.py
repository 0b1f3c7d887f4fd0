"""The materializations of one asset in Dagster's log: the latest of each partition, and those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TypeAlias

import dagster as dg

from dagster_dune._execution.checks.counts_before import execution_of
from dagster_dune._execution.event_log import latest_of_partitions, records_of_run

Told: TypeAlias = tuple[str, dg.AssetMaterialization]
"""The run that a materialization is of, and the materialization."""


class Materializations:
    """The materializations of one asset.

    Args:
        instance: In whose log.
        key: The asset.
    """

    def __init__(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> None:
        self._instance = instance
        self._key = key
        self._of_runs: dict[str, list[dg.AssetMaterialization]] = {}
        self._latest: dict[str, Told | None] = {}

    def name(self, partition_key: str | None) -> str:
        """The asset, or a partition of it, for messages."""
        name = self._key.to_user_string()
        return name if partition_key is None else f"{name} ({partition_key})"

    def close_names(self) -> list[str]:
        """Names of other assets of the instance that are like its own, the likest first."""
        names = [key.to_user_string() for key in self._instance.get_asset_keys() if key != self._key]
        return get_close_matches(self.name(None), names, n=1)

    def in_run(self, run_id: str) -> list[dg.AssetMaterialization]:
        """Those of one run, in order."""
        if run_id not in self._of_runs:
            records = records_of_run(self._instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
            events = [record.event_log_entry.asset_materialization for record in records]
            self._of_runs[run_id] = [event for event in events if event and event.asset_key == self._key]
        return self._of_runs[run_id]

    def made_by(self, execution_id: str, run_id: str) -> set[str | None]:
        """The partitions that an execution has made, as the log of a run tells."""
        return {event.partition for event in self.in_run(run_id) if execution_of(event.metadata) == execution_id}

    def look_up(self, partition_keys: Sequence[str]) -> None:
        """Find the latest of each partition, all together: one by one, a year of days takes seconds."""
        self._latest.update(dict.fromkeys(partition_keys))
        for partition_key, record in latest_of_partitions(self._instance, self._key, partition_keys).items():
            if record.asset_materialization:
                self._latest[partition_key] = record.run_id, record.asset_materialization

    def latest(self, run_id: str | None, partition_key: str | None) -> Told | None:
        """That of this run, else the latest one, and the run that it is of."""
        mine = [] if run_id is None else self.in_run(run_id)
        if found := [event for event in mine if partition_key in (None, event.partition)]:
            return str(run_id), found[-1]
        if partition_key is not None:
            return self._latest[partition_key]
        for record in self._instance.fetch_materializations(self._key, limit=1).records:
            if record.asset_materialization:
                return record.run_id, record.asset_materialization
        return None

    def is_whole(self) -> bool:
        """Whether the latest materialization is of no partition."""
        found = self.latest(None, None)
        return found is not None and found[1].partition is None
