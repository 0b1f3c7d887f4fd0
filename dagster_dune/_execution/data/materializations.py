"""Reads the materializations of an asset from Dagster's event log: the latest of each partition, and those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TypeAlias

import dagster as dg

from dagster_dune._execution.checks.counts_before import execution_of
from dagster_dune._execution.event_log import latest_of_partitions, records_of_run

RunMaterialization: TypeAlias = tuple[str, dg.AssetMaterialization]
"""The run of a materialization, and the materialization."""


class Materializations:
    """The materializations of one asset.

    Args:
        instance: The instance whose event log is read.
        key: The asset.
    """

    def __init__(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> None:
        self._instance = instance
        self._key = key
        self._of_runs: dict[str, list[dg.AssetMaterialization]] = {}
        self._latest: dict[str, RunMaterialization | None] = {}

    def name(self, partition_key: str | None) -> str:
        """Return the name of the asset, or of one of its partitions, for messages."""
        name = self._key.to_user_string()
        return name if partition_key is None else f"{name} ({partition_key})"

    def close_names(self) -> list[str]:
        """Return the name of the asset of the instance whose name is most similar, if there is a similar one."""
        names = [key.to_user_string() for key in self._instance.get_asset_keys() if key != self._key]
        return get_close_matches(self.name(None), names, n=1)

    def in_run(self, run_id: str) -> list[dg.AssetMaterialization]:
        """Return the materializations of one run, in order."""
        if run_id not in self._of_runs:
            records = records_of_run(self._instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
            events = [record.event_log_entry.asset_materialization for record in records]
            self._of_runs[run_id] = [event for event in events if event and event.asset_key == self._key]
        return self._of_runs[run_id]

    def partitions_of(self, execution_id: str, run_id: str) -> set[str | None]:
        """Return the partitions that an execution has materialized in a run."""
        return {event.partition for event in self.in_run(run_id) if execution_of(event.metadata) == execution_id}

    def fetch_latest(self, partition_keys: Sequence[str]) -> None:
        """Fetch the latest materialization of each partition at once: one by one, a year of days takes seconds."""
        self._latest.update(dict.fromkeys(partition_keys))
        for partition_key, record in latest_of_partitions(self._instance, self._key, partition_keys).items():
            if record.asset_materialization:
                self._latest[partition_key] = record.run_id, record.asset_materialization

    def latest(self, run_id: str | None, partition_key: str | None) -> RunMaterialization | None:
        """Return the last materialization of this run, or else the latest one, with its run; None if there is none."""
        of_this_run = [] if run_id is None else self.in_run(run_id)
        if found := [event for event in of_this_run if partition_key in (None, event.partition)]:
            return str(run_id), found[-1]
        if partition_key is not None:
            return self._latest[partition_key]
        for record in self._instance.fetch_materializations(self._key, limit=1).records:
            if record.asset_materialization:
                return record.run_id, record.asset_materialization
        return None

    def is_unpartitioned(self) -> bool:
        """Return whether the latest materialization has no partition."""
        found = self.latest(None, None)
        return found is not None and found[1].partition is None
