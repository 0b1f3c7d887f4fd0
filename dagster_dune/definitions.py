"""`build_dune_definitions`: everything that a catalog gives a code location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypedDict

import dagster as dg

from dagster_dune._specs.upstream_tables import build_dune_upstream_specs
from dagster_dune.assets import build_dune_assets
from dagster_dune.catalog.selection import listed
from dagster_dune.metadata import NAME

__all__ = ["build_dune_definitions", "build_dune_upstream_specs"]

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dagster_dune.assets import QueryViews
    from dagster_dune.catalog.catalog import DuneCatalog
    from dagster_dune.catalog.checks import DuneCheck
    from dagster_dune.catalog.selection import Patterns
    from dagster_dune.resource import DuneResource
    from dagster_dune.run_config import PipelineForm
    from dagster_dune.translator import DagsterDuneTranslator


class DuneAssetsOptions(TypedDict, total=False):
    """The options of `build_dune_assets`, each of which may be left out."""

    name: str
    translator: DagsterDuneTranslator | None
    select: Patterns | None
    pool: str | None
    op_tags: Mapping[str, Any] | None
    retry_policy: dg.RetryPolicy | None
    backfill_policy: dg.BackfillPolicy | None
    query_views: QueryViews
    include_backing_queries: bool
    io_manager_key: str | None
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
        upstream_exclude: Names in SQL, or globs, of what is no external asset because another definition of the code
            location makes it, such as ``dune.other_team.*``.
        options: As `build_dune_assets` takes them.

    Returns:
        The definitions; `dagster.Definitions.merge` joins them with others.

    Raises:
        DuneCatalogError: Nothing is selected, or two objects get one asset key.

    Examples:
        >>> from dagster_dune import DuneCatalog, DuneResource, Query, build_dune_definitions
        >>> catalog = DuneCatalog(queries=[Query(query_id=42, deps=["dex.trades"])])
        >>> defs = build_dune_definitions(catalog, resource=DuneResource(api_key=dg.EnvVar("DUNE_API_KEY")))
        >>> sorted(spec.key.to_user_string() for spec in defs.resolve_all_asset_specs())
        ['dune/dex/trades', 'dune/query_42']
    """
    assets = build_dune_assets(catalog, resource_key=resource_key, **options)
    upstream = build_dune_upstream_specs(assets, translator=options.get("translator")) if upstream_tables else []
    return dg.Definitions(
        assets=[assets, *(spec for spec in upstream if not _is_named(spec, listed(upstream_exclude)))],
        resources={resource_key: resource} if resource else {},
    )


def _is_named(spec: dg.AssetSpec, patterns: Sequence[str]) -> bool:
    name = str(spec.metadata.get(NAME, ""))
    return any(fnmatchcase(name, pattern.strip().replace('"', "").lower()) for pattern in patterns)
