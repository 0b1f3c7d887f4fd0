"""`build_dune_definitions`: everything that a catalog gives a code location."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypedDict

import dagster as dg

from dagster_dune._specs.arguments import check_each, check_instance
from dagster_dune._specs.upstream_tables import build_dune_upstream_specs, without_excluded
from dagster_dune.assets import build_dune_assets
from dagster_dune.catalog.names import ReferenceKind
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError
from dagster_dune.metadata import CATALOG_TAG, NAME

__all__ = ["build_dune_definitions", "build_dune_upstream_specs", "merge_dune_definitions", "without_excluded"]

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dagster_dune.assets import DuneExecute, QueryViews
    from dagster_dune.catalog.catalog import DuneCatalog
    from dagster_dune.catalog.selection import Patterns
    from dagster_dune.catalog.settings.checks import DuneCheck
    from dagster_dune.resource import DuneResource
    from dagster_dune.run_config import PipelineForm
    from dagster_dune.translator import DagsterDuneTranslator


class DuneAssetsOptions(TypedDict, total=False):
    """The options of `build_dune_assets`, each of which may be left out."""

    name: str
    translator: DagsterDuneTranslator | None
    select: Patterns | None
    exclude: Patterns
    pool: str | None
    op_tags: Mapping[str, Any] | None
    retry_policy: dg.RetryPolicy | None
    backfill_policy: dg.BackfillPolicy | None
    query_views: QueryViews
    include_backing_queries: bool
    io_manager_key: str | None
    description: str | None
    execute: DuneExecute | None
    checks: Sequence[DuneCheck]
    pipeline_form: PipelineForm
    allow_extra_refreshes: bool


def build_dune_definitions(
    catalog: DuneCatalog,
    *,
    resource: DuneResource | None = None,
    resource_key: str = "dune",
    upstream_tables: bool = True,
    upstream_exclude: Patterns = (),
    **options: Unpack[DuneAssetsOptions],
) -> dg.Definitions:
    """Make the definitions of a catalog: its assets, what they read as external assets, and the resource.

    Args:
        catalog: What exists on Dune.
        resource: The account that runs the assets. None where the code location has one under `resource_key` already.
        resource_key: The key of the resource.
        upstream_tables: Whether tables, spells, uploads, and the matviews and queries of others are external assets,
            each kind in a group of its own (see `build_dune_upstream_specs`); bare names without lineage data if not.
            Either way, Dagster's own ``AutomationCondition.eager()`` waits until each of them was materialized, which
            nobody does. The catalog's ``automation: eager`` does not; in a translator, take
            ``AutomationCondition.eager().without(~AutomationCondition.any_deps_missing())``.
        upstream_exclude: Names in SQL, ids of queries, or globs, of what is no external asset because another
            definition of the code location makes it, such as ``dune.other_team.*``. Those that mean nothing are told in
            a warning.
        options: As `build_dune_assets` takes them.

    Returns:
        The definitions; `merge_dune_definitions` joins them with others.

    Raises:
        DuneCatalogError: Nothing is selected, or two objects get one asset key.
        DuneConfigurationError: An argument is none that it can be.

    Examples:
        >>> from dagster_dune import DuneCatalog, DuneResource, Query, build_dune_definitions
        >>> catalog = DuneCatalog(queries=[Query(query_id=42, deps=["dex.trades"])])
        >>> defs = build_dune_definitions(catalog, resource=DuneResource(api_key=dg.EnvVar("DUNE_API_KEY")))
        >>> sorted(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs())
        ['dune/dex/trades', 'dune/query_42']
    """
    if resource is not None:
        from dagster_dune.resource import DuneResource  # noqa: PLC0415  (code locations load quicker without)

        check_instance("resource", resource, DuneResource)
    assets = build_dune_assets(catalog, resource_key=resource_key, **options)
    upstream: list[dg.AssetSpec] = []
    if upstream_tables:
        upstream = build_dune_upstream_specs(assets, translator=options.get("translator"))
        upstream = without_excluded(upstream, upstream_exclude)
    return dg.Definitions(
        assets=[assets, *upstream],
        resources={resource_key: resource} if resource else {},
    )


def merge_dune_definitions(*parts: dg.Definitions) -> dg.Definitions:
    """Join the definitions of several catalogs, and others, as `dagster.Definitions.merge` does.

    What one of them makes is no external asset of another that reads it, whichever comes first: an upload or an export
    in Python, another team's matviews. What Dagster would refuse without saying why is an error that names the setting.

    Args:
        parts: The definitions.

    Returns:
        All of them.

    Raises:
        DuneConfigurationError: Two definitions have the same name, or two resources the same key; a job selects the
            kind that matviews had in 0.1; or a part is none.
        DuneCatalogError: Two of them make the same asset.

    Examples:
        >>> from dagster_dune import DuneCatalog, DuneResource, MaterializedView, Query
        >>> daily = MaterializedView(name="dune.acme.result_daily")
        >>> query = Query(query_id=42, deps=["dune.acme.result_daily"])
        >>> reader = DuneCatalog(queries=[query], external=["dune.acme.result_daily"])
        >>> dune = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"))
        >>> defs = merge_dune_definitions(
        ...     build_dune_definitions(reader, name="readers", resource=dune),
        ...     build_dune_definitions(DuneCatalog(materialized_views=[daily]), resource=dune),
        ... )
        >>> sorted(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs())
        ['dune/acme/result_daily', 'dune/query_42']
    """
    check_each("merge_dune_definitions", parts, dg.Definitions)
    owners: dict[dg.AssetKey, str] = {}
    resources: dict[str, Any] = {}
    _check_names(parts)
    _check_kinds(parts)
    for assets in _executable(parts):
        for key in assets.keys:
            if key in owners:
                raise DuneCatalogError(
                    f"The asset {key.to_user_string()} is made by {owners[key]!r} and by {assets.node_def.name!r}.",
                    hint="Leave it out of one of them with exclude; where it is only read, with upstream_exclude.",
                )
            owners[key] = assets.node_def.name
    for part in parts:
        for name, resource in (part.resources or {}).items():
            if resources.setdefault(name, resource) != resource:
                raise DuneConfigurationError(
                    f"Two of the definitions have different resources under the key {name!r}.",
                    hint="Give build_dune_definitions(resource_key=...) for one of them, or resource=None where the "
                    "other has it.",
                )
    seen: dict[dg.AssetKey, dg.AssetSpec] = {}
    return dg.Definitions.merge(*(_without(part, owners, seen, resources) for part in parts))


def _executable(parts: Iterable[dg.Definitions]) -> list[dg.AssetsDefinition]:
    """Return the executable asset definitions, each once."""
    made = [assets for part in parts for assets in part.assets or () if isinstance(assets, dg.AssetsDefinition)]
    return list({id(assets): assets for assets in made if assets.is_executable}.values())


def _check_names(parts: Iterable[dg.Definitions]) -> None:
    names: dict[str, bool] = {}
    for assets in _executable(parts):
        name, is_of_dune = assets.node_def.name, CATALOG_TAG in assets.node_def.tags
        if name in names and (is_of_dune or names[name]):
            raise DuneConfigurationError(
                f"Two definitions of the code location are named {name!r}.",
                hint="Give one of them another name: build_dune_definitions(name=...) or build_dune_assets(name=...).",
            )
        names[name] = is_of_dune


def _check_kinds(parts: Iterable[dg.Definitions]) -> None:
    """Check that no job selects the kind of matviews in 0.1, with which Dagster would silently run nothing."""
    old = ReferenceKind.MATERIALIZED_VIEW
    if any(old in spec.kinds for assets in _executable(parts) for spec in assets.specs):
        return
    for job in (job for part in parts for job in _jobs(part)):
        if re.search(rf'kind:"?{old}\b', str(getattr(job, "selection", ""))):
            raise DuneConfigurationError(
                f"The job {getattr(job, 'name', '')} selects kind:{old}, of which no asset is.",
                hint=f"Matviews are of the kind {old.word} now: write kind:{old.word}.",
            )


def _jobs(part: dg.Definitions) -> Iterator[object]:
    """Yield the jobs of a part, and those of its schedules."""
    yield from part.jobs or ()
    for schedule in part.schedules or ():
        with suppress(dg.DagsterInvalidDefinitionError):  # the schedule has only the name of its job
            yield schedule.job if isinstance(schedule, dg.ScheduleDefinition) else None


def _without(
    part: dg.Definitions,
    owners: Mapping[dg.AssetKey, str],
    seen: dict[dg.AssetKey, dg.AssetSpec],
    resources: Mapping[str, Any],
) -> dg.Definitions:
    """Return definitions without external assets that another part materializes or that an earlier part has."""
    kept: list[Any] = []
    for assets in part.assets or ():
        if isinstance(assets, dg.AssetSpec) and NAME in assets.metadata:
            kept += [assets] if assets.key not in owners and seen.setdefault(assets.key, assets) is assets else []
        else:
            kept.append(assets)
    return dg.Definitions(
        assets=kept,
        schedules=part.schedules,
        sensors=part.sensors,
        jobs=part.jobs,
        resources={key: resources[key] for key in part.resources or {}},
        executor=part.executor,
        loggers=part.loggers,
        asset_checks=part.asset_checks,
        metadata=part.metadata,
        component_tree=part.component_tree,
    )
