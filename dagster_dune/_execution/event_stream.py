"""Turns the outcomes of nodes into Dagster's events, in the order that Dagster requires."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import dagster as dg

from dagster_dune._execution.checks.answers import metadata_of_check
from dagster_dune._execution.checks.check_results import CheckResults
from dagster_dune._execution.error_places import assets_named, line_in_file, shortened
from dagster_dune._formatting import abbreviated, counted
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.errors import DuneApiError
from dagster_dune.catalog.names import Reference
from dagster_dune.catalog.settings.partitions import Partition, label_of
from dagster_dune.errors import DuneError
from dagster_dune.metadata import outcome_metadata, page_of_query
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.settle import Outcome, Result

DuneEvent: TypeAlias = dg.MaterializeResult[Any] | dg.AssetObservation | dg.AssetMaterialization | dg.AssetCheckResult
"""The events of a run. They are yielded, not logged: Dagster stores a logged event only with the next yielded one."""

REASONS_IN_MESSAGE = 3
LATE_DETAILS = "The details of its execution, which came after its event."


class EventStream:
    """Turns the outcomes of a step's nodes into Dagster's events.

    A success becomes a MaterializeResult. It is yielded as soon as the assets that it depends on have ended, since
    Dagster refuses any other order. A failed or skipped node becomes an AssetObservation, since Dagster stores no
    failure of a single asset.

    A MaterializeResult stands for all partitions of a run. So if each partition has its own node, it is yielded when
    all of them have succeeded. If one has not, each of the others becomes an AssetMaterialization of its own.

    Args:
        context: The step's context.
        assets: The assets that the step is to materialize.
        plan: The nodes of the step, in whichever pipelines they run.
        checks: The results of the step's checks.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, assets: DuneAssetSet, plan: PipelinePlan, checks: CheckResults
    ) -> None:
        self._context = context
        self._assets = assets
        self._log = context.log
        self._checks = checks
        self._node_counts = Counter(node.sql_name for node in plan.nodes if node.selected and not node.check)
        self._excluded = Counter[str]()
        self._settled: dict[dg.AssetKey, list[_Settled]] = defaultdict(list)
        self._ended = set[dg.AssetKey]()
        self._waiting: dict[dg.AssetKey, dg.MaterializeResult[Any]] = {}
        self._metadata: dict[dg.AssetKey, dict[str, Mapping[str, Any] | None]] = {}
        self._failures: dict[str, Outcome] = {}
        self._without_details: dict[str, str] = {}

    def exclude(self, nodes: Iterable[PlannedNode]) -> None:
        """Do not wait for outcomes of these nodes of assets: they neither run nor are reported in this attempt."""
        self._excluded.update(node.sql_name for node in nodes)
        self._ended |= {self._assets.keys[name] for name, n in self._excluded.items() if n == self._node_counts[name]}

    def of(self, outcomes: Iterable[Outcome], pipeline_execution_id: str | None) -> Iterator[DuneEvent]:
        """Yield the events that each of these outcomes of a pipeline makes possible."""
        for outcome in map(self._readable, outcomes):
            self._note_details(outcome)
            if outcome.node.check:
                yield from self._checks.settle(outcome, pipeline_execution_id)
                continue
            metadata = outcome_metadata(outcome, pipeline_execution_id)
            key = self._assets.key_of(outcome.node.sql_name)
            metadata |= self._assets.doubts.get(key, {})
            if outcome.result is not Result.SUCCEEDED:
                yield from self._observe(key, outcome, metadata)
            elif not outcome.node.selected:
                # Dune refreshed it beside the selection (the lineage form).
                yield dg.AssetMaterialization(key, metadata=metadata)
            if outcome.node.selected:
                yield from self._settle(key, outcome, metadata)
            yield from self._release_ready()

    def _readable(self, outcome: Outcome) -> Outcome:
        """Add the line of the file to an outcome's reason, and cut the reason to the length that an event may have."""
        if not outcome.reason:
            return outcome
        place = line_in_file(self._assets.object(outcome.node.sql_name), outcome.error)
        reason = shortened(outcome.reason)
        if reason != outcome.reason:
            self._log.error("%s, all that Dune said: %s", outcome.node.label, outcome.reason)
        return replace(outcome, reason=f"{reason.rstrip('. ')}. {place}" if place else reason)

    def rest(self) -> Iterator[DuneEvent]:
        """Yield the events that still wait for nodes that will not end in this step."""
        while self._waiting:
            yield from self._release(next(iter(self._waiting)))
        for key in list(self._settled):
            yield from _materializations(key, self._settled.pop(key))
        yield from self._checks.rest()

    def late_details(self, outcomes: Iterable[Outcome]) -> Iterator[dg.AssetObservation]:
        """Yield the details of outcomes that were reported without them, and log once which nodes have none."""
        for outcome in outcomes:
            self._note_details(outcome)
            if outcome.details is None:
                continue
            check = outcome.node.check
            key = self._assets.key_of(check.asset if check else outcome.node.sql_name)
            brief = replace(outcome, reason=shortened(outcome.reason))
            metadata = metadata_of_check(brief, None, check) if check else outcome_metadata(brief, None)
            for partition_key in _keys(outcome.node.partition):
                yield dg.AssetObservation(key, description=LATE_DETAILS, metadata=metadata, partition=partition_key)
        if self._without_details:
            self._log.warning(
                "No details of %s. %s", counted(len(self._without_details), "node"), _listed(self._without_details)
            )

    def raise_for_failures(self, *, allow_retries: bool, resumes: bool) -> None:
        """Fail the step if an asset or a partition was not materialized, or if a check has no result or blocks.

        Dagster's UI shows the description first, then the metadata, and the stack trace last.

        Args:
            allow_retries: Whether the op's retry policy may try again.
            resumes: Whether another attempt takes over the nodes that have succeeded.

        Raises:
            Failure: It lists each failed and each skipped asset, each check without a result, and each blocking check
                that failed, with their reasons.
        """
        descriptions = {name: _description_of(outcome) for name, outcome in self._failures.items()}
        descriptions |= {name: f"No result. {reason}" for name, reason in self._checks.missing.items()}
        descriptions |= {name: f"Failed. {reason}" for name, reason in self._checks.blocking_failures.items()}
        if not descriptions:
            return
        lines = [
            *self._asset_lines(),
            *_check_lines("check has no result", "checks have no result", self._checks.missing),
            *_check_lines("blocking check failed", "blocking checks failed", self._checks.blocking_failures),
            self._next_step(resumes=resumes),
        ]
        raise dg.Failure("\n".join(lines), metadata=descriptions, allow_retries=allow_retries)

    def _asset_lines(self) -> Iterator[str]:
        if not self._failures:
            return
        failed = {name: self._reason_of(o) for name, o in self._failures.items() if o.result is Result.FAILED}
        several = "assets" if self._node_counts.total() == len(self._node_counts) else "assets and partitions"
        counts = f"{len(failed)} of {counted(self._node_counts.total(), 'asset', several)} failed on Dune"
        if skipped := len(self._failures) - len(failed):
            were = "was" if skipped == 1 else "were"
            counts += f" and {skipped} {were} skipped because of {self._blockers(failed)}"
        yield from _lines(counts, failed)

    def _reason_of(self, outcome: Outcome) -> str:
        """Return the reason of an outcome, with the address of the query on Dune."""
        obj = self._assets.object(outcome.node.sql_name)
        if isinstance(obj, Reference) or obj.query_id is None:
            return outcome.reason
        return f"{outcome.reason.rstrip('. ')}. On Dune: {page_of_query(obj.query_id)}"

    def _next_step(self, *, resumes: bool) -> str:
        """Return what the user can do. After a failed blocking check, its asset is materialized and paid again."""
        is_kept = resumes and not self._checks.blocking_failures
        promise = ": what has succeeded is neither sent nor paid again" if is_kept else ""
        return f"Put right what failed, and re-execute the run from failure{promise}."

    def _blockers(self, failed: Collection[str]) -> str:
        names = sorted({name for outcome in self._failures.values() for name in outcome.blocked_by})
        is_of_checks = not self._checks.labels.isdisjoint(names)
        return abbreviated(names, REASONS_IN_MESSAGE) if is_of_checks or not failed else "that"

    def _note_details(self, outcome: Outcome) -> None:
        if outcome.details_missing:
            self._without_details[outcome.node.label] = outcome.details_missing
        else:
            self._without_details.pop(outcome.node.label, None)

    def _observe(self, key: dg.AssetKey, outcome: Outcome, metadata: dict[str, Any]) -> Iterator[dg.AssetObservation]:
        description = _description_of(outcome)
        partition = outcome.node.partition
        name = f"{key.to_user_string()} ({partition.label})" if partition else key.to_user_string()
        self._log.error("%s: %s", name, description)
        if outcome.node.selected:
            self._failures[name] = outcome
        for partition_key in _keys(partition):
            yield dg.AssetObservation(key, description=description, metadata=metadata, partition=partition_key)

    def _settle(self, key: dg.AssetKey, outcome: Outcome, metadata: dict[str, Any]) -> Iterator[DuneEvent]:
        """Yield or keep the events of an asset once all of its nodes have ended."""
        nodes = self._settled[key]
        nodes.append(_Settled(outcome, metadata))
        excluded = self._excluded[outcome.node.sql_name]
        if len(nodes) + excluded < self._node_counts[outcome.node.sql_name]:
            return
        del self._settled[key]
        self._metadata[key] = {node.label: node.metadata if node.is_success else None for node in nodes}
        if all(node.is_success for node in nodes) and not excluded:
            self._waiting[key] = self._result(key, nodes)
        else:
            self._ended.add(key)
            yield from _materializations(key, nodes)
            yield from self._checks.asset_reported(key, self._metadata.pop(key), is_complete=not excluded)

    def _result(self, key: dg.AssetKey, nodes: list[_Settled]) -> dg.MaterializeResult[Any]:
        if len(nodes) == 1:
            return dg.MaterializeResult(key, metadata=nodes[0].metadata)
        for node in nodes:
            for partition_key in _keys(node.outcome.node.partition):
                self._context.add_asset_metadata(node.metadata, key, partition_key)
        return dg.MaterializeResult(key)

    def _release_ready(self) -> Iterator[DuneEvent]:
        released = True
        while released:
            released = False
            for key in list(self._waiting):
                if (self._assets.deps[key] & self._assets.selected) <= self._ended:
                    released = True
                    yield from self._release(key)

    def _release(self, key: dg.AssetKey) -> Iterator[DuneEvent]:
        """Yield the result of an asset, and then the results of its checks."""
        self._ended.add(key)
        yield self._waiting.pop(key)
        yield from self._checks.asset_reported(key, self._metadata.pop(key))


