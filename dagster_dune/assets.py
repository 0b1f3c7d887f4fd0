"""`build_dune_assets` and `@dune_assets`: a catalog's matviews and queries as one Dagster asset definition."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import dagster as dg

from dagster_dune._execution.event_stream import DuneEvent
from dagster_dune._specs.arguments import check_catalog, check_choice, check_instance, check_members
from dagster_dune._specs.asset_set import register, register_translator
from dagster_dune._specs.functions import as_function, check_callable
from dagster_dune._specs.specs import asset_specs
from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.selection import Patterns
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.metadata import CATALOG_TAG
from dagster_dune.run_config import DuneRunConfig, PipelineForm
from dagster_dune.translator import DagsterDuneTranslator

if TYPE_CHECKING:
    from dagster_dune.resource import DuneResource

QueryViews = Literal["assets", "inline"]
DEFAULT_NAME = "dune_assets"
DEFAULT_POOL = "dune"
DuneEvents = Iterator[DuneEvent]
DuneExecute = Callable[[dg.AssetExecutionContext, "DuneResource", DuneRunConfig], DuneEvents]


def dune_assets(
    *,
    catalog: DuneCatalog,
    name: str | None = None,
    translator: DagsterDuneTranslator | None = None,
    select: Patterns | None = None,
    exclude: Patterns = (),
    pool: str | None = DEFAULT_POOL,
    op_tags: Mapping[str, Any] | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    query_views: QueryViews = "assets",
    include_backing_queries: bool = False,
    checks: Sequence[DuneCheck] = (),
    required_resource_keys: set[str] | None = None,
    io_manager_key: str | None = None,
    description: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make one asset definition, of which any subset can be materialized, around a function of your own.

    Args:
        catalog: What exists on Dune.
        name: The name of the definition's op; the function's own if None.
        translator: How objects look as assets.
        select: Which objects become assets: SQL names, asset keys, ids, globs, ``tag:<tag>``, ``kind:<kind>``; all if
            None. Asset keys are those that the translator gives.
        exclude: Which of them do not, in the same words; a pattern of it that matches nothing is a warning.
        pool: The pool that bounds how many pipelines run at once; none if None.
        op_tags: Further tags of the op.
        retry_policy: When Dagster tries the step again. An attempt after the first follows the pipeline that the run
            has started, and starts no second one.
        backfill_policy: How many runs a backfill of partitioned queries makes; one for all of its partitions if None.
        query_views: ``"assets"`` makes an asset of each query; ``"inline"`` leaves out those that other objects read,
            since Dune inlines them, and gives their readers what they read.
        include_backing_queries: Whether the query behind a matview is an asset of its own. Materializing both runs
            (and charges for) the same SQL twice.
        checks: Checks beside those of the catalog; see `DuneCheck`.
        required_resource_keys: The resources that the function takes from its context.
        io_manager_key: The key of the `DuneIOManager` by which Python assets downstream get results as arguments.
        description: What the op does; the function's docstring if None. Assets without a description have it too.

    Returns:
        A decorator of a function that yields from `DuneResource.run`.

    Raises:
        DuneCatalogError: Nothing is selected, two objects get one asset key, or a check is of nothing that is there.
        DuneConfigurationError: An argument is none that it can be, or the translator gives an object no spec.

    Examples:
        >>> from dagster_dune import DuneCatalog, DuneResource, MaterializedView, dune_assets
        >>> catalog = DuneCatalog(materialized_views=[MaterializedView(name="dune.acme.result_daily")])
        >>> @dune_assets(catalog=catalog)
        ... def acme(context: dg.AssetExecutionContext, dune: DuneResource):
        ...     yield from dune.run(context)
        >>> [key.to_user_string() for key in acme.keys]
        ['dune/acme/result_daily']
    """
    check_catalog(catalog)
    check_choice("query_views", query_views, get_args(QueryViews))
    check_instance("translator", translator, DagsterDuneTranslator)
    check_members("checks", checks, DuneCheck)
    translator = translator or DagsterDuneTranslator()
    catalog, specs, check_specs = asset_specs(
        catalog.with_checks(checks) if checks else catalog,
        translator,
        select=select,
        exclude=exclude,
        inline_query_views=query_views == "inline",
        include_backing_queries=include_backing_queries,
    )
    if io_manager_key is not None:
        specs = [spec.with_io_manager_key(io_manager_key) for spec in specs]
    is_partitioned = any(spec.partitions_def for spec in specs)
    decorate = dg.multi_asset(
        name=name,
        description=description,
        specs=specs,
        check_specs=check_specs,
        can_subset=True,
        pool=pool,
        op_tags={**(op_tags or {}), CATALOG_TAG: register(catalog)},
        retry_policy=retry_policy,
        backfill_policy=backfill_policy or (dg.BackfillPolicy.single_run() if is_partitioned else None),
        required_resource_keys=required_resource_keys,
    )

    def definition_of(function: Callable[..., Any]) -> dg.AssetsDefinition:
        assets = decorate(as_function("dune_assets", function))
        register_translator(assets, translator)
        return assets

    return definition_of


