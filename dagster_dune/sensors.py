"""A sensor that reports refreshes that Dagster did not start: by a cron on Dune, its web app or another client."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from dagster_dune._formatting import abbreviated, counted
from dagster_dune._refreshes.polling import PollingRound, RefreshPoller, RequestBudget, cursor_of, start_of
from dagster_dune._refreshes.refresh_checks import CheckedEvent, checked
from dagster_dune._refreshes.refresh_events import ObservedAsset, news, open_submissions
from dagster_dune._specs.arguments import check_definitions
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.catalog.selection import Patterns, select_in_each
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.resource import DuneResource

MIN_REQUESTS = 2
MAX_REQUEST_SECONDS = 10.0


def build_dune_refresh_sensor(
    assets: Sequence[dg.AssetsDefinition],
    *,
    name: str = "dune_refresh_sensor",
    select: Patterns = "*",
    exclude: Patterns = (),
    include_parametrised: bool = False,
    include_partitioned: bool = False,
    resource_key: str = "dune",
    minimum_interval_seconds: int = 60,
    max_requests_per_tick: int = 30,
    max_seconds_per_tick: float = 30.0,
    reads_per_minute: int = 40,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Make a sensor that reports what was refreshed outside Dagster.

    A result becomes a materialization, with what a run would have told of it; an execution that failed becomes an
    observation. A materialization is followed by the results of those of its asset's checks that have no query. What
    Dagster's own runs have reported, or are about to report, is left to them. Looking costs no credits. Each tick looks
    at as many assets as its requests allow, and the next one goes on from there.

    Args:
        assets: Definitions made by `build_dune_assets` or `@dune_assets`, all of one account.
        name: The sensor's name.
        select: See `build_dune_asset_selection`.
        exclude: See `build_dune_asset_selection`.
        include_parametrised: Whether queries with parameters are watched. Dune does not say with which values a result
            was made, so whatever was executed last is reported.
        include_partitioned: Whether partitioned assets are watched. Their materializations are of no partition.
        resource_key: The key of the `DuneResource` that looks.
        minimum_interval_seconds: The time between two ticks.
        max_requests_per_tick: How many requests one tick sends at the most.
        max_seconds_per_tick: After how long a tick sends no further request; Dagster ends one after 60 s.
        reads_per_minute: How many reads a minute the plan allows; 40 on the free one.
        default_status: Whether the sensor is on from the start.

    Returns:
        The sensor. It launches no runs.

    Raises:
        DuneCatalogError: A pattern of `select` matches nothing, or nothing is left to watch.
        DuneConfigurationError: The ticks would send more requests than the plan allows, a number is out of range, or
            `assets` is no list of definitions.

    Examples:
        >>> from dagster_dune import DuneCatalog, MaterializedView, build_dune_assets
        >>> catalog = DuneCatalog(materialized_views=[MaterializedView(name="dune.acme.result_daily")])
        >>> build_dune_refresh_sensor([build_dune_assets(catalog)]).name
        'dune_refresh_sensor'
    """
    _check_budget(minimum_interval_seconds, max_requests_per_tick, max_seconds_per_tick, reads_per_minute)
    check_definitions(assets)
    selected = sorted(_selected(assets, select, exclude, name), key=lambda asset: asset.name)
    watched = [
        asset
        for asset in selected
        if (include_parametrised or not asset.is_parametrised) and (include_partitioned or not asset.is_partitioned)
    ]
    if not watched:
        raise _nothing_to_watch(name, selected)
    checks = _checks_by_asset(assets)

    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: DuneResource = getattr(context.resources, resource_key)
        budget = RequestBudget(max_requests_per_tick, max_seconds_per_tick)
        brief = {"timeout": min(resource.timeout, MAX_REQUEST_SECONDS), "max_retries": 0}
        with resource.model_copy(update=brief).get_client() as client:
            poller = RefreshPoller(client, context.instance, budget, context.log)
            polling_round = poller.poll(watched, start_of(context.cursor, context.log))
        events = list(_events(context, checks, polling_round))
        summary = _summary(
            polling_round, len(watched), sum(not isinstance(event, dg.AssetCheckEvaluation) for event in events)
        )
        context.log.info(summary)
        return dg.SensorResult(
            asset_events=events, cursor=cursor_of(polling_round), skip_reason=None if events else dg.SkipReason(summary)
        )

    return dg.SensorDefinition(
        name=name,
        evaluation_fn=tick,
        minimum_interval_seconds=minimum_interval_seconds,
        description=_description(watched, selected),
        default_status=default_status,
        required_resource_keys={resource_key},
    )


