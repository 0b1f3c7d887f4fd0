"""Parts of a catalog as selections and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from dagster_dune.catalog.select import select as matching
from dagster_dune.registry import DuneAssetSet
from dagster_dune.run_config import DuneRunConfig
from dagster_dune.submissions import UNDER_WAY


def build_dune_asset_selection(
    assets: Sequence[dg.AssetsDefinition],
    select: Sequence[str] | str = "*",
    exclude: Sequence[str] | str = (),
) -> dg.AssetSelection:
    """Select assets by what they are on Dune.

    Args:
        assets: Definitions made by `build_dune_assets` or `@dune_assets`.
        select: SQL names, ids, globs, ``tag:<tag>``, ``kind:query`` or ``kind:materialized_view``; a team's matviews
            are ``dune.<team>.*``.
        exclude: The same, for what to leave out.

    Returns:
        A selection; its methods ``upstream`` and ``downstream`` widen it.

    Raises:
        DuneCatalogError: A pattern matches nothing.

    Examples:
        >>> from dagster_dune import DuneCatalog, Query, build_dune_assets
        >>> acme = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, tags=["dex"]), Query(query_id=2)]))
        >>> build_dune_asset_selection([acme], select="tag:dex").resolve([acme])
        {AssetKey(['dune', 'query_1'])}
    """
    keys = set[dg.AssetKey]()
    for definition in assets:
        dune = DuneAssetSet.of_definition(definition)
        names = matching(dune.catalog, _patterns(select)) - matching(dune.catalog, _patterns(exclude))
        keys |= {dune.keys[name] for name in names if name in dune.keys}
    return dg.AssetSelection.assets(*sorted(keys))


def build_schedule_from_dune_selection(
    assets: Sequence[dg.AssetsDefinition],
    job_name: str,
    cron_schedule: str | Sequence[str],
    *,
    select: Sequence[str] | str = "*",
    exclude: Sequence[str] | str = (),
    schedule_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    config: DuneRunConfig | None = None,
    execution_timezone: str | None = None,
    default_status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED,
    skip_if_running: bool = False,
) -> dg.ScheduleDefinition:
    """Make a schedule of a job that materializes part of a catalog, in one pipeline call a tick and definition.

    Args:
        assets: Definitions made by `build_dune_assets` or `@dune_assets`.
        job_name: The name of the job that the schedule launches.
        cron_schedule: When, as five cron fields.
        select: See `build_dune_asset_selection`.
        exclude: See `build_dune_asset_selection`.
        schedule_name: The schedule's name; made from the job's if None.
        tags: Tags of the runs.
        config: The configuration of the runs.
        execution_timezone: The time zone of the cron fields; UTC if None.
        default_status: Whether the schedule is on from the start.
        skip_if_running: Whether a tick is skipped while a run of the job is under way. Two runs over one matview pay
            twice.

    Returns:
        The schedule.

    Raises:
        DuneCatalogError: A pattern matches nothing.
    """
    selection = build_dune_asset_selection(assets, select, exclude)
    run_config = dg.RunConfig(ops={definition.op.name: config for definition in assets}) if config else None
    job = dg.define_asset_job(job_name, selection=selection, tags=dict(tags or {}), config=run_config)

    def launch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        under_way = context.instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=UNDER_WAY), limit=1)
        if skip_if_running and under_way:
            return dg.SkipReason(f"Run {under_way[0].run_id} of {job_name} is still under way.")
        return dg.RunRequest()

    return dg.ScheduleDefinition(
        name=schedule_name or f"{job_name}_schedule",
        job=job,
        cron_schedule=cron_schedule,
        execution_fn=launch,
        execution_timezone=execution_timezone,
        default_status=default_status,
    )


def _patterns(patterns: Sequence[str] | str) -> Sequence[str]:
    return [patterns] if isinstance(patterns, str) else patterns
