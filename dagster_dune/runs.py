"""What runs have sent to Dune, as their record tells."""

from __future__ import annotations

import dagster as dg

from dagster_dune._execution.submissions.submission_record import submissions_of
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
