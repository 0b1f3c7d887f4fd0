"""From the outcomes of nodes to Dagster's events, in the order that Dagster asks for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import dagster as dg

from dagster_dune.errors import DuneError
from dagster_dune.metadata import outcome_metadata
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.registry import DuneAssetSet
from dagster_dune.translator import DagsterDuneTranslator

DuneEvent: TypeAlias = dg.MaterializeResult[Any] | dg.AssetObservation | dg.AssetMaterialization
"""What a run yields. Events are yielded, not logged: Dagster stores logged ones with the next that is yielded."""

REASONS_IN_MESSAGE = 3


class EventStream:
    """Turns the outcomes of one pipeline into Dagster's events.

    A success becomes a MaterializeResult, yielded at once, or as soon as the assets that it depends on have ended:
    Dagster refuses any other order. A failed or skipped node becomes an AssetObservation, since Dagster stores no
    failure of a single asset.

    Args:
        assets: What the step is to materialize.
        log: The step's log.
    """

    def __init__(self, assets: DuneAssetSet, log: logging.Logger) -> None:
        self._assets = assets
        self._log = log
        self._ended = set[dg.AssetKey]()
        self._held: dict[dg.AssetKey, dg.MaterializeResult[Any]] = {}
        self._lost: dict[dg.AssetKey, Outcome] = {}

    def of(self, outcomes: Iterable[Outcome], pipeline_execution_id: str) -> Iterator[DuneEvent]:
        """Yield what can be yielded after each of these outcomes of a pipeline."""
        for outcome in outcomes:
            metadata = outcome_metadata(outcome, pipeline_execution_id)
            key = self._key(outcome)
            if outcome.details_missing:
                self._log.warning("No details of %s: %s", key.to_user_string(), outcome.details_missing)
            if outcome.result is not Result.SUCCEEDED:
                yield self._lose(key, outcome, metadata)
            elif outcome.node.selected:
                self._held[key] = dg.MaterializeResult(key, metadata=metadata)
            else:
                # Dune refreshed it beside the selection (the lineage form).
                yield dg.AssetMaterialization(key, metadata=metadata)
            yield from self._released()

    def rest(self) -> Iterator[dg.MaterializeResult[Any]]:
        """Yield what is still held back, where the assets it waits for will not end in this step."""
        while self._held:
            yield self._held.pop(next(iter(self._held)))

    def raise_for_lost(self, *, allow_retries: bool) -> None:
        """Fail the step if an asset was not materialized.

        Args:
            allow_retries: Whether the op's retry policy may try again.

        Raises:
            Failure: It lists each failed and each skipped asset with its reason.
        """
        if not self._lost:
            return
        failed = [key for key, outcome in self._lost.items() if outcome.result is Result.FAILED]
        counts = f"{len(failed)} of {len(self._assets.selected)} assets failed on Dune"
        if skipped := len(self._lost) - len(failed):
            counts += f" and {skipped} {'was' if skipped == 1 else 'were'} skipped because of that"
        shown = "; ".join(f"{key.to_user_string()}: {self._lost[key].reason}" for key in failed[:REASONS_IN_MESSAGE])
        more = "; ..." if len(failed) > REASONS_IN_MESSAGE else ""
        raise dg.Failure(
            description=f"{counts}. {shown}{more}",
            metadata={key.to_user_string(): _account_of(outcome) for key, outcome in self._lost.items()},
            allow_retries=allow_retries,
        )

    def _key(self, outcome: Outcome) -> dg.AssetKey:
        name = outcome.node.sql_name
        return self._assets.keys.get(name) or DagsterDuneTranslator().get_asset_spec(self._assets.object(name)).key

    def _lose(self, key: dg.AssetKey, outcome: Outcome, metadata: dict[str, Any]) -> dg.AssetObservation:
        account = _account_of(outcome)
        self._log.error("%s: %s", key.to_user_string(), account)
        if outcome.node.selected:
            self._lost[key] = outcome
            self._ended.add(key)
        return dg.AssetObservation(key, description=account, metadata=metadata)

    def _released(self) -> Iterator[dg.MaterializeResult[Any]]:
        released = True
        while released:
            released = False
            for key in list(self._held):
                if (self._assets.deps[key] & self._assets.selected) <= self._ended:
                    released = True
                    self._ended.add(key)
                    yield self._held.pop(key)


def failure_of(error: DuneError, *, retryable: bool) -> dg.Failure:
    """Return the failure that an error of ours ends a step with."""
    return dg.Failure(description=f"{type(error).__name__}: {error}", allow_retries=retryable)


def _account_of(outcome: Outcome) -> str:
    return f"{outcome.result.value.capitalize()}. {outcome.reason}"
