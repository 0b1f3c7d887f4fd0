"""From the outcomes of nodes to Dagster's events, in the order that Dagster asks for."""

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
"""What a run yields. Events are yielded, not logged: Dagster stores logged ones with the next that is yielded."""

REASONS_IN_MESSAGE = 3
LATE_DETAILS = "The details of its execution, which came after its event."


class EventStream:
    """Turns the outcomes of a step's nodes into Dagster's events.

    A success becomes a MaterializeResult, yielded at once, or as soon as the assets that it depends on have ended:
    Dagster refuses any other order. A failed or skipped node becomes an AssetObservation, since Dagster stores no
    failure of a single asset.

    A MaterializeResult stands for every partition that a run is of. So where each partition has a node of its own, it
    is yielded when all of them have succeeded. If one has not, the others become AssetMaterializations of their own.

    Args:
        context: The step's context.
        assets: What the step is to materialize.
        plan: The nodes of the step, whichever pipelines they run in.
        checks: The results of the step's checks.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, assets: DuneAssetSet, plan: PipelinePlan, checks: CheckResults
    ) -> None:
        self._context = context
        self._assets = assets
        self._log = context.log
        self._checks = checks
        self._nodes = Counter(node.sql_name for node in plan.nodes if node.selected and not node.check)
        self._left_alone = Counter[str]()
        self._settled: dict[dg.AssetKey, list[_Settled]] = defaultdict(list)
        self._ended = set[dg.AssetKey]()
        self._held: dict[dg.AssetKey, dg.MaterializeResult[Any]] = {}
        self._told: dict[dg.AssetKey, dict[str, Mapping[str, Any] | None]] = {}
        self._lost: dict[str, Outcome] = {}
        self._without_details: dict[str, str] = {}

    def leave_alone(self, nodes: Iterable[PlannedNode]) -> None:
        """Wait for no word of some nodes of assets, which neither run in this attempt nor are told of."""
        self._left_alone.update(node.sql_name for node in nodes)
        self._ended |= {self._assets.keys[name] for name, n in self._left_alone.items() if n == self._nodes[name]}

    def of(self, outcomes: Iterable[Outcome], pipeline_execution_id: str | None) -> Iterator[DuneEvent]:
        """Yield what can be yielded after each of these outcomes of a pipeline."""
        for told in outcomes:
            outcome = self._readable(told)
            self._note_details(outcome)
            if outcome.node.check:
                yield from self._checks.settle(outcome, pipeline_execution_id)
                continue
            metadata = outcome_metadata(outcome, pipeline_execution_id)
            key = self._assets.key_of(outcome.node.sql_name)
            metadata |= self._assets.doubts.get(key, {})
            if outcome.result is not Result.SUCCEEDED:
                yield from self._lose(key, outcome, metadata)
            elif not outcome.node.selected:
                # Dune refreshed it beside the selection (the lineage form).
                yield dg.AssetMaterialization(key, metadata=metadata)
            if outcome.node.selected:
                yield from self._settle(key, outcome, metadata)
            yield from self._released()

    def _readable(self, outcome: Outcome) -> Outcome:
        """An outcome whose reason names the line of the file, and is no longer than an event can bear."""
        if not outcome.reason:
            return outcome
        place = line_in_file(self._assets.object(outcome.node.sql_name), outcome.error)
        cut = shortened(outcome.reason)
        if cut != outcome.reason:
            self._log.error("%s, all that Dune said: %s", outcome.node.label, outcome.reason)
        return replace(outcome, reason=f"{cut.rstrip('. ')}. {place}" if place else cut)

    def rest(self) -> Iterator[DuneEvent]:
        """Yield what is still held back, where what it waits for will not end in this step."""
        while self._held:
            yield from self._tell(next(iter(self._held)))
        for key in list(self._settled):
            yield from _one_by_one(key, self._settled.pop(key))
        yield from self._checks.rest()

    def late_details(self, outcomes: Iterable[Outcome]) -> Iterator[dg.AssetObservation]:
        """Yield the details of outcomes that were told without, and say once of which there are none."""
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

    def raise_for_lost(self, *, allow_retries: bool, resumes: bool) -> None:
        """Fail the step if an asset, or a partition of one, was not materialized.

        Dagster's UI shows the words first, the metadata below them, and the stack trace last.

        Args:
            allow_retries: Whether the op's retry policy may try again.
            resumes: Whether another attempt takes over what has succeeded.

        Raises:
            Failure: It lists each failed and each skipped asset, each check without a result, and each blocking check
                that failed, with their reasons.
        """
        accounts = {name: _account_of(outcome) for name, outcome in self._lost.items()}
        accounts |= {name: f"No result. {reason}" for name, reason in self._checks.lost.items()}
        accounts |= {name: f"Failed. {reason}" for name, reason in self._checks.closed.items()}
        if not accounts:
            return
        lines = [
            *self._words_of_assets(),
            *_words("check has no result", "checks have no result", self._checks.lost),
            *_words("blocking check failed", "blocking checks failed", self._checks.closed),
            self._next(resumes=resumes),
        ]
        raise dg.Failure("\n".join(lines), metadata=accounts, allow_retries=allow_retries)

    def _words_of_assets(self) -> Iterator[str]:
        if not self._lost:
            return
        failed = {name: self._told_of(o) for name, o in self._lost.items() if o.result is Result.FAILED}
        several = "assets" if self._nodes.total() == len(self._nodes) else "assets and partitions"
        counts = f"{len(failed)} of {counted(self._nodes.total(), 'asset', several)} failed on Dune"
        if skipped := len(self._lost) - len(failed):
            were = "was" if skipped == 1 else "were"
            counts += f" and {skipped} {were} skipped because of {self._blockers(failed)}"
        yield from _lines(counts, failed)

    def _told_of(self, outcome: Outcome) -> str:
        """Dune's words and the place in the file, and where the query is on Dune."""
        obj = self._assets.object(outcome.node.sql_name)
        if isinstance(obj, Reference) or obj.query_id is None:
            return outcome.reason
        return f"{outcome.reason.rstrip('. ')}. On Dune: {page_of_query(obj.query_id)}"

    def _next(self, *, resumes: bool) -> str:
        """What to do. A gate that said no asks anew, and what it guards is made anew for it."""
        promise = ": what has succeeded is neither sent nor paid again" if resumes and not self._checks.closed else ""
        return f"Put right what failed, and re-execute the run from failure{promise}."

    def _blockers(self, failed: Collection[str]) -> str:
        names = sorted({name for outcome in self._lost.values() for name in outcome.blocked_by})
        is_of_checks = not self._checks.labels.isdisjoint(names)
        return abbreviated(names, REASONS_IN_MESSAGE) if is_of_checks or not failed else "that"

    def _note_details(self, outcome: Outcome) -> None:
        if outcome.details_missing:
            self._without_details[outcome.node.label] = outcome.details_missing
        else:
            self._without_details.pop(outcome.node.label, None)

    def _lose(self, key: dg.AssetKey, outcome: Outcome, metadata: dict[str, Any]) -> Iterator[dg.AssetObservation]:
        account = _account_of(outcome)
        partition = outcome.node.partition
        name = f"{key.to_user_string()} ({partition.label})" if partition else key.to_user_string()
        self._log.error("%s: %s", name, account)
        if outcome.node.selected:
            self._lost[name] = outcome
        for partition_key in _keys(partition):
            yield dg.AssetObservation(key, description=account, metadata=metadata, partition=partition_key)

    def _settle(self, key: dg.AssetKey, outcome: Outcome, metadata: dict[str, Any]) -> Iterator[DuneEvent]:
        """Decide what becomes of an asset as soon as all of its nodes have settled."""
        nodes = self._settled[key]
        nodes.append(_Settled(outcome, metadata))
        left_alone = self._left_alone[outcome.node.sql_name]
        if len(nodes) + left_alone < self._nodes[outcome.node.sql_name]:
            return
        del self._settled[key]
        self._told[key] = {node.label: node.metadata if node.is_success else None for node in nodes}
        if all(node.is_success for node in nodes) and not left_alone:
            self._held[key] = self._result(key, nodes)
        else:
            self._ended.add(key)
            yield from _one_by_one(key, nodes)
            yield from self._checks.asset_told(key, self._told.pop(key), is_whole=not left_alone)

    def _result(self, key: dg.AssetKey, nodes: list[_Settled]) -> dg.MaterializeResult[Any]:
        if len(nodes) == 1:
            return dg.MaterializeResult(key, metadata=nodes[0].metadata)
        for node in nodes:
            for partition_key in _keys(node.outcome.node.partition):
                self._context.add_asset_metadata(node.metadata, key, partition_key)
        return dg.MaterializeResult(key)

    def _released(self) -> Iterator[DuneEvent]:
        released = True
        while released:
            released = False
            for key in list(self._held):
                if (self._assets.deps[key] & self._assets.selected) <= self._ended:
                    released = True
                    yield from self._tell(key)

    def _tell(self, key: dg.AssetKey) -> Iterator[DuneEvent]:
        """Yield the result of an asset, and those of its checks after it."""
        self._ended.add(key)
        yield self._held.pop(key)
        yield from self._checks.asset_told(key, self._told.pop(key))


