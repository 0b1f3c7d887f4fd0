"""The checks without a query, of what was refreshed outside Dagster: they cost nothing, as in a run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain

import dagster as dg

from dagster_dune._execution.checks.answers import NoAnswerError
from dagster_dune._execution.checks.counts_before import counts_before, execution_of, extent_of, materialized_before
from dagster_dune._execution.checks.of_known import answer_of_known
from dagster_dune.catalog.settings.checks import DuneCheck

CheckedEvent = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def checked(
    instance: dg.DagsterInstance,
    checks: Mapping[dg.AssetCheckKey, DuneCheck],
    events: Iterable[dg.AssetMaterialization | dg.AssetObservation],
    log: logging.Logger,
) -> Iterator[CheckedEvent]:
    """Yield the events of one asset, and after each materialization what its checks without a query say of it.

    Args:
        instance: Where the event log is; the events are not in it yet.
        checks: The checks of the asset, by what Dagster calls them; those with a query are left alone.
        events: What happened outside Dagster, in the order in which it did.
        log: Where it is told which check could not answer.
    """
    earlier: list[dg.AssetMaterialization] = []
    for event in events:
        yield event
        if not isinstance(event, dg.AssetMaterialization):
            continue
        for key, check in sorted(checks.items()):
            if check.sql_name is None:
                yield from _evaluation(instance, key, check, event, earlier, log)
        earlier.insert(0, event)


def _evaluation(
    instance: dg.DagsterInstance,
    key: dg.AssetCheckKey,
    check: DuneCheck,
    made: dg.AssetMaterialization,
    earlier: list[dg.AssetMaterialization],
    log: logging.Logger,
) -> Iterator[dg.AssetCheckEvaluation]:
    before = chain(earlier, materialized_before(instance, key.asset_key))
    extent = extent_of(made.metadata, made.partition)
    counts = counts_before(check, extent, before, [execution_of(made.metadata)])
    try:
        answer = answer_of_known(check, made.metadata, counts, datetime.now(UTC))
    except NoAnswerError as error:
        log.warning("The %s has no result: %s", check.label, error)
        return
    yield dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=answer.passed,
        metadata=answer.metadata,
        severity=dg.AssetCheckSeverity[check.severity],
        description=f"Refreshed outside Dagster. {answer.description}",
        blocking=check.blocking,
    )
