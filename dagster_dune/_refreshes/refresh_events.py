"""Refreshes that Dagster did not start: which executions it does not know, and the events that report them.

Dagster's event log is the memory. Each event about an execution carries its id, whether a run or the sensor wrote it.
So no execution is reported twice, whatever the cursor says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TypeAlias

import dagster as dg

from dagster_dune._execution.checks.answers import number_of
from dagster_dune._execution.submissions.definitions import was_sent_for
from dagster_dune._execution.submissions.run_group import RunGroup, steps_of_run
from dagster_dune._execution.submissions.submission import State, Submission
from dagster_dune._execution.submissions.submission_record import UNDER_WAY, submissions_of, taken_over_by
from dagster_dune.api.models import ExecutionStatus, MaterializedViewRefresh, QueryExecution
from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.metadata import COLUMN_SCHEMA, ENDED_AT, EXECUTION_ID, outcome_metadata
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import Phase, phase_of

RefreshEvent: TypeAlias = dg.AssetMaterialization | dg.AssetObservation

CONSIDERED = 10
"""How many of a matview's latest executions are considered."""
PAGE = 100
CLOCK_SKEW = timedelta(minutes=1)
"""How far Dune's clock and Dagster's may differ."""
RETRY_GRACE = timedelta(minutes=10)
"""How long after a run has failed its pipeline may still be reported: by its own step process, or by a retry."""


@dataclass(frozen=True)
class ObservedAsset:
    """An asset that is polled for refreshes.

    Attributes:
        key: The asset.
        obj: What it is on Dune.
        definition: The asset definition that it belongs to.
        is_partitioned: Whether it has partitions.
    """

    key: dg.AssetKey
    obj: MaterializedView | Query
    definition: str
    is_partitioned: bool = False

    @property
    def name(self) -> str:
        """Its key as users write it."""
        return self.key.to_user_string()

    @property
    def is_parametrised(self) -> bool:
        """Whether its executions differ by the values of parameters."""
        if isinstance(self.obj, MaterializedView):
            return False
        return bool(self.obj.parameters or self.obj.query_parameters or "{{" in (self.obj.sql or ""))

    @property
    def node(self) -> PlannedNode:
        """The node of an execution without parameters."""
        if isinstance(self.obj, MaterializedView):
            return PlannedNode(1, self.obj.sql_name, (), MaterializedViewRefresh(name=self.obj.name))
        return PlannedNode(1, self.obj.sql_name, (), QueryExecution(query_id=self.obj.query_id))

    def runs_in(self, submission: Submission) -> bool:
        """Return whether a submission may execute it. Only the run knows the values of parameters and partitions."""
        return self.is_parametrised or self.is_partitioned or self.node.digest in submission.node_ids


@dataclass(frozen=True)
class Refresh:
    """An execution that has ended.

    Attributes:
        execution_id: Its id.
        status: What Dune says of it.
    """

    execution_id: str
    status: ExecutionStatus

    @property
    def phase(self) -> Phase:
        """The phase in which it ended."""
        error = self.status.error
        return phase_of(self.status.state, error.message if error else None)

    @property
    def ended_at(self) -> float | None:
        """The time of its end in seconds since 1970; None if Dune's answer has none."""
        moment = self.status.execution_ended_at or self.status.cancelled_at
        return moment.timestamp() if moment else None

    @property
    def reason(self) -> str:
        """The reason why it has no result."""
        error = self.status.error
        return (error and error.message) or f"Dune says {self.status.state!r} and gives no reason."

    def started_after(self, moment: datetime) -> bool:
        """Return whether it may have been submitted after a time of Dagster's clock."""
        return self.status.submitted_at is None or self.status.submitted_at >= moment - CLOCK_SKEW


@dataclass(frozen=True)
class KnownExecutions:
    """The executions of an asset in Dagster's event log.

    Attributes:
        ids: Every execution that an event names.
        materialized: Of those that made the asset's rows, when they ended, in seconds since 1970; None where no event
            says so.
        column: A column of its newest rows; None where none is known.
    """

    ids: frozenset[str]
    materialized: Mapping[str, float | None]
    column: str | None

    @classmethod
    def read(cls, instance: dg.DagsterInstance, key: dg.AssetKey, since: float | None = None) -> KnownExecutions:
        """Read an asset's events: all since a moment, or the newest hundred of each kind if that is None."""
        ids, materialized, column = set[str](), dict[str, float | None](), None
        for record in _records(instance.fetch_materializations, key, since):
            event = record.asset_materialization
            if event is None or (id_ := event.metadata.get(EXECUTION_ID)) is None:
                continue
            materialized[str(id_.value)] = number_of(event.metadata.get(ENDED_AT))
            column = column or _column(event)
        for record in _records(instance.fetch_observations, key, since):
            observation = record.event_log_entry.asset_observation
            if observation and (id_ := observation.metadata.get(EXECUTION_ID)):
                ids.add(str(id_.value))
        return cls(frozenset(ids | materialized.keys()), materialized, column)

    def unknown(self, execution_ids: Iterable[str]) -> list[str]:
        """Return the executions that Dagster may not know, in the order in which to read their statuses.

        Ids on Dune are ULIDs, which sort by the time of their submission. Executions older than all that Dagster knows
        are left out. If the asset was never materialized, the newest come first: only the newest result is reported.
        """
        # Assumption: ulid-order.
        newest_first = sorted(set(execution_ids), reverse=True)[:CONSIDERED]
        if not self.materialized:
            return [id_ for id_ in newest_first if id_ not in self.ids]
        oldest = min(self.materialized)
        return [id_ for id_ in reversed(newest_first) if id_ > oldest and id_ not in self.ids]

    def replace(self, refresh: Refresh) -> bool:
        """Return whether one of these executions has newer rows than a refresh.

        If no event says when an execution ended, the order of submission counts: an event may be stored long after the
        end.
        """
        if refresh.ended_at is None:
            return False
        # Assumption: ulid-order.
        return any(
            id_ > refresh.execution_id if ended is None else ended > refresh.ended_at
            for id_, ended in self.materialized.items()
        )


