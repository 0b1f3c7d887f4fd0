"""Which checks of a catalog become checks of Dagster's, and what these are."""

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
        catalog: What holds the checks.
        keys: By SQL name, the assets of the definition.
        deps: By SQL name, what else they depend on, as a translator says.
        selected: The SQL names that were to become assets.

    Raises:
        DuneCatalogError: A gate reads what reads its asset, or a check has other partitions than that.
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


def with_blocking_checks(catalog: DuneCatalog, names: Collection[str]) -> set[str]:
    """Return which of these names have a check that what reads them must wait for."""
    return {check.asset for check in catalog.checks if check.blocking and check.asset in names}


def checks_by_key(catalog: DuneCatalog, keys: Mapping[str, dg.AssetKey]) -> dict[dg.AssetCheckKey, DuneCheck]:
    """Return the checks of a definition, by what Dagster calls them."""
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
