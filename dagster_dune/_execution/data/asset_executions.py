"""Finds the executions whose rows are read for an asset, from its materializations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import dagster as dg

from dagster_dune._execution.checks.answers import raw
from dagster_dune._execution.checks.counts_before import extent_of
from dagster_dune._execution.data.materializations import Materializations
from dagster_dune._execution.data.places import Place
from dagster_dune._formatting import abbreviated
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.metadata import EXECUTION_ID, PARTITION_ROW_COUNT, RANGE_PARTITIONS

CoercibleKey: TypeAlias = dg.AssetKey | str | Sequence[str]

ALLOW_MISSING = "allow_missing_partitions"
"""The key in an input's metadata that leaves out partitions, as Dagster's `UPathIOManager` reads it."""


def key_of(asset_key: CoercibleKey) -> dg.AssetKey:
    """Return an asset key from any of its forms; a text has the form that Dagster's UI shows.

    Raises:
        DuneConfigurationError: The value is no asset key.

    Examples:
        >>> key_of("dune/stablecoins_4100030")
        AssetKey(['dune', 'stablecoins_4100030'])
    """
    if isinstance(asset_key, dg.AssetKey):
        return asset_key
    if asset_key and isinstance(asset_key, str):
        return dg.AssetKey.from_user_string(asset_key)
    if asset_key and isinstance(asset_key, list | tuple) and all(isinstance(part, str) for part in asset_key):
        return dg.AssetKey(asset_key)
    raise DuneConfigurationError(
        f"asset_key must be the key of an asset, not {asset_key!r}.",
        hint='Such as "dune/stablecoins_4100030", or a list of its parts; of an AssetsDefinition its key.',
    )


def executions_of(
    place: Place,
    asset_key: CoercibleKey,
    partition_key: str | None = None,
    partition_keys: Sequence[str] | None = None,
    *,
    allow_missing: bool | None = None,
    on_missing: Callable[[Sequence[str]], None] = lambda _: None,
) -> list[str]:
    """Return the executions that materialized an asset, or some of its partitions: in this run, or else the latest.

    An execution of several partitions is returned once. All of its partitions must be requested, and none may have been
    materialized again since, because its rows do not show their partition.

    Args:
        place: Where they are looked up.
        asset_key: The asset.
        partition_key: The partition.
        partition_keys: Several partitions, in the order of their rows.
        allow_missing: Whether partitions that were never materialized are left out, as long as there are others; None
            where the reader cannot choose, so that an error does not tell of it.
        on_missing: Called with the partitions that are left out.

    Raises:
        DuneResultError: Dune has not materialized the asset or a partition, or an execution also covers partitions that
            are not to be read from it.
        DuneConfigurationError: The partitions are given in a wrong form.
    """
    log = Materializations(place.instance, key_of(asset_key))
    requested = [partition_key] if partition_keys is None else _as_list(partition_key, partition_keys)
    if invalid := [each for each in requested if not isinstance(each, str | None)]:
        raise DuneConfigurationError(f"A partition's key is a text such as '2026-06-01', not {invalid[0]!r}.")
    if not requested:
        raise DuneResultError(
            f"No partition of the asset {log.name(None)} is asked for, so there are no rows to read.",
            hint="Give at least one partition. A reader whose partition maps to none of it has nothing to read.",
        )
    sources_by_execution: dict[str, list[_Source]] = {}
    log.fetch_latest([partition for partition in requested if partition is not None])
    missing = _missing(log, place.run_id, requested) if allow_missing else []
    if left_out := set(missing):
        requested = [partition for partition in requested if partition not in left_out]
        on_missing(missing)
    for partition in dict.fromkeys(requested):
        source = _latest_source(log, place.run_id, partition, may_be_allowed=allow_missing is False)
        sources_by_execution.setdefault(source.execution_id, []).append(source)
    for sources in sources_by_execution.values():
        _check_no_other_partitions(log, sources, requested)
    return list(sources_by_execution)


def execution_of_each(place: Place, asset_key: CoercibleKey, partition_keys: Sequence[str]) -> dict[str, str]:
    """Return the execution that materialized each of some partitions: in this run, or else the latest.

    Raises:
        DuneResultError: Dune has not materialized a partition, or its execution covers other partitions too.
    """
    log = Materializations(place.instance, key_of(asset_key))
    log.fetch_latest(partition_keys)
    executions = {}
    for partition in partition_keys:
        source = _latest_source(log, place.run_id, partition)
        _check_no_other_partitions(log, [source], [partition])
        executions[partition] = source.execution_id
    return executions


def _missing(log: Materializations, run_id: str | None, requested: Sequence[str | None]) -> list[str]:
    """Return the partitions that were never materialized, of an asset that has partitions.

    Raises:
        DuneResultError: These are all that are requested.
    """
    several = [partition for partition in dict.fromkeys(requested) if partition is not None]
    missing = [partition for partition in several if log.latest(run_id, partition) is None]
    if not missing or log.is_unpartitioned():
        return []
    if len(missing) == len(several):
        raise DuneResultError(
            f"Of the asset {log.name(None)} no partition that is asked for has ever been materialized "
            f"({abbreviated(missing)}), so it has no rows to read.",
            hint=f"Materialize one of them first: {ALLOW_MISSING} leaves out some of several.",
        )
    return missing


def _as_list(partition_key: str | None, partition_keys: Sequence[str]) -> list[str]:
    if partition_key is not None:
        raise DuneConfigurationError(
            "partition_key and partition_keys are both given.", hint="Give one of them: partition_keys for several."
        )
    if isinstance(partition_keys, str) or not isinstance(partition_keys, Iterable):
        raise DuneConfigurationError(
            f"partition_keys must be a list of partitions, not {partition_keys!r}.",
            hint=f"Give [{str(partition_keys)!r}], or partition_key.",
        )
    return list(partition_keys)


@dataclass(frozen=True)
class _Source:
    """The execution behind the latest materialization of a partition, or of an asset without partitions.

    Attributes:
        partition_key: The partition; None for an asset without partitions.
        execution_id: The id of the execution.
        run_id: The run of the materialization.
        partition_count: The number of partitions of the execution.
        is_only_partition: Whether the materialization shows that the execution has no other partition.
    """

    partition_key: str | None
    execution_id: str
    run_id: str
    partition_count: int
    is_only_partition: bool


# Assumption: matview-rows.
def _latest_source(
    log: Materializations, run_id: str | None, partition_key: str | None, *, may_be_allowed: bool = False
) -> _Source:
    name = log.name(partition_key)
    found = log.latest(run_id, partition_key)
    if found is None and partition_key is not None and log.is_unpartitioned():
        raise DuneResultError(
            f"The asset {log.name(None)} is not partitioned, so that it has no partition {partition_key}.",
            hint="Leave partition_key and partition_keys out, and partitions_def of build_dune_export.",
        )
    if found is None:
        close = [] if partition_key else log.close_names()
        raise DuneResultError(
            f"The asset {name} has never been materialized, so it has no rows to read.",
            hint=f"Did you mean {close[0]}?"
            if close
            else f'Materialize it first; metadata={{"{ALLOW_MISSING}": True}} of the input leaves such partitions out.'
            if partition_key is not None and may_be_allowed
            else "Materialize it first, or make it a dependency of the asset that reads it.",
        )
    materialized_in, materialization = found
    if materialization.partition is not None and partition_key is None:
        raise DuneResultError(
            f"The asset {name} is partitioned, so that its rows are those of one partition.",
            hint="Give a partition_key, or partition_keys; build_dune_export takes partitions_def.",
        )
    execution_id = raw(materialization.metadata.get(EXECUTION_ID))
    if not isinstance(execution_id, str) or not execution_id:
        raise DuneResultError(
            f"The latest materialization of {name} names no execution on Dune ({EXECUTION_ID}).",
            hint="It is no asset of Dune, or somebody has reported it as materialized: then materialize it again.",
        )
    metadata = materialization.metadata
    is_only_partition = PARTITION_ROW_COUNT in metadata and RANGE_PARTITIONS not in metadata
    return _Source(
        partition_key, execution_id, materialized_in, extent_of(metadata, partition_key) or 1, is_only_partition
    )


def _check_no_other_partitions(
    log: Materializations, sources: Sequence[_Source], requested: Sequence[str | None]
) -> None:
    """Raise an error if an execution covers partitions beside those that are read from it."""
    execution_id, read = sources[0].execution_id, {source.partition_key for source in sources}
    if None in read or all(source.is_only_partition for source in sources):
        return
    name, runs = log.name(sources[0].partition_key), {source.run_id for source in sources}
    all_partitions = read.union(*(log.partitions_of(execution_id, run_id) for run_id in runs))
    others = sorted(str(partition) for partition in all_partitions - read)
    if again := [partition for partition in others if partition in requested]:
        raise DuneResultError(
            f"{name} was made by one execution together with other partitions that have been materialized again since "
            f"({abbreviated(again)}), whose old rows would be there beside the new ones.",
            hint=f'Materialize {name} again, by itself or together with them, or set ranges="nodes".',
        )
    if (unreported := sources[0].partition_count - len(all_partitions)) > 0:
        others.append(f"{unreported} without a materialization")
    if others:
        raise DuneResultError(
            f"{name} was made by one execution together with other partitions ({abbreviated(others)}), whose rows "
            "it cannot be told from.",
            hint='Read all with partition_keys, as no export can; materialize it by itself, or set ranges="nodes".',
        )
