"""Converts automation and freshness of the catalog to Dagster's conditions and policies."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import dagster as dg

from dagster_dune.catalog.settings.automation import Automation, Freshness
from dagster_dune.errors import DuneCatalogError


def condition_of(
    automation: Automation, not_materialized: Collection[dg.AssetKey] = (), *, waits_for_checks: bool = False
) -> dg.AutomationCondition[Any]:
    """Return Dagster's condition.

    Args:
        automation: The automation setting of an object.
        not_materialized: The upstream assets that Dagster does not materialize. It considers them missing, and would
            wait for them forever. If their materializations are reported, these count as updates.
        waits_for_checks: Whether the blocking checks of upstream assets must have passed. Otherwise automation would
            run an asset moments after a gate has blocked it.

    Returns:
        The condition.

    Raises:
        DuneCatalogError: Dagster rejects the cron schedule.
    """
    condition = _condition_of(automation, not_materialized)
    return condition & dg.AutomationCondition.all_deps_blocking_checks_passed() if waits_for_checks else condition


def _condition_of(automation: Automation, not_materialized: Collection[dg.AssetKey]) -> dg.AutomationCondition[Any]:
    ignored = dg.AssetSelection.assets(*sorted(not_materialized))
    if automation.cron is not None:
        try:
            on_cron = dg.AutomationCondition.on_cron(automation.cron, automation.timezone)
        except Exception as error:
            raise DuneCatalogError(f"Dagster does not take the cron {automation.cron!r}: {error}") from error
        return on_cron.ignore(ignored) if not_materialized else on_cron
    eager = automation.condition == "eager"
    condition = dg.AutomationCondition.eager() if eager else dg.AutomationCondition.on_missing()
    if not not_materialized:
        return condition
    return condition.replace("any_deps_missing", dg.AutomationCondition.any_deps_missing().ignore(ignored))


def freshness_policy_of(freshness: Freshness) -> dg.FreshnessPolicy:
    """Return Dagster's policy."""
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=freshness.fail_hours),
        warn_window=timedelta(hours=freshness.warn_hours) if freshness.warn_hours is not None else None,
    )
