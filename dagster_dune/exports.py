"""`build_dune_export`: the result of a Dune asset as Parquet files, or as a table of DuckDB."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_dune._execution.data.asset_executions import key_of
from dagster_dune._execution.data.charges import add_to_event
from dagster_dune._execution.data.table_methods import checked_destination, with_trailing_slash
from dagster_dune._formatting import without_password
from dagster_dune.catalog.names import TEAM_TABLE_NAME, asset_key_parts
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.metadata import PARTITION_ROW_COUNT, ROW_COUNT, TABLE_NAME, URI
from dagster_dune.paging.options import ReadOptions, options_from
from dagster_dune.resource import DuneResource


def build_dune_export(
    asset_key: dg.AssetKey | str | Sequence[str],
    *,
    to: str | os.PathLike[str],
    table: str | None = None,
    key: dg.AssetKey | str | Sequence[str] | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    resource_key: str = "dune",
    group_name: str | None = None,
    storage_options: dict[str, Any] | None = None,
    pool: str | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    tags: Mapping[str, str] | None = None,
    kinds: Iterable[str] = (),
    owners: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **options: Any,
) -> dg.AssetsDefinition:
    """Make an asset that exports the result of a Dune asset: as Parquet, or into a table of a DuckDB file.

    A file stands under its name when it is whole; a table is changed in one transaction. Files and tables of another
    export are left as they are. Exports are charged by size.

    Args:
        asset_key: The Dune asset.
        to: A folder, or a URL of one that fsspec knows, for ``<name>.parquet``, or ``<partition>.parquet`` for each
            partition; with `table` the path of a DuckDB file.
        table: The table in the DuckDB file. With partitions, each replaces its own rows, which the column
            ``dagster_partition`` tells apart; writers wait for each other.
        key: The key of the export; that of the Dune asset with ``_parquet`` or ``_duckdb`` at its end if None.
        partitions_def: The partitions of the Dune asset, where it has some.
        resource_key: The key of the `DuneResource`.
        group_name: The group of the export.
        storage_options: What fsspec needs for a URL.
        pool: The pool that bounds how many exports run at once; none if None.
        backfill_policy: How many runs a backfill makes; one a partition if None. With
            ``BackfillPolicy.single_run()`` one step exports all of them, and fails as a whole where one of them does.
        retry_policy: When Dagster tries the step again; each attempt is charged.
        tags: Tags of the asset.
        kinds: Kinds that the UI shows beside ``dune`` and its own.
        owners: Who owns it.
        metadata: Metadata of the asset.
        options: What is read, and how; see `DuneResource.get_result`.

    Returns:
        The asset.

    Raises:
        DuneConfigurationError: A table is to be in something else than a local file on disk, or is none; or an option
            is none, or has a value that it cannot have; or `asset_key` is a name in SQL.

    Examples:
        >>> export = build_dune_export(["dune", "top_pools_42"], to="data/top_pools")
        >>> export.key.to_user_string()
        'dune/top_pools_42_parquet'
    """
    upstream, place = _upstream(asset_key), checked_destination(to, table, storage_options)
    options_from(ReadOptions, options, "reading")
    folder, shown = with_trailing_slash(place), without_password(place)
    kind = "parquet" if table is None else "duckdb"
    own_key = key_of(key) if key else dg.AssetKey([*upstream.path[:-1], f"{upstream.path[-1]}_{kind}"])

    @dg.asset(
        key=own_key,
        deps=[upstream],
        kinds={"dune", kind, *kinds},
        partitions_def=partitions_def,
        group_name=group_name,
        required_resource_keys={resource_key},
        pool=pool,
        backfill_policy=backfill_policy,
        retry_policy=retry_policy,
        tags=tags,
        owners=owners,
        metadata=metadata,
        description=f"The result of {upstream.to_user_string()} in {shown}.",
    )
    def export(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        dune: DuneResource = getattr(context.resources, resource_key)
        source, own = _present_keys(context, upstream, own_key)
        given = {"storage_options": storage_options, "own_key": own, **options}
        named = {URI: shown} if table is None else {URI: shown, TABLE_NAME: table}
        if partitions_def is None:
            target = place if table is not None else f"{folder}{own.path[-1]}.parquet"
            whole = dune.export(context, source, target, table=table, **given)
            return dg.MaterializeResult(metadata={ROW_COUNT: whole.rows, **named})
        keys = context.partition_keys
        _check_windows(context, source, partitions_def, keys)
        exports = dune.export_partitions(context, source, place, keys, table=table, **given)
        for partition, export in exports.items():  # metadata of the result would be that of each partition of the run
            counts = {ROW_COUNT: export.rows, PARTITION_ROW_COUNT: export.rows}
            add_to_event(context, counts, own, partition)
        return dg.MaterializeResult(metadata=named)

    return export


def _present_keys(
    context: dg.AssetExecutionContext, upstream: dg.AssetKey, own: dg.AssetKey
) -> tuple[dg.AssetKey, dg.AssetKey]:
    """Return the keys that the Dune asset and the export have in this run, such as those with their module's prefix."""
    try:
        assets = context.assets_def
    except dg.DagsterError:  # the context of an asset that a test calls like a function
        return upstream, own
    return next(iter(assets.keys_by_input_name.values()), upstream), assets.key


def _check_windows(
    context: dg.AssetExecutionContext,
    upstream: dg.AssetKey,
    own: dg.PartitionsDefinition[str],
    partition_keys: Sequence[str],
) -> None:
    """Check that each partition has the time window of the Dune asset's partition with the same key."""
    try:
        inputs = {key: name for name, key in context.assets_def.keys_by_input_name.items()}
        if upstream not in inputs:  # the dependency was removed
            return
        theirs = context.op_execution_context.asset_partitions_def_for_input(inputs[upstream])
    except dg.DagsterError:  # an asset of another code location, or one without partitions
        return
    if not isinstance(own, dg.TimeWindowPartitionsDefinition) or not isinstance(
        theirs, dg.TimeWindowPartitionsDefinition
    ):
        return
    for key in partition_keys:
        wanted, there = own.time_window_for_partition_key(key), theirs.time_window_for_partition_key(key)
        if (wanted.start, wanted.end) != (there.start, there.end):
            raise DuneConfigurationError(
                f"The partition {key} of the export is from {wanted.start} to {wanted.end}, and that of "
                f"{upstream.to_user_string()} from {there.start} to {there.end}, so that it would not hold its rows.",
                hint="Give build_dune_export the partitions_def of the Dune asset. An asset of your own can gather "
                "several partitions: get_result with partition_keys.",
            )


def _upstream(asset_key: dg.AssetKey | str | Sequence[str]) -> dg.AssetKey:
    """Return the key of the exported asset, and refuse a matview's name in SQL, which is no asset key."""
    key = key_of(asset_key)
    name = key.path[0].replace('"', "").lower()
    if not isinstance(asset_key, dg.AssetKey) and len(key.path) == 1 and TEAM_TABLE_NAME.fullmatch(name):
        raise DuneConfigurationError(
            f"{key.path[0]!r} is a name in SQL, and no key of an asset.",
            hint=f"Write {'/'.join(asset_key_parts(name))}, or the key that your translator gives it.",
        )
    return key
