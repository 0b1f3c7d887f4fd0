"""What the calls of one step have moved and cost, summed by name in the metadata of its asset."""

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
    """Tell figures in the metadata of the asset that reads or writes, added to those that stand under their keys.

    An op, or several assets at once, have the log alone.

    Args:
        context: Where it reads or writes.
        metadata: What `export_metadata` and `upload_metadata` make. Numbers are summed, members of lists told once.
        partition_key: The partition that they are of: where the run makes that one, its event alone tells them.
    """
    if not isinstance(context, dg.AssetExecutionContext):
        return
    try:
        keys = context.selected_asset_keys
        made = _partitions_of(context, partition_key)
    except dg.DagsterError:  # an asset that a test calls like a function
        return
    if len(keys) != 1:
        return
    with _lock:
        # Dagster replaces what a key has, and does not tell what that was.
        sums = _sums.setdefault(context, {})
        sums.update({key: _sum(sums.get(key, {}), figures.value) for key, figures in metadata.items()})
        summed = {key: dg.MetadataValue.json(sums[key]) for key in metadata}
        add_to_event(context, summed, next(iter(keys)), partition_key if partition_key in made else None)


def add_to_event(
    context: dg.AssetExecutionContext, metadata: Mapping[str, Any], key: dg.AssetKey, partition_key: str | None
) -> None:
    """Add metadata to the event of an asset, or of one of its partitions; a test that calls it has no event."""
    with suppress(AttributeError):  # of the context that Dagster makes for an asset that is called like a function
        context.add_asset_metadata(metadata, key, partition_key)


def _partitions_of(context: dg.AssetExecutionContext, partition_key: str | None) -> Sequence[str]:
    """The partitions that the run makes of its assets, where one is to be told of."""
    is_partitioned = any(spec.partitions_def for spec in context.assets_def.specs)
    return context.partition_keys if partition_key is not None and is_partitioned else []


def _sum(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _added(before.get(name), now.get(name)) for name in {**now, **before}}


def _added(before: Any, now: Any) -> Any:
    if before is None or now is None:
        return now if before is None else before
    return list(dict.fromkeys(before + now)) if isinstance(now, list) else before + now
