"""From the nodes of checks, and from what a run knows anyway, to the results of asset checks.

A result is told once its asset has been. A check that failed to run, or whose asset did, gets no result: Dagster would
count one as done. It is lost, as an asset can be, and fails the step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import CheckAnswer, NoAnswerError, metadata_of_check
from dagster_dune._execution.checks.by_partition import joined
from dagster_dune._execution.checks.counts_before import CountsBefore, execution_of, extent_of
from dagster_dune._execution.checks.of_known import answer_of_known
from dagster_dune._execution.checks.of_nodes import (
    answer_of_node,
    offending_rows_of,
    read_repeatedly,
    sampled_rows,
)
from dagster_dune._execution.checks.values_before import ValuesBefore
from dagster_dune._execution.event_log import latest_of_partitions
from dagster_dune._formatting import abbreviated
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.client import DuneApiClient
from dagster_dune.catalog.catalog import Query
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.partitions import label_of
from dagster_dune.errors import DuneError
from dagster_dune.metadata import (
    PARTITION,
    SAID_IN_RUN,
    details_metadata,
    outcome_metadata,
    page_of_query,
)
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.settle import Outcome, Result

CheckEvent = dg.AssetCheckResult | dg.AssetObservation


@dataclass(frozen=True)
class _Node:
    """One node of a check that has ended, and where it did."""

    outcome: Outcome
    pipeline: str | None

    @property
    def partitions(self) -> tuple[str, ...]:
        """The partitions that it is of."""
        partition = self.outcome.node.partition
        return tuple(partition.keys) if partition else ()

    @property
    def label(self) -> str:
        """Its partitions in words; empty where it has none."""
        return label_of(self.outcome.node.partition)


class CheckResults:
    """The results of a step's checks.

    Args:
        context: The step's context.
        assets: What the step is to materialize and to check.
        plan: The nodes of the step.
        client: Reads what the result of a check's query is, with the patience of its own retries.

    Attributes:
        lost: By the name of each check that has no result, why.
        closed: By the name of each blocking check that has failed, why.
        labels: The names of the checks' nodes, as outcomes name what has held them back.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, assets: DuneAssetSet, plan: PipelinePlan, client: DuneApiClient
    ) -> None:
        self._instance = context.instance
        self._run_id = context.run.run_id
        self._log = context.log
        self._assets = assets
        self._client = client
        self._parts = Counter(node.check.label for node in plan.nodes if node.check)
        self.labels = {node.label for node in plan.nodes if node.check}
        self._refusals: dict[str, dict[str, CheckAnswer]] = defaultdict(dict)
        self._ended: dict[str, list[_Node]] = defaultdict(list)
        self._waiting: dict[dg.AssetKey, list[tuple[DuneCheck, list[_Node]]]] = defaultdict(list)
        self._told_assets = {key.asset_key for key in assets.selected_checks} - assets.selected
        self._without_query: dict[dg.AssetKey, list[DuneCheck]] = defaultdict(list)
        for key in sorted(assets.selected_checks):
            if assets.checks[key].sql_name is None:
                self._without_query[key.asset_key].append(assets.checks[key])
        self._details: dict[str, Mapping[str, Any]] = {}
        self.lost: dict[str, str] = {}
        self.closed: dict[str, str] = {}

    def start(self) -> Iterator[CheckEvent]:
        """Yield the results of kinds without a query, for assets that this step does not make."""
        for key in sorted(self._told_assets):
            yield from self._known(key, self._last_told(key))

    def _last_told(self, key: dg.AssetKey) -> dict[str, Mapping[str, Any] | None]:
        """What the last materialization tells: of each partition that the run is of, or of the asset."""
        partitions = self._assets.partitions.get(self._assets.names[key], ())
        if names := [name for partition in partitions for name in partition.keys]:
            latest = latest_of_partitions(self._instance, key, names)
        else:
            latest = dict(zip([""], self._instance.fetch_materializations(key, limit=1).records, strict=False))
        made = {name: record.asset_materialization for name, record in latest.items()}
        metadata = {name: event.metadata for name, event in made.items() if event}
        return {name: metadata.get(name) for name in names or [""]}

    def keep_closed(self, closed: Collection[tuple[PlannedNode, str]]) -> None:
        """Keep what gates have said no of before, so that it stands in the result of what they are asked of still.

        Args:
            closed: Nodes of gates, each with the run that has told its no.
        """
        in_runs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for node, run_id in closed:
            if node.check is None:
                raise TypeError(node)
            label = label_of(node.partition)
            words = f"It said no in run {run_id}, and an automatic retry does not ask again."
            self._refusals[node.check.label][label] = CheckAnswer(False, words, {SAID_IN_RUN: run_id})
            in_runs[node.check.label][run_id].append(label)
        for name, labels in in_runs.items():
            is_of_all = len(self._refusals[name]) == self._parts[name]
            refusals = [
                f"in run {id_}" if is_of_all else f"of {', '.join(of)} in run {id_}" for id_, of in labels.items()
            ]
            self.closed[name] = f"It said no {', '.join(refusals)}, and an automatic retry does not ask again."

    def settle(self, outcome: Outcome, pipeline: str | None) -> Iterator[CheckEvent]:
        """Take in the end of a check's node, and yield its result where its asset is told already."""
        check = outcome.node.check
        if check is None:
            raise TypeError(outcome)
        nodes = self._ended[check.label]
        nodes.append(_Node(outcome, pipeline))
        if len(nodes) + len(self._refusals[check.label]) < self._parts[check.label]:
            return
        key = self._assets.keys[check.asset]
        if key in self._told_assets:
            yield from self._of_nodes(check, nodes)
        else:
            self._waiting[key].append((check, nodes))

    def asset_told(
        self, key: dg.AssetKey, told: Mapping[str, Mapping[str, Any] | None], *, is_whole: bool = True
    ) -> Iterator[CheckEvent]:
        """Yield the results that waited for an asset.

        Args:
            key: The asset.
            told: By partition, or under an empty text, what its materialization tells; None where it has none.
            is_whole: Whether these are all partitions of the run. If not, an earlier attempt has told of all of them.
        """
        self._told_assets.add(key)
        if is_whole or None in told.values():
            yield from self._known(key, told)
        for check, nodes in self._waiting.pop(key, ()):
            yield from self._of_nodes(check, nodes)

    def rest(self) -> Iterator[CheckEvent]:
        """Yield what still waits, and note which selected checks have never ended."""
        for key in list(self._waiting):
            for check, nodes in self._waiting.pop(key):
                yield from self._of_nodes(check, nodes)

    # --- kinds with a query ---

    def _of_nodes(self, check: DuneCheck, nodes: list[_Node]) -> Iterator[CheckEvent]:
        key = self._assets.check_keys[check.asset, check.name]
        answers = dict(self._refusals[check.label])
        missing: list[tuple[_Node, str]] = []
        sample_rows, values_before = check.sample_rows, self._values_before(check, key, nodes)
        for node in sorted(nodes, key=lambda node: node.outcome.node.id):
            try:
                answer = answer_of_node(check, node.outcome, self._client, values_before, sample_rows)
            except (NoAnswerError, DuneError) as error:
                missing.append((node, str(error)))
                continue
            sample_rows -= len(sampled_rows(answer))
            metadata = {**outcome_metadata(node.outcome, node.pipeline), **answer.metadata}
            metadata |= {PARTITION: node.label} if node.label else {}
            answers[node.label] = replace(answer, metadata=metadata)
        if missing:
            yield from self._lose(check, missing, answers)
        else:
            yield self._result(check, joined(answers, offending_rows_of(answers)))

    def _lose(
        self, check: DuneCheck, missing: list[tuple[_Node, str]], answers: Mapping[str, CheckAnswer]
    ) -> Iterator[CheckEvent]:
        """No result: it would count as one. What is known of a node that ran is an observation of its asset."""
        reasons = [f"{node.label}: {reason}" if node.label else reason for node, reason in missing]
        reasons += [f"{label}: {answer.description}" for label, answer in answers.items() if not answer.passed]
        has_failed = any(node.outcome.result is Result.FAILED for node, _ in missing)
        reasons += [f"On Dune: {page_of_query(check.query_id)}"] if has_failed and check.query_id else []
        self.lost[check.label] = " ".join(reasons)
        self._log.error("The %s has no result: %s", check.label, self.lost[check.label])
        for node, reason in missing:
            if node.outcome.result is not Result.SKIPPED:
                metadata = metadata_of_check(node.outcome, node.pipeline, check)
                description = f"The check {check.name} failed to run. {reason}"
                for partition in node.partitions or (None,):
                    yield dg.AssetObservation(
                        self._assets.keys[check.asset], description=description, metadata=metadata, partition=partition
                    )

    def _values_before(self, check: DuneCheck, key: dg.AssetCheckKey, nodes: Iterable[_Node]) -> ValuesBefore | None:
        if check.max_change is None:
            return None
        return ValuesBefore(self._instance, key, [node.outcome.node.partition for node in nodes])

    # --- kinds without ---

    def _known(self, key: dg.AssetKey, told: Mapping[str, Mapping[str, Any] | None]) -> Iterator[CheckEvent]:
        made = {label: metadata for label, metadata in told.items() if metadata is not None}
        for check in self._without_query.get(key, ()):
            if len(made) < len(told):
                self._lose_known(check, _not_made(check, sorted(told.keys() - made.keys()), bool(made)))
                continue
            before = self._counts_before(check, made)
            try:
                answers = {label: self._answer_of_known(check, label, data, before) for label, data in made.items()}
            except (NoAnswerError, DuneError) as error:
                self._lose_known(check, str(error))
                continue
            yield self._result(check, joined(answers, {}))

    def _counts_before(self, check: DuneCheck, made: Mapping[str, Mapping[str, Any]]) -> CountsBefore:
        obj = self._assets.object(check.asset)
        return CountsBefore(
            self._instance,
            self._assets.keys[check.asset],
            check,
            run_id=self._run_id,
            own={execution_of(metadata) for metadata in made.values()},
            is_of_time=isinstance(obj, Query) and obj.partitions is not None and obj.partitions.is_time,
        )

    def _answer_of_known(
        self, check: DuneCheck, label: str, metadata: Mapping[str, Any], before: CountsBefore
    ) -> CheckAnswer:
        """The details of a node may be missing; where a check needs them, they are asked for again, with patience."""
        counts = before.of(metadata, label)
        try:
            return answer_of_known(check, metadata, counts, datetime.now(UTC))
        except NoAnswerError:
            details = self._details_of(metadata, extent_of(metadata, label))
            if not details:
                raise
        return answer_of_known(check, {**metadata, **details}, counts, datetime.now(UTC))

    def _details_of(self, metadata: Mapping[str, Any], extent: int | None) -> Mapping[str, Any]:
        id_ = execution_of(metadata)
        if id_ and id_ not in self._details:
            status = read_repeatedly(
                lambda: told if (told := self._client.get_execution_status(id_)).result_metadata else None
            )
            self._details[id_] = details_metadata(status, extent or 0) if status else {}
        return self._details.get(id_, {})

    def _lose_known(self, check: DuneCheck, reason: str) -> None:
        self._log.error("The %s has no result: %s", check.label, reason)
        self.lost[check.label] = reason

    # --- both ---

    def _result(self, check: DuneCheck, answer: CheckAnswer) -> dg.AssetCheckResult:
        key = self._assets.check_keys[check.asset, check.name]
        if not answer.passed and check.blocking:
            before = self.closed.get(check.label)
            self.closed[check.label] = f"{answer.description} {before}" if before else answer.description
        return dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=answer.passed,
            severity=dg.AssetCheckSeverity[check.severity],
            description=answer.description,
            metadata=answer.metadata,
        )


def _not_made(check: DuneCheck, labels: Sequence[str], is_partly_made: bool) -> str:
    if not is_partly_made:
        return f"{check.asset} was not materialized, so there is nothing to check."
    of = abbreviated(labels)
    return f"{check.asset} was not materialized for {of}, and a result of its other partitions would count for all."
