"""Which executions made what a materialization stands for: those whose rows are read, from whatever context."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from operator import attrgetter
from typing import Any, TypeAlias

import dagster as dg

from dagster_dune._execution.checks.counts_before import extent_of
from dagster_dune._formatting import abbreviated
from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.metadata import EXECUTION_ID, PARTITION_ROW_COUNT, RANGE_PARTITIONS

ReadContext: TypeAlias = (
    dg.AssetExecutionContext
    | dg.OpExecutionContext
    | dg.AssetCheckExecutionContext
    | dg.SensorEvaluationContext
    | dg.RunStatusSensorContext
    | dg.ScheduleEvaluationContext
    | dg.HookContext
    | dg.InputContext
    | dg.OutputContext
    | dg.InitResourceContext
    | dg.DagsterInstance
    | None
)
"""From where rows are read: a context of Dagster's, an instance, or None for that of ``DAGSTER_HOME``."""

CoercibleKey: TypeAlias = dg.AssetKey | str | Sequence[str]

LOOKED_UP = 500
"""So many partitions are looked up together."""

_Told: TypeAlias = tuple[str, dg.AssetMaterialization]
"""The run that a materialization is of, and the materialization."""

NOT_THERE = (dg.DagsterError, AttributeError)
"""What contexts made for tests raise for what they were not given, and others for what they do not have."""


@dataclass(frozen=True)
class Place:
    """Where materializations are looked up.

    Attributes:
        instance: Whose log.
        run_id: The run whose own materializations come first; None outside of runs.
    """

    instance: dg.DagsterInstance
    run_id: str | None = None


@contextmanager
def place_of(context: ReadContext) -> Iterator[Place]:
    """Find the instance and the run of a context.

    Raises:
        DuneConfigurationError: There is no instance, or this is no context.
    """
    if isinstance(context, dg.DagsterInstance):
        yield Place(context)
    elif context is not None and (instance := _instance_in(context)) is not None:
        yield Place(instance, _run_in(context))
    elif not isinstance(context, ReadContext):
        raise DuneConfigurationError(
            f"The context must be one of Dagster's, an instance or None, not {context!r}.",
            hint="It stands first: get_result(context, asset_key).",
        )
    else:
        with _instance_at_home() as instance:
            yield Place(instance, None if context is None else _run_in(context))


def _instance_in(context: Any) -> dg.DagsterInstance | None:
    instance = _first(context, "instance", "step_context.instance")
    return instance if isinstance(instance, dg.DagsterInstance) else None


def _run_in(context: Any) -> str | None:
    ways = ["run.run_id", "step_context.run_id"]
    if isinstance(context, dg.HookContext | dg.OutputContext):
        ways = ["run_id"]
    elif isinstance(context, dg.RunStatusSensorContext):  # elsewhere this name is deprecated, and warns
        ways = ["dagster_run.run_id"]
    run_id = _first(context, *ways)
    return None if run_id is None else str(run_id)


def _first(context: Any, *ways: str) -> object:
    """The first of these attributes that a context has."""
    for way in ways:
        with suppress(*NOT_THERE):
            return attrgetter(way)(context)
    return None


@contextmanager
def _instance_at_home() -> Iterator[dg.DagsterInstance]:
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterError as error:
        raise DuneConfigurationError(
            "There is no Dagster instance in which the latest materialization could be looked up.",
            hint="Give a context or an instance (in tests: build_sensor_context(instance=...)), or set DAGSTER_HOME.",
        ) from error
    with instance:
        yield instance


def log_of(context: ReadContext) -> logging.Logger | None:
    """Return the log of a context; None where there is none."""
    log = _first(context, "log")
    return log if isinstance(log, logging.Logger) else None


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
    log = _Log(place.instance, key_of(asset_key))
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


class _Log:
    """The materializations of one asset."""

    def __init__(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> None:
        self._instance = instance
        self._key = key
        self._of_runs: dict[str, list[dg.AssetMaterialization]] = {}
        self._latest: dict[str, _Told | None] = {}

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
            records = self._instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
            events = [record.event_log_entry.asset_materialization for record in records.records]
            self._of_runs[run_id] = [event for event in events if event and event.asset_key == self._key]
        return self._of_runs[run_id]

    def made_by(self, execution_id: str, run_id: str) -> set[str | None]:
        """The partitions that an execution has made, as the log of a run tells."""
        return {event.partition for event in self.in_run(run_id) if _raw(event, EXECUTION_ID) == execution_id}

    def look_up(self, partition_keys: Sequence[str]) -> None:
        """Find the latest of each partition, all together: one by one, a year of days takes seconds."""
        self._latest.update(dict.fromkeys(partition_keys))
        for start in range(0, len(partition_keys), LOOKED_UP):
            self._look_up(partition_keys[start : start + LOOKED_UP])

    def _look_up(self, partition_keys: Sequence[str]) -> None:
        left, cursor, has_more = set(partition_keys), None, True
        while left and has_more:
            wanted = dg.AssetRecordsFilter(self._key, asset_partitions=sorted(left))
            found = self._instance.fetch_materializations(wanted, limit=len(left), cursor=cursor)
            cursor, has_more = found.cursor, found.has_more
            for record in found.records:  # the newest first
                if record.asset_materialization and record.partition_key in left:
                    left.remove(record.partition_key)
                    self._latest[record.partition_key] = record.run_id, record.asset_materialization

    def latest(self, run_id: str | None, partition_key: str | None) -> _Told | None:
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


def _made(log: _Log, run_id: str | None, partition_key: str | None) -> _Made:
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
    execution_id = _raw(materialization, EXECUTION_ID)
    if not isinstance(execution_id, str) or not execution_id:
        raise DuneResultError(
            f"The latest materialization of {name} names no execution on Dune ({EXECUTION_ID}).",
            hint="It is no asset of Dune, or somebody has reported it as materialized: then materialize it again.",
        )
    metadata = materialization.metadata
    is_alone = PARTITION_ROW_COUNT in metadata and RANGE_PARTITIONS not in metadata
    return _Made(partition_key, execution_id, made_in, extent_of(metadata, partition_key) or 1, is_alone)


def _raw(materialization: dg.AssetMaterialization, key: str) -> Any:
    value = materialization.metadata.get(key)
    return value.value if value else None


def _check_alone(log: _Log, together: Sequence[_Made], wanted: Sequence[str | None]) -> None:
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
