"""Automation and freshness of the catalog as Dagster's conditions and policies."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import dagster as dg

from dagster_dune.catalog.settings.automation import Automation, Freshness
from dagster_dune.errors import DuneCatalogError


def condition_of(
    automation: Automation, untended: Collection[dg.AssetKey] = (), *, waits_for_checks: bool = False
) -> dg.AutomationCondition[Any]:
    """Return Dagster's condition.

    Args:
        automation: When the object is run.
        untended: What it reads that Dagster does not materialize. Dagster takes it as missing, and would wait for it
            forever; where its materializations are reported after all, they count as updates.
        waits_for_checks: Whether the blocking checks of what it reads must have passed: without that, automation would
            run, moments later, what a gate has just held back.

    Returns:
        The condition.

    Raises:
        DuneCatalogError: Dagster does not take the cron.
    """
    condition = _condition_of(automation, untended)
    return condition & dg.AutomationCondition.all_deps_blocking_checks_passed() if waits_for_checks else condition


def _condition_of(automation: Automation, untended: Collection[dg.AssetKey]) -> dg.AutomationCondition[Any]:
    tables = dg.AssetSelection.assets(*sorted(untended))
    if automation.cron is not None:
        try:
            on_cron = dg.AutomationCondition.on_cron(automation.cron, automation.timezone)
        except Exception as error:
            raise DuneCatalogError(f"Dagster does not take the cron {automation.cron!r}: {error}") from error
        return on_cron.ignore(tables) if untended else on_cron
    eager = automation.condition == "eager"
    condition = dg.AutomationCondition.eager() if eager else dg.AutomationCondition.on_missing()
    if not untended:
        return condition
    return condition.replace("any_deps_missing", dg.AutomationCondition.any_deps_missing().ignore(tables))


def freshness_policy_of(freshness: Freshness) -> dg.FreshnessPolicy:
    """Return Dagster's policy."""
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=freshness.fail_hours),
        warn_window=timedelta(hours=freshness.warn_hours) if freshness.warn_hours is not None else None,
    )