@dataclass(frozen=True)
class _Settled:
    """A node that has ended, and the metadata of its event."""

    outcome: Outcome
    metadata: dict[str, Any]

    @property
    def is_success(self) -> bool:
        return self.outcome.result is Result.SUCCEEDED

    @property
    def label(self) -> str:
        return label_of(self.outcome.node.partition)


def _materializations(key: dg.AssetKey, nodes: Iterable[_Settled]) -> Iterator[dg.AssetMaterialization]:
    """Yield a materialization for each partition that succeeded."""
    for node in sorted(nodes, key=lambda node: node.outcome.node.id):
        if node.is_success:
            for partition_key in _keys(node.outcome.node.partition):
                yield dg.AssetMaterialization(key, metadata=node.metadata, partition=partition_key)


def _keys(partition: Partition | None) -> tuple[str | None, ...]:
    return partition.keys if partition else (None,)


def failure_of(error: DuneError, *, retryable: bool, assets: DuneAssetSet | None = None) -> dg.Failure:
    """Return the failure with which an error of this library ends a step.

    Args:
        error: The error.
        retryable: Whether the op's retry policy may try again.
        assets: The assets of the step, if they are known: the failure names those that the error is about.
    """
    message = str(error).removesuffix(error.hint).rstrip() if error.hint else str(error)
    lines = [f"{type(error).__name__}: {message}"]
    if assets is not None and isinstance(error, DuneApiError):
        lines.append(assets_named(assets.catalog, assets.nodes, error.dune_message))
    lines.append(error.hint)
    return dg.Failure(description="\n".join(line for line in lines if line), allow_retries=retryable)


def _check_lines(one: str, several: str, reasons: Mapping[str, str]) -> Iterator[str]:
    if reasons:
        yield from _lines(counted(len(reasons), one, several), reasons)


def _lines(counts: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield a line with the counts, and one for each of the first reasons. The failure's metadata has all reasons."""
    yield f"{counts}:" if reasons else f"{counts}."
    for name, reason in list(reasons.items())[:REASONS_IN_MESSAGE]:
        yield f"- {name}: {reason}" if reason else f"- {name}"
    if len(reasons) > REASONS_IN_MESSAGE:
        yield f"- and {len(reasons) - REASONS_IN_MESSAGE} more, which are listed below."


def _listed(reasons: Mapping[str, str]) -> str:
    shown = [f"{name}: {reason}" if reason else name for name, reason in list(reasons.items())[:REASONS_IN_MESSAGE]]
    return "; ".join(shown) + ("; ..." if len(reasons) > REASONS_IN_MESSAGE else "")


def _description_of(outcome: Outcome) -> str:
    return f"{outcome.result.value.capitalize()}. {outcome.reason}"