def build_dune_assets(
    catalog: DuneCatalog,
    *,
    name: str = DEFAULT_NAME,
    translator: DagsterDuneTranslator | None = None,
    select: Patterns | None = None,
    exclude: Patterns = (),
    resource_key: str = "dune",
    pool: str | None = DEFAULT_POOL,
    op_tags: Mapping[str, Any] | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    query_views: QueryViews = "assets",
    include_backing_queries: bool = False,
    checks: Sequence[DuneCheck] = (),
    pipeline_form: PipelineForm = "nodes",
    allow_extra_refreshes: bool = False,
    io_manager_key: str | None = None,
    description: str | None = None,
    execute: DuneExecute | None = None,
) -> dg.AssetsDefinition:
    """Make one asset definition of a catalog: whatever is selected of it runs through one pipeline call.

    Args:
        catalog: What exists on Dune.
        name: The name of the definition's op; one that no other definition of the code location has.
        translator: How objects look as assets.
        select: Which objects become assets: SQL names, asset keys, ids, globs, ``tag:<tag>``, ``kind:<kind>``; all if
            None. Asset keys are those that the translator gives.
        exclude: Which of them do not, in the same words; a pattern of it that matches nothing is a warning.
        resource_key: The key of the `DuneResource` that runs it.
        pool: The pool that bounds how many pipelines run at once; none if None.
        op_tags: Further tags of the op.
        retry_policy: When Dagster tries the step again; see `dune_assets`.
        backfill_policy: How many runs a backfill makes; see `dune_assets`.
        query_views: ``"assets"`` or ``"inline"``; see `dune_assets`.
        include_backing_queries: Whether the query behind a matview is an asset of its own; see `dune_assets`.
        checks: Checks beside those of the catalog; see `dune_assets`.
        pipeline_form: ``"nodes"`` or ``"lineage"``; see `DuneResource.run`.
        allow_extra_refreshes: In the lineage form, whether Dune may refresh what is not selected.
        io_manager_key: The key of the `DuneIOManager` that reads results for Python assets; see `dune_assets`.
        description: What the op does. Assets without a description of their own have it too.
        execute: What happens in a step, given its context, the resource and the run's configuration; it yields from
            `DuneResource.run`, once. That alone if None.

    Returns:
        The definition.

    Raises:
        DuneCatalogError: Nothing is selected, two objects get one asset key, or a check is of nothing that is there.
        DuneConfigurationError: An argument is none that it can be.

    Examples:
        >>> from dagster_dune import DuneCatalog, MaterializedView, Query, build_dune_assets
        >>> catalog = DuneCatalog(
        ...     materialized_views=[MaterializedView(name="dune.acme.result_daily", deps=["dex.trades"])],
        ...     queries=[Query(query_id=42, slug="top_pools", deps=["dune.acme.result_daily"])],
        ... )
        >>> assets = build_dune_assets(catalog)
        >>> sorted(key.to_user_string() for key in assets.keys)
        ['dune/acme/result_daily', 'dune/top_pools_42']
    """
    check_callable("execute", execute)
    check_choice("pipeline_form", pipeline_form, get_args(PipelineForm))

    @dune_assets(
        catalog=catalog,
        name=name,
        translator=translator,
        select=select,
        exclude=exclude,
        pool=pool,
        op_tags=op_tags,
        retry_policy=retry_policy,
        backfill_policy=backfill_policy,
        query_views=query_views,
        include_backing_queries=include_backing_queries,
        checks=checks,
        required_resource_keys={resource_key},
        io_manager_key=io_manager_key,
        description=description,
    )
    def materialize(context: dg.AssetExecutionContext, config: DuneRunConfig) -> DuneEvents:
        dune: DuneResource = getattr(context.resources, resource_key)
        if execute:
            yield from execute(context, dune, config)
            return
        yield from dune.run(
            context, config=config, pipeline_form=pipeline_form, allow_extra_refreshes=allow_extra_refreshes
        )

    return materialize