def open_submissions(
    instance: dg.DagsterInstance, assets: Iterable[ObservedAsset], now: datetime
) -> dict[dg.AssetKey, list[Submission]]:
    """Read the submissions whose executions runs may yet report, by asset.

    These are the submissions of runs under way and of runs that failed a moment ago, which a retry may take over; and
    those that such runs have taken over.
    """
    ended_badly = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    under_way = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    failed = instance.get_runs(dg.RunsFilter(statuses=ended_badly, updated_after=now - RETRY_GRACE))
    runs = {run.run_id: run for run in [*under_way, *failed]}
    submissions = submissions_of(instance, list(runs.values()))
    for run_id in list(runs):
        if (ids := taken_over_by(instance, [run_id])) and instance.get_run_by_id(run_id):
            members = RunGroup.of(instance, run_id).members
            runs |= {member.run_id: member for member in members}
            submissions += [submission for submission in submissions_of(instance, members) if submission.id in ids]
    steps_of = cache(lambda run_id: steps_of_run(instance, runs[run_id]) if run_id in runs else {})
    is_open = [s for s in submissions if s.state.is_unresolved or s.state is State.ANSWERED]
    return {
        asset.key: [s for s in is_open if asset.runs_in(s) and was_sent_for(s, asset.key, asset.definition, steps_of)]
        for asset in assets
    }


def news(
    instance: dg.DagsterInstance, asset: ObservedAsset, refreshes: Sequence[Refresh], open_: Iterable[Submission]
) -> Iterator[RefreshEvent]:
    """Yield the events that report an asset's refreshes, in the order in which these ended.

    Args:
        instance: The Dagster instance. Its event log is read once more, since a run may have ended since.
        asset: The asset.
        refreshes: Executions of the asset that have ended.
        open_: The submissions whose executions runs may yet report as the asset's; they must be read after the
            executions. The event log is read after both.

    Yields:
        A materialization for each result, and an observation for each execution without a result, or whose rows
        another one has replaced already.
    """
    if not refreshes:
        return
    intents = [submission.at for submission in open_]
    submitted = [refresh.status.submitted_at for refresh in refreshes]
    since = min((moment - CLOCK_SKEW).timestamp() if moment else 0.0 for moment in submitted)
    logged = KnownExecutions.read(instance, asset.key, since)
    for refresh in sorted(refreshes, key=lambda refresh: refresh.ended_at or 0.0):
        if refresh.execution_id in logged.ids or (intents and refresh.started_after(min(intents))):
            continue
        yield _event(asset, refresh, is_replaced=logged.replace(refresh))


def _event(asset: ObservedAsset, refresh: Refresh, *, is_replaced: bool) -> RefreshEvent:
    succeeded = refresh.phase.is_success
    outcome = Outcome(
        node=asset.node,
        result=Result.SUCCEEDED if succeeded else Result.FAILED,
        phase=refresh.phase,
        execution_id=refresh.execution_id,
        reason="" if succeeded else refresh.reason,
        details=refresh.status,
    )
    metadata = outcome_metadata(outcome, None)
    if not succeeded:
        return dg.AssetObservation(asset.key, f"Failed outside Dagster. {refresh.reason}", metadata=metadata)
    if is_replaced:
        words = "Refreshed outside Dagster, but a later execution has replaced these rows already."
        return dg.AssetObservation(asset.key, words, metadata=metadata)
    return dg.AssetMaterialization(asset.key, "Refreshed outside Dagster.", metadata=metadata)


def _records(
    fetch: Callable[..., dg.EventRecordsResult], key: dg.AssetKey, since: float | None
) -> Iterator[dg.EventLogRecord]:
    """The newest page of an asset's events, or all pages since a moment."""
    records_filter = dg.AssetRecordsFilter(key, after_timestamp=since)
    cursor: str | None = None
    while True:
        page = fetch(records_filter, limit=PAGE, cursor=cursor)
        yield from page.records
        if since is None or not page.has_more:
            return
        cursor = page.cursor


def _column(event: dg.AssetMaterialization) -> str | None:
    """The first column whose name can stand in a list separated by commas."""
    schema = event.metadata.get(COLUMN_SCHEMA)
    if not isinstance(schema, dg.TableSchemaMetadataValue):
        return None
    names = (column.name for column in schema.schema.columns)
    return next((name for name in names if name and not set(name) & set(',"')), None)
