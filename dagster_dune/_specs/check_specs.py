"""Converts the checks of a catalog to Dagster's check specs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import dagster as dg

from dagster_dune._scheduling.partitions import check_partitions_of_check
from dagster_dune.catalog.catalog import DuneCatalog, Query
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.metadata import check_spec_metadata
from dagster_dune.pipeline.plan import check_gates

logger = logging.getLogger(__name__)


def check_specs(
    catalog: DuneCatalog,
    keys: Mapping[str, dg.AssetKey],
    deps: Mapping[str, Collection[str]],
    selected: Collection[str],
) -> list[dg.AssetCheckSpec]:
    """Return the specs of the checks whose assets are in a definition.

    Args:
        catalog: The catalog with the checks.
        keys: The asset keys of the definition by SQL name.
        deps: The dependencies between the assets by SQL name, including those of a translator.
        selected: The SQL names of the selected objects.

    Raises:
        DuneCatalogError: A gate depends on an object that reads its asset, or a check has other partitions than its
            asset.
    """
    checks = [check for check in catalog.checks if check.asset in keys]
    for check in checks:
        query = catalog[check.sql_name] if check.sql_name else None
        if isinstance(query, Query):
            check_partitions_of_check(check.label, query, catalog[check.asset])
    if any(check.is_gate for check in checks):
        check_gates(catalog.graph.with_deps(deps), keys.keys(), checks)
    without = [check.label for check in catalog.checks if check.asset in selected and check.asset not in keys]
    if without:
        logger.warning(
            "These checks are left out, because what they check is no asset of its own, but part of what reads it "
            "(query_views='inline', or the query of a matview): %s. Check that instead.",
            ", ".join(without),
        )
    blocking = [check.label for check in checks if check.blocking and not check.is_gate]
    if blocking:
        logger.warning(
            "These checks are blocking and no gates, so they are asked after Dune has gone on: they fail the run and "
            "hold back what other steps would do with their assets, but not what reads those in the same pipeline: "
            "%s. A check of kind gate does.",
            ", ".join(blocking),
        )
    return [_spec(catalog, check, keys) for check in checks]


def names_with_blocking_checks(catalog: DuneCatalog, names: Collection[str]) -> set[str]:
    """Return the names of objects that have a blocking check."""
    return {check.asset for check in catalog.checks if check.blocking and check.asset in names}


def checks_by_key(catalog: DuneCatalog, keys: Mapping[str, dg.AssetKey]) -> dict[dg.AssetCheckKey, DuneCheck]:
    """Return the checks of a definition by their Dagster keys."""
    return {dg.AssetCheckKey(keys[check.asset], check.name): check for check in catalog.checks if check.asset in keys}


def _spec(catalog: DuneCatalog, check: DuneCheck, keys: Mapping[str, dg.AssetKey]) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=keys[check.asset],
        description=check.description or _description(catalog, check),
        blocking=check.blocking,
        metadata={**check.metadata, **check_spec_metadata(check)},
    )


def _description(catalog: DuneCatalog, check: DuneCheck) -> str | None:
    query = catalog[check.sql_name] if check.sql_name else None
    return (query.description or query.name) if isinstance(query, Query) else None
