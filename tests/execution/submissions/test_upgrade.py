"""A run that 0.1 began and that this version retries: the record in its tags is as 0.1 wrote it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import durable_location
import pytest

from dagster_dune import build_dune_assets
from dagster_dune.pipeline.plan import plan_pipeline

OLD = durable_location.chain(100)
PLAN = plan_pipeline(OLD, {obj.sql_name: obj.sql_name for obj in OLD})
ASSETS = build_dune_assets(OLD, name="plain")
FIRST, LAST = "dune.acme.result_one_100", 102


@pytest.fixture(autouse=True)
def account(dune):
    durable_location.load(dune)


@pytest.fixture
def begun(dune, client, instance, job):
    """A function that stores a failed run with a record of 0.1, whose pipeline Dune really runs, or has run."""

    def begin(kind="answered"):
        stored = json.loads(Path(__file__).with_name("record_of_0_1.json").read_text())[kind]
        pipeline = client.execute_pipeline(PLAN.to_wire()).pipeline_execution_id
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE)
        tags = {}
        for key, value in stored["tags"].items():
            words = json.loads(value) | {"run_id": run.run_id, "at": datetime.now(UTC).isoformat()}  # no day ago
            if "pipeline_execution_id" in words:
                words["pipeline_execution_id"] = pipeline
            tags[key] = json.dumps(words)
        instance.add_run_tags(run.run_id, tags)
        return instance.get_run_by_id(run.run_id), pipeline

    return begin


@pytest.fixture
def retry(instance, resource):
    """A function that tries a run again from failure, as Dagster does: the retry inherits the tags."""

    def run(parent, other=None, **words):
        parent = instance.get_run_by_id(parent.run_id)
        root = parent.tags.get("dagster/root_run_id", parent.run_id)
        tags = {"dagster/root_run_id": root, "dagster/parent_run_id": parent.run_id, "dagster/is_resume_retry": "true"}
        return dg.materialize(
            [ASSETS],
            resources={"dune": other or resource},
            instance=instance,
            raise_on_error=False,
            tags={**parent.tags, **tags, **words},
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )

    return run


def materialized(result):
    return len(result.get_asset_materialization_events())


def started(body):
    return [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]


def test_what_0_1_has_started_is_taken_over(dune, begun, retry, resource_with, calls):
    parent, _ = begun()
    result = retry(parent, resource_with(performance="large"))
    assert result.success
    assert materialized(result) == 3
    for event in result.get_asset_materialization_events():
        assert "dagster-dune/performance" not in event.materialization.metadata  # 0.1 has not kept it
    assert len(calls()) == 1
    assert len(dune.executions()) == 3


def test_what_failed_under_0_1_is_sent_once_and_no_later_retry_sends_it_again(
    dune, begun, finish_pipeline, client, retry, calls
):
    dune.load_query(LAST, "three", "SELECT CAST('x' AS BIGINT) AS n FROM dune.acme.result_two_100")
    parent, pipeline = begun()
    finish_pipeline(client, pipeline)
    durable_location.load(dune)
    assert [materialized(retry(parent)) for _ in range(2)] == [3, 3]
    assert [len(started(body)) for body in calls()] == [3, 1]


def test_a_request_of_0_1_without_an_answer_is_not_sent_again_but_adopted(begun, retry, resource_with, calls):
    parent, pipeline = begun("ambiguous")
    # It waits for the answer as long as a request could take.
    refused = retry(parent, resource_with(timeout=0.5, max_retries=0))
    (event,) = refused.get_step_failure_events()
    assert "dagster-dune/resubmit=e6d51609" in event.step_failure_data.user_failure_data.description
    adopting = retry(parent, **{"dagster-dune/adopt": f"e6d51609:{pipeline}"})
    assert adopting.success
    assert materialized(adopting) == 3
    assert len(calls()) == 1
