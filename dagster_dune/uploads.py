"""`build_dune_upload`: an asset that writes a frame to a table on Dune, with the key that lineage gives the table."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

import dagster as dg

from dagster_dune._formatting import abbreviated
from dagster_dune._specs.functions import as_function
from dagster_dune.catalog.names import Reference
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.metadata import (
    CREDITS,
    PARTITION_ROW_COUNT,
    RANGE_PARTITIONS,
    RANGE_ROW_COUNT,
    ROW_COUNT,
    spec_metadata,
)
from dagster_dune.resource import DuneResource
from dagster_dune.translator import DagsterDuneTranslator, spec_of

if TYPE_CHECKING:
    from dagster_dune.frames.uploads.options import TableWritten

KIND_TAGS = "dagster/kind/"


def build_dune_upload(
    table: str,
    *,
    mode: str = "replace",
    types: Mapping[str, str] | None = None,
    on_schema_change: str = "error",
    max_credits: float | None = None,
    is_private: bool | None = None,
    marker_column: str | None = None,
    translator: DagsterDuneTranslator | None = None,
    deps: Iterable[Any] | None = None,
    ins: Mapping[str, dg.AssetIn] | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    resource_key: str = "dune",
    group_name: str | None = None,
    pool: str | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    tags: Mapping[str, str] | None = None,
    kinds: Iterable[str] = (),
    owners: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make an asset of a function that returns a frame: the frame becomes a table on Dune. Charged for.

    Its key is the one that lineage gives the table, so that matviews and queries which read it depend on it.

    Args:
        table: ``dune.<team>.<table>``.
        mode: ``"replace"`` or ``"append"``. What has partitions is appended, since each would replace the whole table.
        types: Dune's types by column, for those that are to be others than their own: a text column can be
            ``uint256``, and Python's Decimals ``decimal(38,18)``.
        on_schema_change: ``"error"``, or ``"replace"`` to delete and create the table anew.
        max_credits: Refuse to create and insert for more, before the first request. Looks for a marker are queries,
            whose price is known when the first one has run: it is counted from then on.
        is_private: Whether only the owner may read it.
        marker_column: Of appends: a further column that holds the partition's key, or the id of the run's first
            attempt. By it rows are found again, and nothing is appended twice; looking is a query, and charged. A run
            of several partitions is refused: backfills run one at a time.
        translator: Gives the table's key, owners, tags and group.
        deps: Further assets that it depends on.
        ins: The assets that the function takes as arguments.
        partitions_def: Its partitions, with ``mode="append"``.
        resource_key: The key of the `DuneResource`.
        group_name: Its group.
        pool: The pool that bounds how many of its runs write at once; none if None.
        backfill_policy: How many runs a backfill makes; one a partition if None, and always with a `marker_column`.
        retry_policy: When Dagster tries the step again; each attempt is charged. What is appended needs a
            `marker_column` for it.
        tags: Tags of the asset, beside those of the translator.
        kinds: Kinds that the UI shows beside ``dune`` and ``python``.
        owners: Who owns it; the translator's if None.
        metadata: Metadata of the asset, beside what is known of the table.

    Returns:
        A decorator of a function that returns a frame of polars, pandas or Arrow, a record batch reader, a DuckDB
        relation, or the path of a Parquet file. It takes what an asset takes: a context, resources, other assets. A
        `functools.partial` or an object with ``__call__`` counts as a function.

    Raises:
        DuneConfigurationError: It has partitions, which would replace each other; or the name is none of a table, or an
            option none that it can be; or what is decorated cannot be called, or takes its context in another place.

    Examples:
        >>> @build_dune_upload("dune.acme.labels", max_credits=15)
        ... def labels():
        ...     return [{"address": "0x01", "label": "exchange"}]
        >>> labels.key.to_user_string()
        'dune/acme/labels'
    """
    if partitions_def is not None and mode == "replace":
        raise DuneConfigurationError(
            f'{table} has partitions and mode="replace": each partition would replace the whole table, and Dune would '
            "hold only the last partition that ran.",
            hint='Set mode="append" and a marker_column, which holds the partition; or leave partitions_def out.',
        )
    if marker_column is not None and mode != "append":
        raise DuneConfigurationError(
            f"{table} has marker_column={marker_column!r} and mode={mode!r}: only rows that are appended are marked.",
            hint='Set mode="append", or leave marker_column out.',
        )
    if marker_column is not None and backfill_policy is not None and backfill_policy.max_partitions_per_run != 1:
        raise DuneConfigurationError(
            f"{table} has marker_column={marker_column!r}, which holds the one partition of a run, and a "
            "backfill_policy of more.",
            hint="Leave backfill_policy out, or give BackfillPolicy.multi_run(1).",
        )
    if retry_policy is not None and mode == "append" and marker_column is None:
        raise DuneConfigurationError(
            f"{table} is appended without a marker_column and has a retry_policy: an attempt cannot find what the one "
            "before has appended, and would append it again.",
            hint="Give a marker_column, or leave retry_policy out.",
        )
    options: dict[str, Any] = {
        "mode": mode,
        "types": {} if types is None else types,
        "on_schema_change": on_schema_change,
        "max_credits": max_credits,
        "is_private": is_private,
    }
    from dagster_dune.frames.uploads.options import WriteOptions, table_parts  # noqa: PLC0415  (pyarrow is slow to import)

    table_parts(table)
    any_marking: dict[str, Any] = {} if marker_column is None else {"marker": "any", "marker_column": marker_column}
    WriteOptions(**options, **any_marking)
    reference = Reference.parse(table)
    spec = spec_of(translator or DagsterDuneTranslator(), reference)

    def decorate(make: Callable[..., Any]) -> dg.AssetsDefinition:
        make = as_function("build_dune_upload", make)
        _check_returns(make, table)
        parameters = list(inspect.signature(make).parameters.values())
        takes_context = bool(parameters) and parameters[0].name in ("context", "_context", "_")
        given = parameters[1:] if takes_context else parameters
        if any(parameter.name == "context" for parameter in given):
            raise DuneConfigurationError(
                f"{make.__name__} takes context after other arguments, and Dagster passes it as the first one.",
                hint="Write it first.",
            )
        takes_dune = any(parameter.name == resource_key for parameter in given)

        def upload(context: dg.AssetExecutionContext, **arguments: Any) -> dg.MaterializeResult[None]:
            partitions = _partitions(context) if partitions_def else []
            marking: dict[str, Any] = {}
            if marker_column is not None:
                marking = {"marker": _marker(context, table, partitions), "marker_column": marker_column}
                WriteOptions(**options, **marking)  # checked before the rows are made
            dune: DuneResource = arguments[resource_key] if takes_dune else arguments.pop(resource_key)
            frame = make(context, **arguments) if takes_context else make(**arguments)
            if inspect.iscoroutine(frame):
                frame = asyncio.run(frame)
            written = dune.write_table(frame, table, context=context, **options, **marking)
            return dg.MaterializeResult(metadata={**_row_counts(written, mode, partitions), CREDITS: written.credits})

        functools.update_wrapper(upload, make)
        own = {"context": dg.AssetExecutionContext} | ({} if takes_dune else {resource_key: DuneResource})
        hints = get_type_hints(make, include_extras=True) | own
        taken = [*(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in own), *given]
        taken = [parameter.replace(annotation=hints.get(parameter.name, Any)) for parameter in taken]
        upload.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
        upload.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        del upload.__wrapped__  # type: ignore[attr-defined]
        return dg.asset(
            key=spec.key,
            deps=deps,
            ins=ins,
            kinds={"dune", "python", *kinds},
            owners=spec.owners if owners is None else owners,
            tags={tag: value for tag, value in spec.tags.items() if not tag.startswith(KIND_TAGS)} | dict(tags or {}),
            metadata={**(metadata or {}), **spec_metadata(reference)},
            partitions_def=partitions_def,
            group_name=group_name or spec.group_name,
            pool=pool,
            backfill_policy=backfill_policy,
            retry_policy=retry_policy,
            description=make.__doc__ or f"The table {table}.",
        )(upload)

    return decorate


