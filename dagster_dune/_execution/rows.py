"""The rows that a materialization stands for, read from Dune by the execution that made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dagster_dune.api.client import DuneApiClient
from dagster_dune.errors import DuneResultError
from dagster_dune.metadata import EXECUTION_ID, RANGE_ROW_COUNT


def rows_of(
    client: DuneApiClient,
    instance: dg.DagsterInstance,
    run_id: str,
    asset_key: dg.AssetKey | str | Sequence[str],
    columns: Sequence[str] | None,
    partition_key: str | None,
    allow_partial_results: bool,
) -> Iterator[dict[str, Any]]:
    """Read the rows of the materialization of an asset, or of a partition of it, in this run, else of its latest one.

    Raises:
        DuneResultError: There is none that was made by Dune.
    """
    key = dg.AssetKey.from_coercible(asset_key)
    execution_id = _execution_of(instance, run_id, key, partition_key)
    for page in client.iter_execution_pages(execution_id, columns=columns, allow_partial_results=allow_partial_results):
        yield from page.result.rows if page.result else ()


def executions_of(
    instance: dg.DagsterInstance,
    run_id: str,
    asset_key: dg.AssetKey | str | Sequence[str],
    partition_key: str | None = None,
    partition_keys: Sequence[str] | None = None,
    *,
    alone: bool = False,
) -> list[str]:
    """Find the executions that made an asset, or some partitions of it, in this run, else the latest time.

    Partitions that one execution has made together are there once; where the rows of one must stand `alone`, such an
    execution is an error.

    Raises:
        DuneResultError: There is none that was made by Dune.
    """
    key = dg.AssetKey.from_coercible(asset_key)
    wanted = [partition_key] if partition_keys is None else partition_keys
    return list(dict.fromkeys(_execution_of(instance, run_id, key, partition, alone=alone) for partition in wanted))


def _execution_of(
    instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey, partition_key: str | None, *, alone: bool = False
) -> str:
    name = key.to_user_string() if partition_key is None else f"{key.to_user_string()} ({partition_key})"
    materialization = _in_run(instance, run_id, key, partition_key) or _latest(instance, key, partition_key)
    if materialization is None:
        raise DuneResultError(
            f"The asset {name} has never been materialized, so it has no rows to read.",
            hint="Materialize it first, or make it a dependency of the asset that reads it.",
        )
    if materialization.partition is not None and partition_key is None:
        raise DuneResultError(
            f"The asset {name} is partitioned, so that its rows are those of one partition.",
            hint="Give a partition_key.",
        )
    if alone and RANGE_ROW_COUNT in materialization.metadata:
        raise DuneResultError(
            f"{name} was made by one execution together with other partitions, whose rows it cannot be told from.",
            hint='Materialize it by itself, or with ranges="nodes".',
        )
    execution_id = materialization.metadata.get(EXECUTION_ID)
    if execution_id is None:
        raise DuneResultError(
            f"The latest materialization of {name} names no execution on Dune ({EXECUTION_ID}).",
            hint="Give the key of an asset that build_dune_assets or @dune_assets made.",
        )
    return str(execution_id.value)


def _in_run(
    instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey, partition_key: str | None
) -> dg.AssetMaterialization | None:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    in_run = [record.event_log_entry.asset_materialization for record in records]
    found = [
        event
        for event in in_run
        if event is not None and event.asset_key == key and partition_key in (None, event.partition)
    ]
    return found[-1] if found else None


def _latest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition_key: str | None
) -> dg.AssetMaterialization | None:
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition_key] if partition_key is not None else None)
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].asset_materialization if records else None
