"""The rows that a materialization stands for, read from Dune by the execution that made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dagster_dune.api.client import DuneApiClient
from dagster_dune.errors import DuneResultError
from dagster_dune.metadata import EXECUTION_ID


def rows_of(
    client: DuneApiClient,
    instance: dg.DagsterInstance,
    run_id: str,
    asset_key: dg.AssetKey | str | Sequence[str],
    columns: Sequence[str] | None,
) -> Iterator[dict[str, Any]]:
    """Read the rows of an asset's materialization in this run, else of its latest one.

    Raises:
        DuneResultError: There is none that was made by Dune.
    """
    key = dg.AssetKey.from_coercible(asset_key)
    for page in client.iter_execution_pages(_execution_of(instance, run_id, key), columns=columns):
        yield from page.result.rows if page.result else ()


def _execution_of(instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey) -> str:
    materialization = _materialization(instance, run_id, key)
    if materialization is None:
        raise DuneResultError(
            f"The asset {key.to_user_string()} has never been materialized, so it has no rows to read.",
            hint="Materialize it first, or make it a dependency of the asset that reads it.",
        )
    execution_id = materialization.metadata.get(EXECUTION_ID)
    if execution_id is None:
        raise DuneResultError(
            f"The latest materialization of {key.to_user_string()} names no execution on Dune ({EXECUTION_ID}).",
            hint="Give get_rows the key of an asset that build_dune_assets or @dune_assets made.",
        )
    return str(execution_id.value)


def _materialization(instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey) -> dg.AssetMaterialization | None:
    latest = instance.get_latest_materialization_event(key)
    if latest is None or latest.run_id == run_id:
        return latest.asset_materialization if latest else None
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    in_run = [record.event_log_entry.asset_materialization for record in records]
    of_key = [event for event in in_run if event is not None and event.asset_key == key]
    return of_key[-1] if of_key else latest.asset_materialization