@dataclass(frozen=True)
class _Settled:
    """A node that has ended, and what is told of it."""

    outcome: Outcome
    metadata: dict[str, Any]

    @property
    def is_success(self) -> bool:
        return self.outcome.result is Result.SUCCEEDED

    @property
    def label(self) -> str:
        return label_of(self.outcome.node.partition)


def _one_by_one(key: dg.AssetKey, nodes: Iterable[_Settled]) -> Iterator[dg.AssetMaterialization]:
    """The partitions that have succeeded, each by itself."""
    for node in sorted(nodes, key=lambda node: node.outcome.node.id):
        if node.is_success:
            for partition_key in _keys(node.outcome.node.partition):
                yield dg.AssetMaterialization(key, metadata=node.metadata, partition=partition_key)


def _keys(partition: Partition | None) -> tuple[str | None, ...]:
    return partition.keys if partition else (None,)


def failure_of(error: DuneError, *, retryable: bool, assets: DuneAssetSet | None = None) -> dg.Failure:
    """Return the failure that an error of ours ends a step with.

    Args:
        error: The error.
        retryable: Whether the op's retry policy may try again.
        assets: What the step was to materialize, where that is known: those that the error is about are named.
    """
    message = str(error).removesuffix(error.hint).rstrip() if error.hint else str(error)
    lines = [f"{type(error).__name__}: {message}"]
    if assets is not None and isinstance(error, DuneApiError):
        lines.append(assets_named(assets.catalog, assets.nodes, error.dune_message))
    lines.append(error.hint)
    return dg.Failure(description="\n".join(line for line in lines if line), allow_retries=retryable)


def _words(one: str, several: str, reasons: Mapping[str, str]) -> Iterator[str]:
    if reasons:
        yield from _lines(counted(len(reasons), one, several), reasons)


def _lines(counts: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """A line that counts, and one for each of the first reasons; the metadata of the failure has them all."""
    yield f"{counts}:" if reasons else f"{counts}."
    for name, reason in list(reasons.items())[:REASONS_IN_MESSAGE]:
        yield f"- {name}: {reason}" if reason else f"- {name}"
    if len(reasons) > REASONS_IN_MESSAGE:
        yield f"- and {len(reasons) - REASONS_IN_MESSAGE} more, which are listed below."


def _listed(reasons: Mapping[str, str]) -> str:
    shown = [f"{name}: {reason}" if reason else name for name, reason in list(reasons.items())[:REASONS_IN_MESSAGE]]
    return "; ".join(shown) + ("; ..." if len(reasons) > REASONS_IN_MESSAGE else "")


def _account_of(outcome: Outcome) -> str:
    return f"{outcome.result.value.capitalize()}. {outcome.reason}"