def _check_budget(interval: int, requests: int, seconds: float, reads_per_minute: int) -> None:
    positive = {
        "minimum_interval_seconds": interval,
        "max_seconds_per_tick": seconds,
        "reads_per_minute": reads_per_minute,
    }
    if wrong := next((name for name, number in positive.items() if number <= 0), None):
        raise DuneConfigurationError(f"{wrong} must be positive, not {positive[wrong]}.")
    if requests < MIN_REQUESTS:
        raise DuneConfigurationError(
            f"max_requests_per_tick must be at least {MIN_REQUESTS}, since an asset takes that many, not {requests}."
        )
    if requests * 60 > reads_per_minute * interval:
        raise DuneConfigurationError(
            f"{requests} requests every {interval} s are {requests * 60 / interval:g} a minute, and the plan allows "
            f"{reads_per_minute}.",
            hint=f"Set minimum_interval_seconds to {math.ceil(requests * 60 / reads_per_minute)} or more, lower "
            "max_requests_per_tick, or raise reads_per_minute if your plan allows more.",
        )


def _selected(
    assets: Sequence[dg.AssetsDefinition], select: Patterns, exclude: Patterns, sensor_name: str
) -> Iterator[ObservedAsset]:
    definitions = [DuneAssetSet.of_definition(definition) for definition in assets]
    selected = select_in_each([dune.selectable for dune in definitions], select, exclude, sensor_name)
    for definition, dune, names in zip(assets, definitions, selected, strict=True):
        partitioned = {spec.key for spec in definition.specs if spec.partitions_def is not None}
        for name in names & dune.keys.keys():
            key = dune.keys[name]
            yield ObservedAsset(key, dune.catalog[name], dune.definition, is_partitioned=key in partitioned)


def _nothing_to_watch(name: str, selected: Sequence[ObservedAsset]) -> DuneCatalogError:
    if not selected:
        return DuneCatalogError(f"The sensor {name} selects no asset.", hint="Check select and exclude.")
    return DuneCatalogError(
        f"The sensor {name} selects parametrised or partitioned assets alone, and these are left out: "
        f"{abbreviated(asset.name for asset in selected)}.",
        hint="Set include_parametrised or include_partitioned.",
    )


def _description(watched: Sequence[ObservedAsset], selected: Sequence[ObservedAsset]) -> str:
    words = f"Reports what was refreshed outside Dagster. Watches {counted(len(watched), 'asset')}."
    left_out = sorted({asset.name for asset in selected} - {asset.name for asset in watched})
    return f"{words} Left out, being parametrised or partitioned: {abbreviated(left_out)}." if left_out else words


def _checks_by_asset(
    assets: Sequence[dg.AssetsDefinition],
) -> Mapping[dg.AssetKey, Mapping[dg.AssetCheckKey, DuneCheck]]:
    found: dict[dg.AssetKey, dict[dg.AssetCheckKey, DuneCheck]] = defaultdict(dict)
    for definition in assets:
        for key, check in DuneAssetSet.of_definition(definition).checks.items():
            found[key.asset_key][key] = check
    return found


def _events(
    context: dg.SensorEvaluationContext,
    checks: Mapping[dg.AssetKey, Mapping[dg.AssetCheckKey, DuneCheck]],
    polling_round: PollingRound,
) -> Iterator[CheckedEvent]:
    found = [(asset, refreshes) for asset, refreshes in polling_round.found if refreshes]
    if not found:
        return
    open_ = open_submissions(context.instance, [asset for asset, _ in found], datetime.now(UTC))
    for asset, refreshes in found:
        events = news(context.instance, asset, refreshes, open_[asset.key])
        yield from checked(context.instance, checks.get(asset.key, {}), events, context.log)


def _summary(polling_round: PollingRound, assets: int, events: int) -> str:
    words = f"Looked at {polling_round.polled} of {assets} assets; {events or 'no'} news from outside Dagster."
    return (
        f"{words} It goes on with {polling_round.next}, because {polling_round.reason}."
        if polling_round.reason
        else words
    )
