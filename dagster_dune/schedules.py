"""Selects assets by their Dune objects, and builds schedules of such selections, also over partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from dagster_dune._formatting import abbreviated, counted
from dagster_dune._specs.arguments import check_definitions, check_instance
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.catalog.selection import Patterns, as_pattern_list, select_in_each
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.run_config import DuneRunConfig, config_by_definition
from dagster_dune.runs import run_under_way

RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def build_dune_asset_selection(
    assets: Sequence[dg.AssetsDefinition],
    select: Patterns = "*",
    exclude: Patterns = (),
) -> dg.AssetSelection:
    """Select assets by what they are on Dune.

    Args:
        assets: Definitions made by `build_dune_assets` or `@dune_assets`.
        select: SQL names, asset keys, ids, globs, ``tag:<tag>``, ``kind:query`` or ``kind:view``; a team's matviews
            are ``dune.<team>.*``.
        exclude: The same, for what to leave out; a pattern of it that matches nothing is a warning.

    Returns:
        A selection; its methods ``upstream`` and ``downstream`` widen it.

    Raises:
        DuneCatalogError: A pattern of `select` matches nothing, or no asset is selected.
        DuneConfigurationError: `assets` is no list of definitions.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query, build_dune_assets
        >>> acme = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, tags=["dex"]), Query(query_id=2)]))
        >>> build_dune_asset_selection([acme], select="tag:dex").resolve([acme])
        {AssetKey(['dune', 'query_1'])}
    """
    return dg.AssetSelection.assets(*sorted(_keys(assets, select, exclude)))


def build_schedule_from_dune_selection(
    assets: Sequence[dg.AssetsDefinition],
    job_name: str,
    cron_schedule: str | Sequence[str],
    *,
    select: Patterns = "*",
    exclude: Patterns = (),
    schedule_name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    config: DuneRunConfig | None = None,
    execution_timezone: str | None = None,
    default_status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED,
    skip_if_running: bool = False,
    partitions_per_tick: int = 1,
    repeat_unpartitioned: bool = False,
) -> dg.ScheduleDefinition:
    """Make a schedule of a job that materializes part of a catalog, in one pipeline call a tick and definition.

    Where the selection is partitioned by time, a tick runs the partition that ended last; so let it tick as often as
    partitions end. Where its partitions are no spans of time, a tick runs all of them.

    Args:
        assets: Definitions made by `build_dune_assets` or `@dune_assets`.
        job_name: The name of the job that the schedule launches.
        cron_schedule: When, as five cron fields.
        select: See `build_dune_asset_selection`.
        exclude: See `build_dune_asset_selection`.
        schedule_name: The schedule's name; made from the job's if None.
        description: What the UI says of the schedule and its job; what they materialize if None.
        tags: Tags of the runs.
        config: The configuration of the runs.
        execution_timezone: The time zone of the cron fields; UTC if None.
        default_status: Whether the schedule is on from the start.
        skip_if_running: Whether a tick is skipped while a run of the job is under way. Two runs over one matview pay
            twice. A job of the same name in another code location, over other assets, is another job.
        partitions_per_tick: How many of the last time partitions a tick runs, in one call: more than one where data
            may still change after a partition's end.
        repeat_unpartitioned: Whether the job may hold both partitioned queries and what has no partitions. A backfill
            of such a job runs the latter once for each partition, and each time is paid for.

    Returns:
        The schedule.

    Raises:
        DuneCatalogError: A pattern of `select` matches nothing, or what it matches cannot be one job; or `config` gives
            a query what it does not take.
        DuneConfigurationError: `partitions_per_tick` is less than one, or set where there are no time partitions; or
            an argument is none that it can be.
        DunePlanError: `config` asks for what can be no tier, or names what the job does not run.
    """
    check_instance("config", config, DuneRunConfig)
    keys = _keys(assets, select, exclude, job_name)
    partitions_def = _partitions_def(assets, keys, job_name, repeat_unpartitioned=repeat_unpartitioned)
    _check_count(partitions_per_tick, partitions_def, job_name)
    run_config = dg.RunConfig(ops=config_by_definition(config, _selected(assets, keys))) if config else None
    description = description or _description(keys, select, partitions_def, partitions_per_tick)
    job = dg.define_asset_job(
        job_name,
        selection=dg.AssetSelection.assets(*sorted(keys)),
        description=description,
        tags=dict(tags or {}),
        config=run_config,
    )

    def launch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if skip_if_running and (run := run_under_way(context.instance, job_name, keys)):
            return dg.SkipReason(f"Run {run.run_id} of {job_name} is still under way.")
        return _request(partitions_def, partitions_per_tick, context) if partitions_def else dg.RunRequest()

    return dg.ScheduleDefinition(
        name=schedule_name or f"{job_name}_schedule",
        job=job,
        cron_schedule=cron_schedule,
        execution_fn=launch,
        execution_timezone=execution_timezone,
        description=description,
        default_status=default_status,
    )


def _description(
    keys: set[dg.AssetKey], select: Patterns, partitions_def: dg.PartitionsDefinition[str] | None, count: int
) -> str:
    """Return a sentence that describes a tick of a schedule."""
    assets = counted(len(keys), "Dune asset")
    patterns = ", ".join(as_pattern_list(select))
    which = "all there are" if patterns == "*" else patterns
    if partitions_def is None:
        return f"Materializes {assets} ({which}) in one pipeline call."
    if not isinstance(partitions_def, dg.TimeWindowPartitionsDefinition):
        return f"Materializes all partitions of {assets} ({which}) in one pipeline call."
    windows = "the partition that ended last" if count == 1 else f"the {count} partitions that ended last"
    return f"Materializes {windows}, of {assets} ({which}), in one pipeline call."


def _keys(
    assets: Sequence[dg.AssetsDefinition], select: Patterns, exclude: Patterns, job_name: str = ""
) -> set[dg.AssetKey]:
    check_definitions(assets)
    keys = set[dg.AssetKey]()
    definitions = [DuneAssetSet.of_definition(definition) for definition in assets]
    selected = select_in_each([dune.selectable for dune in definitions], select, exclude, job_name)
    found = set[str]()
    for dune, names in zip(definitions, selected, strict=True):
        keys |= {dune.keys[name] for name in names if name in dune.keys}
        found |= names & dune.catalog.check_queries
    if not keys:
        checks = f" but checks ({abbreviated(sorted(found))})" if found else ""
        raise DuneCatalogError(
            f"{', '.join(as_pattern_list(select)) or 'An empty list'} selects no asset{checks}.",
            hint="A check runs with what it checks: select that. Alone, it is dg.AssetSelection.checks(...)."
            if found
            else "Select what these definitions make.",
        )
    return keys


def _selected(assets: Sequence[dg.AssetsDefinition], keys: set[dg.AssetKey]) -> list[DuneAssetSet]:
    """Return the definitions with selected assets. Dagster rejects configuration of others."""
    definitions = [DuneAssetSet.of_definition(definition).with_selection(keys) for definition in assets]
    return [dune for dune in definitions if dune.selected]


def _partitions_def(
    assets: Sequence[dg.AssetsDefinition], keys: set[dg.AssetKey], job_name: str, *, repeat_unpartitioned: bool
) -> dg.PartitionsDefinition[str] | None:
    """Return the partitions that the selected assets share; None if none of them has any."""
    specs = [spec for definition in assets for spec in definition.specs if spec.key in keys]
    partitioned = [spec for spec in specs if spec.partitions_def]
    unpartitioned = [spec for spec in specs if not spec.partitions_def]
    if not partitioned:
        return None
    first = partitioned[0]
    for spec in partitioned:
        if spec.partitions_def != first.partitions_def:
            raise DuneCatalogError(
                f"The job {job_name} holds {first.key.to_user_string()} and {spec.key.to_user_string()}, which have "
                f"different partitions ({first.partitions_def}; {spec.partitions_def}), so that no run can be of both.",
                hint="Make a job and a schedule for each.",
            )
    if unpartitioned and not repeat_unpartitioned:
        names = abbreviated((spec.key.to_user_string() for spec in unpartitioned), most=3)
        raise DuneCatalogError(
            f"The job {job_name} holds partitioned queries and also {names}, without partitions. A "
            "backfill of it would run, and pay for, the latter once for each partition.",
            hint="Make two jobs, or set repeat_unpartitioned=True if it is never backfilled.",
        )
    return first.partitions_def


def _check_count(count: int, partitions_def: dg.PartitionsDefinition[str] | None, job_name: str) -> None:
    if count < 1:
        raise DuneConfigurationError(f"partitions_per_tick must be at least 1, not {count}.")
    if count > 1 and not isinstance(partitions_def, dg.TimeWindowPartitionsDefinition):
        what = "has no partitions" if partitions_def is None else "has partitions that are no spans of time"
        raise DuneConfigurationError(
            f"partitions_per_tick is {count}, but the job {job_name} {what}.",
            hint="Leave it out: a tick runs everything then.",
        )


def _request(
    partitions_def: dg.PartitionsDefinition[str], count: int, context: dg.ScheduleEvaluationContext
) -> dg.RunRequest | dg.SkipReason:
    """Return a run request for the partitions that are due."""
    is_dynamic = isinstance(partitions_def, dg.DynamicPartitionsDefinition)
    keys = partitions_def.get_partition_keys(context.scheduled_execution_time, context.instance if is_dynamic else None)
    if not keys:
        return dg.SkipReason("There is no partition yet.")
    if isinstance(partitions_def, dg.TimeWindowPartitionsDefinition):
        due = _due(partitions_def, keys, count, context.scheduled_execution_time)
        if not due:
            return dg.SkipReason(f"{keys[-1]} was the last partition, and its turn is over.")
        keys = due
    if len(keys) == 1:
        return dg.RunRequest(partition_key=keys[0])
    return dg.RunRequest(tags={RANGE_START_TAG: keys[0], RANGE_END_TAG: keys[-1]})


def _due(
    partitions_def: dg.TimeWindowPartitionsDefinition, keys: Sequence[str], count: int, now: datetime
) -> Sequence[str]:
    """Return the partitions that ended last, and leave out those after the definition's end."""
    if partitions_def.end is None:
        return keys[-count:]
    endless = dg.TimeWindowPartitionsDefinition(
        start=partitions_def.start,
        fmt=partitions_def.fmt,
        cron_schedule=partitions_def.cron_schedule,
        timezone=partitions_def.timezone,
        end_offset=partitions_def.end_offset,
        exclusions=partitions_def.exclusions,
    )
    existing = set(keys)
    return [key for key in endless.get_partition_keys(now)[-count:] if key in existing]