def _check_returns(make: Callable[..., Any], table: str) -> None:
    if inspect.isgeneratorfunction(make) or inspect.isasyncgenfunction(make):
        raise DuneConfigurationError(
            f"{make.__name__} yields, and what becomes the table {table} is one frame that a function returns.",
            hint="Return a frame, a record batch reader, or the rows in a list.",
        )


def _partitions(context: dg.AssetExecutionContext) -> Sequence[str]:
    return context.partition_keys if context.has_partition_key or context.has_partition_key_range else []


def _marker(context: dg.AssetExecutionContext, table: str, partitions: Sequence[str]) -> str:
    """Return the value that marks appended rows: the partition, or the id of the run's first attempt."""
    if len(partitions) > 1:
        raise DuneConfigurationError(
            f"The rows of {table} are marked with their one partition, and this run is of {len(partitions)}: "
            f"{abbreviated(partitions)}. Nothing was sent.",
            hint="Launch one partition a run, as a backfill does (BackfillPolicy.multi_run(1)).",
        )
    return partitions[0] if partitions else context.run.root_run_id or context.run.run_id


def _row_counts(written: "TableWritten", mode: str, partitions: Sequence[str]) -> dict[str, int]:
    """Return the metadata of the number of rows; empty if they existed already, and none were written."""
    if written.was_there:
        return {}
    if mode == "replace":
        return {ROW_COUNT: written.rows}
    if len(partitions) > 1:
        return {RANGE_ROW_COUNT: written.rows, RANGE_PARTITIONS: len(partitions)}
    return {PARTITION_ROW_COUNT: written.rows}
