"""Which executions made what a materialization stands for: those whose rows are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def key_of(asset_key: CoercibleKey) -> dg.AssetKey:
    """Return an asset's key, however it is written; a text as Dagster's UI shows it.

    Raises:
        DuneConfigurationError: It is none.

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
) -> list[str]:
    """Find the executions that made an asset, or some partitions of it, in this run, else the latest time.

    Partitions that one execution has made together are there once, and only if all of them are asked for and none has
    been made again since: its rows do not say which partition they are of.

    Raises:
        DuneResultError: There is none that was made by Dune, or one has made other partitions beside those that are
            read of it.
        DuneConfigurationError: The partitions are not given as they can be.
    """
    log = Materializations(place.instance, key_of(asset_key))
    wanted = [partition_key] if partition_keys is None else _listed(partition_key, partition_keys)
    if strange := [each for each in wanted if not isinstance(each, str | None)]:
        raise DuneConfigurationError(f"A partition's key is a text such as '2026-06-01', not {strange[0]!r}.")
    if not wanted:
        raise DuneResultError(
            f"No partition of the asset {log.name(None)} is asked for, so there are no rows to read.",
            hint="Give at least one partition. A reader whose partition maps to none of it has nothing to read.",
        )
    made_by: dict[str, list[_Made]] = {}
    log.look_up([partition for partition in wanted if partition is not None])
    for partition in dict.fromkeys(wanted):
        made = _made(log, place.run_id, partition)
        made_by.setdefault(made.execution_id, []).append(made)
    for together in made_by.values():
        _check_alone(log, together, wanted)
    return list(made_by)


def execution_of_each(place: Place, asset_key: CoercibleKey, partition_keys: Sequence[str]) -> dict[str, str]:
    """Find the execution that made each of some partitions, in this run, else the latest time.

    Raises:
        DuneResultError: One has none that was made by Dune, or was made together with other partitions.
    """
    log = Materializations(place.instance, key_of(asset_key))
    log.look_up(partition_keys)
    executions = {}
    for partition in partition_keys:
        made = _made(log, place.run_id, partition)
        _check_alone(log, [made], [partition])
        executions[partition] = made.execution_id
    return executions


def _listed(partition_key: str | None, partition_keys: Sequence[str]) -> list[str]:
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
class _Made:
    """A partition, or an asset without any, as its latest materialization tells of it.

    Attributes:
        partition_key: The partition.
        execution_id: What made it.
        run_id: The run in whose log that is told.
        partition_count: How many partitions the execution has made together.
        is_alone: Whether it says for certain that there was no other.
    """

    partition_key: str | None
    execution_id: str
    run_id: str
    partition_count: int
    is_alone: bool


# Assumption: matview-rows.
def _made(log: Materializations, run_id: str | None, partition_key: str | None) -> _Made:
    name = log.name(partition_key)
    found = log.latest(run_id, partition_key)
    if found is None and partition_key is not None and log.is_whole():
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
            else "Materialize it first, or make it a dependency of the asset that reads it.",
        )
    made_in, materialization = found
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
    is_alone = PARTITION_ROW_COUNT in metadata and RANGE_PARTITIONS not in metadata
    return _Made(partition_key, execution_id, made_in, extent_of(metadata, partition_key) or 1, is_alone)


def _check_alone(log: Materializations, together: Sequence[_Made], wanted: Sequence[str | None]) -> None:
    """Refuse an execution that has made other partitions too than those that are read of it."""
    execution_id, read = together[0].execution_id, {made.partition_key for made in together}
    if None in read or all(made.is_alone for made in together):
        return
    name, runs = log.name(together[0].partition_key), {made.run_id for made in together}
    all_made = read.union(*(log.made_by(execution_id, run_id) for run_id in runs))
    others = sorted(str(partition) for partition in all_made - read)
    if again := [partition for partition in others if partition in wanted]:
        raise DuneResultError(
            f"{name} was made by one execution together with other partitions that have been materialized again since "
            f"({abbreviated(again)}), whose old rows would be there beside the new ones.",
            hint=f'Materialize {name} again, by itself or together with them, or set ranges="nodes".',
        )
    if (untold := together[0].partition_count - len(all_made)) > 0:
        others.append(f"{untold} without a materialization")
    if others:
        raise DuneResultError(
            f"{name} was made by one execution together with other partitions ({abbreviated(others)}), whose rows "
            "it cannot be told from.",
            hint='Read all with partition_keys, as no export can; materialize it by itself, or set ranges="nodes".',
        )
