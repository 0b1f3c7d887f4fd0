"""Returns the pipelines that a run has started, and a run of a job that has not ended."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import dagster as dg

from dagster_dune._execution.event_log import records_of_run
from dagster_dune._execution.submissions.submission_record import UNDER_WAY, submissions_of
from dagster_dune.errors import DuneResultError


def pipelines_of_run(instance: dg.DagsterInstance, run_id: str) -> tuple[str, ...]:
    """Return the pipelines that a run has started on Dune.

    See docs/durability.md.

    Args:
        instance: Where the run is stored.
        run_id: The run.

    Returns:
        Their execution ids, in the order of their submissions. Those that it took over of others are not its own.

    Raises:
        DuneResultError: The instance does not know the run.
    """
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise DuneResultError(
            f"This instance of Dagster does not know the run {run_id}.",
            hint="DAGSTER_HOME says which instance is meant.",
        )
    own = [submission for submission in submissions_of(instance, [run]) if submission.run_id == run_id]
    own.sort(key=lambda submission: submission.at)
    return tuple(submission.pipeline_execution_id for submission in own if submission.pipeline_execution_id)


def run_under_way(instance: dg.DagsterInstance, job_name: str, keys: Collection[dg.AssetKey]) -> dg.DagsterRun | None:
    """Return a run of a job that has not ended; None if there is none.

    An instance may hold several code locations with a job of that name, and a schedule is not told which is its own. So
    a run is of this job if it is to make or to check an asset of it: what another location's job makes is not in it.

    Args:
        instance: Where runs are stored.
        job_name: The name of the job.
        keys: The assets of the job.
    """
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=UNDER_WAY))
    return next((run for run in runs if any(key in keys for key in _planned(instance, run.run_id))), None)


def _planned(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.AssetKey]:
    """Yield the assets that a run is planned to materialize or to check, as Dagster records when it creates the run."""
    made, checked = (
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    )
    for record in records_of_run(instance, run_id, made, checked):
        event = record.event_log_entry.dagster_event
        if event and event.event_type == checked:
            yield event.asset_check_planned_data.asset_key
        elif event and event.asset_key:
            yield event.asset_key
