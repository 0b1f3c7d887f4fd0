"""Converts partitions of queries to Dagster's, compares them, and returns the partitions of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dagster as dg

from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.settings.partitions import OFFSETS, Partition, QueryPartitions
from dagster_dune.errors import DuneCatalogError, DunePlanError

CRON_KEYS = "%Y-%m-%d-%H:%M"
TIME_DEFINITIONS = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}


def partitions_def_of(partitions: QueryPartitions) -> dg.PartitionsDefinition[str]:
    """Return Dagster's definition of the partitions of a query."""
    if partitions.start is not None and partitions.cron is not None:
        return dg.TimeWindowPartitionsDefinition(
            start=partitions.start,
            end=partitions.end,
            fmt=CRON_KEYS,
            cron_schedule=partitions.cron,
            timezone=partitions.timezone,
            end_offset=partitions.end_offset,
        )
    if partitions.start is not None:
        of_time: Callable[..., dg.PartitionsDefinition[str]] = TIME_DEFINITIONS[partitions.kind]
        offsets = {name: offset for name in OFFSETS if (offset := getattr(partitions, name)) is not None}
        return of_time(
            start_date=partitions.start,
            end_date=partitions.end,
            timezone=partitions.timezone,
            end_offset=partitions.end_offset,
            **offsets,
        )
    if partitions.name is not None:
        return dg.DynamicPartitionsDefinition(name=partitions.name)
    return dg.StaticPartitionsDefinition(list(partitions.keys))


def check_partitions_def(obj: MaterializedView | Query, spec: dg.AssetSpec) -> None:
    """Check that the spec of an object has the same kind of partitions as the catalog.

    Raises:
        DuneCatalogError: Only one of them has partitions, or they are of different kinds.
    """
    wanted = obj.partitions if isinstance(obj, Query) else None
    if spec.partitions_def is None and wanted is None:
        return
    if isinstance(obj, MaterializedView):
        raise DuneCatalogError(
            f"{obj.name} is a matview, which Dune refreshes as a whole, and its spec has a partitions_def.",
            hint="Leave it out of your translator's get_asset_spec.",
        )
    if wanted is None or spec.partitions_def is None:
        has, lacks = ("catalog", "spec of your translator") if wanted else ("spec of your translator", "catalog")
        raise DuneCatalogError(
            f"{obj.sql_name} has partitions in the {has}, and none in the {lacks}.",
            hint="The catalog's `partitions` says which parameters a partition sets, the spec which partitions there "
            "are. Give both, or neither.",
        )
    if wanted.is_time != isinstance(spec.partitions_def, dg.TimeWindowPartitionsDefinition):
        raise DuneCatalogError(
            f"The partitions of {obj.sql_name} are {wanted.kind} in the catalog, and "
            f"{type(spec.partitions_def).__name__} in the spec of your translator.",
            hint="Where one of them is of time, the other must be, too.",
        )


def check_one_definition(specs: dict[str, dg.AssetSpec]) -> None:
    """Check that the partitioned assets of a definition have the same partitions definition.

    Dagster accepts several, and fails later where it needs the partitions of the whole definition, as in ``dg launch``.
    A run can only be of one.

    Args:
        specs: The specs by SQL names.

    Raises:
        DuneCatalogError: They have different ones.
    """
    found = {name: spec.partitions_def for name, spec in specs.items() if spec.partitions_def is not None}
    for name, definition in found.items():
        first = next(iter(found))
        if definition != found[first]:
            raise DuneCatalogError(
                f"{first} and {name} have different partitions ({found[first]}; {definition}), and the assets of one "
                "definition can have those of one kind alone.",
                hint="Build them with two build_dune_assets calls, each with a `select` and a `name` of its own.",
            )


def check_partitions_of_check(label: str, query: Query, checked: MaterializedView | Query) -> None:
    """Check that the query of a check has the partitions of the checked object, or none.

    Raises:
        DuneCatalogError: It has others. A check runs for the partitions of its asset.
    """
    if query.partitions is None:
        return
    own, theirs = partitions_def_of(query.partitions), checked.partitions if isinstance(checked, Query) else None
    if theirs is None or partitions_def_of(theirs) != own:
        what = f"those of {checked.sql_name} ({partitions_def_of(theirs)})" if theirs else "none"
        raise DuneCatalogError(
            f"The query of the {label}, {query.sql_name}, has partitions ({own}), and what it checks has "
            f"{'others, ' if theirs else ''}{what}.",
            hint="A check runs for the partitions of its asset. Give its query the same `partitions`, or none.",
        )


def partitions_of_step(context: dg.AssetExecutionContext) -> dict[dg.AssetKey, list[Partition]]:
    """Return the partitions of a step by the assets that it materializes or checks; empty if its run has none.

    Raises:
        DunePlanError: The step only runs checks, and the partitions of its run do not exist.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        return {}
    keys = {*context.selected_asset_keys, *(check.asset_key for check in context.selected_asset_check_keys)}
    return {
        spec.key: [_partition(spec.partitions_def, name) for name in _keys_of_step(context, spec.partitions_def)]
        for spec in context.assets_def.specs
        if spec.partitions_def and spec.key in keys
    }


def _keys_of_step(context: dg.AssetExecutionContext, definition: dg.PartitionsDefinition[str]) -> Sequence[str]:
    """Return the partition keys of a step. Dagster's context has them only if the step materializes assets."""
    if context.selected_asset_keys:
        return list(context.partition_keys)
    first, last = str(context.partition_key_range.start), str(context.partition_key_range.end)
    keys = definition.get_partition_keys(dynamic_partitions_store=context.instance)
    places = {key: place for place, key in enumerate(keys)}
    if missing := [key for key in dict.fromkeys((first, last)) if key not in places]:
        raise DunePlanError(
            f"This run is of partitions that do not exist: {', '.join(missing)}; nothing was sent.",
            hint="Correct its partition tags, or launch the checks for partitions that exist.",
        )
    return keys[places[first] : places[last] + 1]


def _partition(definition: dg.PartitionsDefinition[str], key: str) -> Partition:
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return Partition((key,))
    window = definition.time_window_for_partition_key(key)
    return Partition((key,), (window.start, window.end))
