"""Everything again, while nobody can tell how the pipeline of the first attempt ends: Dune answers 404, or it hangs."""

import threading

import dagster as dg
import pytest
from waiting import wait_until

from dagster_dune import DuneCatalog, MaterializedView, Query, build_dune_assets
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, submissions_of
from dagster_dune.pipeline.plan import plan_pipeline

DAILY = "dune.acme.result_daily"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, query_id=1)], queries=[Query(query_id=10, deps=[DAILY])]
)
PLAN = plan_pipeline(CATALOG, {DAILY: "a", "query_10": "b"})
ASSETS = build_dune_assets(CATALOG)


@pytest.fixture
def parent(dune, client, instance, job):
    """A failed run whose pipeline still runs on Dune."""
    dune.load_query(1, "daily", "SELECT 1 AS n")
    dune.load_query(10, "next", f"SELECT n FROM {DAILY}")
    dune.load_materialized_view(DAILY, 1)
    dune.hold(DAILY)
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE)
    record = SubmissionRecord(instance, run, "dune_assets")
    assert record.intend(PLAN)
    assert record.close(State.ANSWERED, client.execute_pipeline(PLAN.to_wire()).pipeline_execution_id)
    dune.wait_until_held(DAILY)
    return run


def again(parent, resource, instance):
    tags = {"dagster/root_run_id": parent.run_id, "dagster/parent_run_id": parent.run_id}
    return dg.materialize([ASSETS], resources={"dune": resource}, instance=instance, raise_on_error=False, tags=tags)


def asked(dune):
    """How often Dune was asked for a pipeline's status."""
    return sum(entry["path"].startswith("/api/v1/pipelines/executions/") for entry in dune.journal())


def test_a_pipeline_that_dune_comes_to_know_is_taken_over(dune, parent, resource, instance, calls):
    dune.inject("young_pipeline", seconds=3600, times=3)

    def release():
        wait_until(lambda: asked(dune) > 4)
        dune.release()

    thread = threading.Thread(target=release)
    thread.start()
    result = again(parent, resource, instance)
    thread.join()
    assert result.success
    assert len(result.get_asset_materialization_events()) == 2
    assert len(calls()) == 1


@pytest.mark.parametrize("resume", [True, False])
def test_a_pipeline_that_dune_never_knows_stops_everything(dune, parent, resource_with, instance, calls, resume):
    dune.inject("young_pipeline", seconds=3600, times=None)
    result = again(parent, resource_with(resume=resume), instance)
    assert not result.success
    (event,) = result.get_step_failure_events()
    told = event.step_failure_data.user_failure_data.description
    (submission,) = submissions_of(instance, [parent], "dune_assets")
    assert f"Dune does not know pipeline {submission.pipeline_execution_id}" in told
    assert f"dagster-dune/resubmit={submission.id}" in told
    assert asked(dune) > 3
    assert len(calls()) == 1
    assert submissions_of(instance, [instance.get_run_by_id(result.run_id)], "dune_assets") == []


def test_a_pipeline_that_never_ends_is_not_waited_for_without_end(dune, parent, resource_with, instance, calls):
    result = again(parent, resource_with(resume=False, stall_timeout=0.5), instance)
    (event,) = result.get_step_failure_events()
    told = event.step_failure_data.user_failure_data.description
    (submission,) = submissions_of(instance, [parent], "dune_assets")
    assert f"Nothing changed in pipeline {submission.pipeline_execution_id} for 0.5 s." in told
    assert "Raise stall_timeout" in told
    assert len(calls()) == 1
