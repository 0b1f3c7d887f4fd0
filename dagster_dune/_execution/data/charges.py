"""Sums the rows, bytes and credits of the reads and writes of a step, in the metadata of its asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

from dagster_dune._execution.data.places import ReadContext

_sums: WeakKeyDictionary[dg.AssetExecutionContext, dict[str, dict[str, Any]]] = WeakKeyDictionary()
_lock = Lock()  # threads of a step share its context


def add_metadata(context: ReadContext, metadata: Mapping[str, Any], partition_key: str | None = None) -> None:
    """Add figures to those in the metadata of the asset that reads or writes.

    Nothing is added for an op, or in a step of several assets: their figures are only in the log.

    Args:
        context: The context of the read or write.
        metadata: Metadata from `export_metadata` or `upload_metadata`. Numbers are summed, and lists joined without
            duplicates.
        partition_key: The partition of the figures: if the run materializes it, they are added only to its event.
    """
    if not isinstance(context, dg.AssetExecutionContext):
        return
    try:
        keys = context.selected_asset_keys
        materialized = _partitions_of(context, partition_key)
    except dg.DagsterError:  # the context of an asset that a test calls like a function
        return
    if len(keys) != 1:
        return
    with _lock:
        # Dagster replaces the value of a key, and does not return the old one.
        sums = _sums.setdefault(context, {})
        sums.update({key: _sum(sums.get(key, {}), figures.value) for key, figures in metadata.items()})
        summed = {key: dg.MetadataValue.json(sums[key]) for key in metadata}
        add_to_event(context, summed, next(iter(keys)), partition_key if partition_key in materialized else None)


def add_to_event(
    context: dg.AssetExecutionContext, metadata: Mapping[str, Any], key: dg.AssetKey, partition_key: str | None
) -> None:
    """Add metadata to the event of an asset or of a partition. Nothing happens in a test that calls the asset."""
    with suppress(AttributeError):  # of the context that Dagster makes for an asset that is called like a function
        context.add_asset_metadata(metadata, key, partition_key)


def _partitions_of(context: dg.AssetExecutionContext, partition_key: str | None) -> Sequence[str]:
    """Return the partitions that the run materializes; none if no partition is given, or no asset has partitions."""
    is_partitioned = any(spec.partitions_def for spec in context.assets_def.specs)
    return context.partition_keys if partition_key is not None and is_partitioned else []


def _sum(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _added(before.get(name), now.get(name)) for name in {**now, **before}}


def _added(before: Any, now: Any) -> Any:
    if before is None or now is None:
        return now if before is None else before
    return list(dict.fromkeys(before + now)) if isinstance(now, list) else before + now
