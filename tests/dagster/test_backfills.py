"""Backfills and schedules of partitions, by the real daemon, counted by the local Dune."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import partitioned_location
import pytest
from deployment import Deployment

LOCATION = Path(partitioned_location.__file__)
MATVIEW, EACH, SPAN = ["dune", "acme", "result_base"], ["dune", "each_10"], ["dune", "span_11"]
JANUARY = [(date(2024, 1, 1) + timedelta(number)).isoformat() for number in range(30)]
BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message stack }
  }
}
"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill { status error { message } }
  }
}
"""
ENDED = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


@pytest.fixture
def deployment(dune, tmp_path, request):
    partitioned_location.load_account(dune)
    with Deployment(tmp_path / "home", dune, ["-f", str(LOCATION)], LOCATION.name) as deployment:
        deployment.environment["SCHEDULE_STATUS"] = getattr(request, "param", "STOPPED")
        deployment.start("dagster-daemon", "run")
        deployment.start_webserver()
        yield deployment


def backfill(deployment, keys, days):
    """Backfill as the UI does, and return how it ended."""
    params = {"assetSelection": [{"path": key} for key in keys], "partitionNames": days}
    launched = deployment.graphql(BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    status = deployment.wait_until(
        lambda: (
            (answer := deployment.graphql(STATUS, id=launched["backfillId"])["partitionBackfillOrError"])["status"]
            in ENDED
            and answer
        ),
        300,
    )
    return status["status"], status["error"]


def test_thirty_days_of_everything(deployment, calls, dune):
    assert backfill(deployment, [MATVIEW, EACH, SPAN], JANUARY) == ("COMPLETED_SUCCESS", None)
    first, second = calls()
    assert first == {
        "pipeline": {
            "nodes": [{"id": 1, "dependencies": [], "materialized_view_refresh": {"name": "dune.acme.result_base"}}]
        }
    }
    nodes = [node["query_execution"] for node in second["pipeline"]["nodes"]]
    assert [node["query_parameters"] for node in nodes if node["query_id"] == 10] == [{"day": day} for day in JANUARY]
    spans = [node["query_parameters"] for node in nodes if node["query_id"] == 11]
    assert spans == [{"from": "2024-01-01", "to": "2024-01-31"}]
    assert len(dune.executions()) == 1 + 30 + 1
    for key in (EACH, SPAN):
        assert deployment.instance.get_materialized_partitions(dg.AssetKey(key)) == set(JANUARY)
    assert len(deployment.instance.get_runs()) == 2


@pytest.mark.parametrize("deployment", ["RUNNING"], indirect=True)
def test_a_schedule_runs_the_days_that_have_ended(deployment, calls):
    runs = deployment.instance
    deployment.graphql("{ version }")
    matview = deployment.finish(deployment.launch(MATVIEW))
    assert matview.is_success
    ticked = deployment.wait_until(
        lambda: [run for run in runs.get_runs() if run.job_name == "latest_days" and run.is_finished], 150
    )
    assert ticked[-1].is_success
    body = next(body for body in calls() if len(body["pipeline"]["nodes"]) > 1)
    days = [node["query_execution"]["query_parameters"] for node in body["pipeline"]["nodes"]]
    today = date.today()  # noqa: DTZ011  (partitions are in UTC, as the machine is taken to be within a day of)
    yesterday = next(
        day for day in (today, today - timedelta(1), today + timedelta(1)) if {"day": day.isoformat()} in days
    )
    before = yesterday - timedelta(1)
    assert days == [
        {"day": before.isoformat()},
        {"day": yesterday.isoformat()},
        {"from": before.isoformat(), "to": (yesterday + timedelta(1)).isoformat()},
    ]
