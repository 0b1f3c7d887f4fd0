"""Whether an earlier attempt at a step was cut off while Dune may have been working for it, whichever run made it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dagster_dune.api.errors import AmbiguousSubmission

PARTITION_TAG = "dagster/partition"
_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_EVENTS = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_RESTARTED,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
}
_OF_ITS_OWN_CODE = "USER_CODE_ERROR"
_ENDS_FROM_OUTSIDE = frozenset(
    {
        AmbiguousSubmission.__name__, KeyboardInterrupt.__name__, dg.DagsterExecutionInterruptedError.__name__,
        "ChildProcessCrashException",
    }
)  # fmt: skip
"""What errors come of that leave a request without an answer."""


def cut_off_at(context: dg.OpExecutionContext | dg.AssetExecutionContext, seconds: float) -> datetime | None:
    """When an earlier attempt at a step, for the same partition, may last have been cut off.

    It may have been one of the same run, of a run that this one retries, or of one that has nothing to do with it, as
    where somebody launches anew what was killed. So every run counts.

    Args:
        context: Of the step.
        seconds: How long ago it may have been at the most.

    Returns:
        The moment; None where there is none. A run that seems to go on, and came to the step earlier, may have been
        killed at any moment until so many seconds after its last event.
    """
    try:
        step_key, run = _step_key(context), context.run
    except dg.DagsterError:  # an asset that a test calls like a function
        return None
    instance = context.instance
    own = _events_of(instance, run.run_id, step_key)
    moments = [entry.timestamp for entry in own if _is_for_retry(entry) and _was_cut_off(entry)]
    for record in _other_runs(instance, run, seconds):
        other = record.dagster_run.run_id
        last = _events_of(instance, other, step_key)[-1:]
        if not last or not _was_cut_off(last[0]):
            continue
        if record.end_time:
            moments.append(record.end_time)
        elif not own or last[0].timestamp < own[-1].timestamp:
            moments.append(min(time.time(), _last_moment(instance, other) + seconds))
    return datetime.fromtimestamp(max(moments), UTC) if moments else None


def _step_key(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> str:
    op = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    mapping_key = op.get_mapping_key()
    return str(op.op_handle) + (f"[{mapping_key}]" if mapping_key else "")


def _other_runs(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds: float) -> Iterator[dg.RunRecord]:
    """The runs that may have the same step for the same partition, and have not succeeded."""
    partition = run.tags.get(PARTITION_TAG)
    tags = {PARTITION_TAG: partition} if partition is not None else {}
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    for wanted in (
        dg.RunsFilter(statuses=_UNDER_WAY, tags=tags),
        dg.RunsFilter(statuses=_ENDED, tags=tags, updated_after=since),
    ):
        for record in instance.get_run_records(wanted):
            other = record.dagster_run
            if other.run_id != run.run_id and other.tags.get(PARTITION_TAG) == partition and _may_share(run, other):
                yield record


def _may_share(run: dg.DagsterRun, other: dg.DagsterRun) -> bool:
    """Whether two runs may have a step in common."""
    if run.job_name == other.job_name:
        return True
    selected, others = run.asset_selection, other.asset_selection
    return selected is None or others is None or not selected.isdisjoint(others)


def _last_moment(instance: dg.DagsterInstance, run_id: str) -> float:
    records = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    return records[0].event_log_entry.timestamp if records else 0.0


def _events_of(instance: dg.DagsterInstance, run_id: str, step_key: str) -> list[dg.EventLogEntry]:
    records = instance.get_records_for_run(run_id, of_type=_EVENTS).records
    return [record.event_log_entry for record in records if record.event_log_entry.step_key == step_key]


def _is_for_retry(entry: dg.EventLogEntry) -> bool:
    return entry.get_dagster_event().event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY


def _was_cut_off(last: dg.EventLogEntry) -> bool:
    """Whether an attempt, by its last event, may have ended while Dune worked for it."""
    event = last.get_dagster_event()
    if event.event_type is dg.DagsterEventType.STEP_FAILURE:
        failure = event.step_failure_data
        source = failure.error_source and failure.error_source.value
        return source != _OF_ITS_OWN_CODE or _is_from_outside(failure.error)
    if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY:
        return _is_from_outside(event.step_retry_data.error)
    return event.event_type is not dg.DagsterEventType.STEP_SUCCESS


def _is_from_outside(error: Any) -> bool:
    """Whether an error is one of those, came of such a one, or was raised while such a one was handled."""
    return error is not None and (
        error.cls_name in _ENDS_FROM_OUTSIDE or _is_from_outside(error.cause) or _is_from_outside(error.context)
    )
