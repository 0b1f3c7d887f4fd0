"""Makes the results of asset checks, from the outcomes of checks' nodes and from the metadata of materializations.

A result is yielded after the materialization of its asset. A check that failed to run, or whose asset failed, gets no
result, because Dagster would count any result as an executed check. Instead, the missing result fails the step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from dagster_dune._execution.checks.answers import CheckAnswer, NoAnswerError, metadata_of_check
from dagster_dune._execution.checks.by_partition import joined
from dagster_dune._execution.checks.counts_before import CountsBefore, execution_of, extent_of
from dagster_dune._execution.checks.of_known import answer_of_known
from dagster_dune._execution.checks.of_nodes import answer_of_node, offending_rows_of, read_repeatedly, sampled_rows
from dagster_dune._execution.checks.values_before import ValuesBefore
from dagster_dune._execution.event_log import latest_of_partitions, read_with_retries
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
MetadataByPartition = Mapping[str, Mapping[str, Any] | None]
"""Metadata by partition, or under an empty text if there are none; None for a partition that was not materialized."""


@dataclass(frozen=True)
class _Node:
    """A node of a check that has ended, and its pipeline."""

    outcome: Outcome
    pipeline: str | None

    @property
    def partitions(self) -> tuple[str, ...]:
        """The keys of its partitions."""
        partition = self.outcome.node.partition
        return tuple(partition.keys) if partition else ()

    @property
    def label(self) -> str:
        """The label of its partitions; empty if it has none."""
        return label_of(self.outcome.node.partition)


class CheckResults:
    """The results of a step's checks.

    Args:
        context: The step's context.
        assets: What the step is to materialize and to check.
        plan: The nodes of the step.
        client: Reads the results of the checks' queries, with its own retries.

    Attributes:
        missing: By the name of each check without a result, the reason.
        blocking_failures: By the name of each blocking check that failed, the reason.
        labels: The labels of the checks' nodes, by which outcomes name the nodes that blocked them.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, assets: DuneAssetSet, plan: PipelinePlan, client: DuneApiClient
    ) -> None:
        self._instance = context.instance
        self._run_id = context.run.run_id
        self._log = context.log
        self._assets = assets
        self._client = client
        self._node_counts = Counter(node.check.label for node in plan.nodes if node.check)
        self.labels = {node.label for node in plan.nodes if node.check}
        self._refusals: dict[str, dict[str, CheckAnswer]] = defaultdict(dict)
        self._ended: dict[str, list[_Node]] = defaultdict(list)
        self._waiting: dict[dg.AssetKey, list[tuple[DuneCheck, list[_Node]]]] = defaultdict(list)
        self._reported_assets = {key.asset_key for key in assets.selected_checks} - assets.selected
        self._without_query: dict[dg.AssetKey, list[DuneCheck]] = defaultdict(list)
        for key in sorted(assets.selected_checks):
            if assets.checks[key].sql_name is None:
                self._without_query[key.asset_key].append(assets.checks[key])
        self._details: dict[str, Mapping[str, Any]] = {}
        self.missing: dict[str, str] = {}
        self.blocking_failures: dict[str, str] = {}

    def start(self) -> Iterator[CheckEvent]:
        """Yield the results of checks without a query, for assets that this step does not materialize."""
        for key in sorted(self._reported_assets):
            yield from self._of_materializations(key, self._last_metadata(key))

    def _last_metadata(self, key: dg.AssetKey) -> MetadataByPartition:
        """Return the metadata of the last materialization of each partition of the run, or of the asset."""
        partitions = self._assets.partitions.get(self._assets.names[key], ())
        if names := [name for partition in partitions for name in partition.keys]:
            latest = latest_of_partitions(self._instance, key, names)
        else:
            last = read_with_retries(partial(self._instance.fetch_materializations, key, limit=1))
            latest = dict(zip([""], last.records, strict=False))
        materialized = {name: record.asset_materialization for name, record in latest.items()}
        metadata = {name: event.metadata for name, event in materialized.items() if event}
        return {name: metadata.get(name) for name in names or [""]}

    def add_refusals(self, refusals: Collection[tuple[PlannedNode, str]]) -> None:
        """Add failures of gates that earlier runs have reported to the results that the gates get in this run.

        Args:
            refusals: The nodes of the gates that failed, each with the id of the run that reported it.
        """
        in_runs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for node, run_id in refusals:
            if node.check is None:
                raise TypeError(node)
            label = label_of(node.partition)
            description = f"It said no in run {run_id}, and an automatic retry does not ask again."
            self._refusals[node.check.label][label] = CheckAnswer(False, description, {SAID_IN_RUN: run_id})
            in_runs[node.check.label][run_id].append(label)
        for name, labels in in_runs.items():
            is_of_all = len(self._refusals[name]) == self._node_counts[name]
            where = ", ".join(
                f"in run {id_}" if is_of_all else f"of {', '.join(of)} in run {id_}" for id_, of in labels.items()
            )
            self.blocking_failures[name] = f"It said no {where}, and an automatic retry does not ask again."

    def settle(self, outcome: Outcome, pipeline: str | None) -> Iterator[CheckEvent]:
        """Add the outcome of a check's node; yield the result once all nodes have ended and the asset is reported."""
        check = outcome.node.check
        if check is None:
            raise TypeError(outcome)
        nodes = self._ended[check.label]
        nodes.append(_Node(outcome, pipeline))
        if len(nodes) + len(self._refusals[check.label]) < self._node_counts[check.label]:
            return
        key = self._assets.keys[check.asset]
        if key in self._reported_assets:
            yield from self._of_nodes(check, nodes)
        else:
            self._waiting[key].append((check, nodes))

    def asset_reported(
        self, key: dg.AssetKey, by_partition: MetadataByPartition, *, is_complete: bool = True
    ) -> Iterator[CheckEvent]:
        """Yield the results that waited for an asset.

        Args:
            key: The asset.
            by_partition: The metadata of its materialization.
            is_complete: Whether these are all partitions of the run. If not, an earlier attempt has reported all.
        """
        self._reported_assets.add(key)
        if is_complete or None in by_partition.values():
            yield from self._of_materializations(key, by_partition)
        for check, nodes in self._waiting.pop(key, ()):
            yield from self._of_nodes(check, nodes)

    def rest(self) -> Iterator[CheckEvent]:
        """Yield the results that still wait for their assets."""
        for key in list(self._waiting):
            for check, nodes in self._waiting.pop(key):
                yield from self._of_nodes(check, nodes)

    # --- checks with a query ---

    def _of_nodes(self, check: DuneCheck, nodes: list[_Node]) -> Iterator[CheckEvent]:
        key = self._assets.check_keys[check.asset, check.name]
        answers = dict(self._refusals[check.label])
        unanswered: list[tuple[_Node, str]] = []
        sample_rows, values_before = check.sample_rows, self._values_before(check, key, nodes)
        for node in sorted(nodes, key=lambda node: node.outcome.node.id):
            try:
                answer = answer_of_node(check, node.outcome, self._client, values_before, sample_rows)
            except (NoAnswerError, DuneError) as error:
                unanswered.append((node, str(error)))
                continue
            sample_rows -= len(sampled_rows(answer))
            metadata = {**outcome_metadata(node.outcome, node.pipeline), **answer.metadata}
            metadata |= {PARTITION: node.label} if node.label else {}
            answers[node.label] = replace(answer, metadata=metadata)
        if unanswered:
            yield from self._without_result(check, unanswered, answers)
        else:
            yield self._result(check, joined(answers, offending_rows_of(answers)))

    def _without_result(
        self, check: DuneCheck, unanswered: list[tuple[_Node, str]], answers: Mapping[str, CheckAnswer]
    ) -> Iterator[CheckEvent]:
        """Record that a check has no result, and yield an observation of its asset for each node that ran."""
        reasons = [f"{node.label}: {reason}" if node.label else reason for node, reason in unanswered]
        reasons += [f"{label}: {answer.description}" for label, answer in answers.items() if not answer.passed]
        has_failed = any(node.outcome.result is Result.FAILED for node, _ in unanswered)
        reasons += [f"On Dune: {page_of_query(check.query_id)}"] if has_failed and check.query_id else []
        self._note_missing(check, " ".join(reasons))
        for node, reason in unanswered:
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

    # --- checks without a query ---

    def _of_materializations(self, key: dg.AssetKey, by_partition: MetadataByPartition) -> Iterator[CheckEvent]:
        materialized = {label: metadata for label, metadata in by_partition.items() if metadata is not None}
        for check in self._without_query.get(key, ()):
            if len(materialized) < len(by_partition):
                labels = sorted(by_partition.keys() - materialized.keys())
                self._note_missing(check, _not_materialized(check, labels, bool(materialized)))
                continue
            before = self._counts_before(check, materialized)
            try:
                answers = {label: self._answer(check, label, data, before) for label, data in materialized.items()}
            except (NoAnswerError, DuneError) as error:
                self._note_missing(check, str(error))
                continue
            yield self._result(check, joined(answers, {}))

    def _counts_before(self, check: DuneCheck, materialized: Mapping[str, Mapping[str, Any]]) -> CountsBefore:
        obj = self._assets.object(check.asset)
        return CountsBefore(
            self._instance,
            self._assets.keys[check.asset],
            check,
            run_id=self._run_id,
            own={execution_of(metadata) for metadata in materialized.values()},
            is_of_time=isinstance(obj, Query) and obj.partitions is not None and obj.partitions.is_time,
        )

    def _answer(self, check: DuneCheck, label: str, metadata: Mapping[str, Any], before: CountsBefore) -> CheckAnswer:
        """Return the answer of a check. If the details of the node are missing, and needed, they are read again."""
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
                lambda: read if (read := self._client.get_execution_status(id_)).result_metadata else None
            )
            self._details[id_] = details_metadata(status, extent or 0) if status else {}
        return self._details.get(id_, {})

    def _note_missing(self, check: DuneCheck, reason: str) -> None:
        self._log.error("The %s has no result: %s", check.label, reason)
        self.missing[check.label] = reason

    # --- both ---

    def _result(self, check: DuneCheck, answer: CheckAnswer) -> dg.AssetCheckResult:
        key = self._assets.check_keys[check.asset, check.name]
        if not answer.passed and check.blocking:
            before = self.blocking_failures.get(check.label)
            self.blocking_failures[check.label] = f"{answer.description} {before}" if before else answer.description
        return dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=answer.passed,
            severity=dg.AssetCheckSeverity[check.severity],
            description=answer.description,
            metadata=answer.metadata,
        )


def _not_materialized(check: DuneCheck, labels: Sequence[str], is_partly_materialized: bool) -> str:
    if not is_partly_materialized:
        return f"{check.asset} was not materialized, so there is nothing to check."
    of = abbreviated(labels)
    return f"{check.asset} was not materialized for {of}, and a result of its other partitions would count for all."
