"""Backfills and schedules of partitions, by the real daemon, counted by the local Dune."""

import os
import re
import signal
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import partitioned_location
import pytest
from deployment import Deployment
from waiting import wait_until

from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.schedules import RANGE_END_TAG, RANGE_START_TAG

pytestmark = pytest.mark.processes

LOCATION = Path(partitioned_location.__file__)
MATVIEW, EACH, SPAN = ["dune", "acme", "result_base"], ["dune", "each_10"], ["dune", "span_11"]
CHECKED, READER = ["dune", "checked_12"], ["dune", "reader_13"]
JANUARY = [(date(2024, 1, 1) + timedelta(number)).isoformat() for number in range(30)]
ENDS_BACKFILLS = tuple(map(int, re.findall(r"\d+", dg.__version__)[:3])) >= (1, 13, 24)
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
START_SCHEDULE = """
mutation Start($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) { __typename ... on PythonError { message } }
}
"""
EXECUTE = "/api/v1/pipelines/execute"
ENDED = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


@pytest.fixture(scope="module")
def backfilled_dune():
    with DuneEmulator() as dune:
        yield dune


@pytest.fixture(scope="module")
def running(backfilled_dune, tmp_path_factory):
    home = tmp_path_factory.mktemp("backfills") / "home"
    with Deployment(home, backfilled_dune, ["-f", str(LOCATION)], LOCATION.name) as deployment:
        deployment.start("dagster-daemon", "run")
        deployment.start_webserver()
        yield deployment


@pytest.fixture
def deployment(running, backfilled_dune):
    backfilled_dune.reset()
    partitioned_location.load_account(backfilled_dune)
    running.instance.wipe_assets([dg.AssetKey(key) for key in (MATVIEW, EACH, SPAN, CHECKED, READER)])
    return running


@pytest.fixture
def calls(backfilled_dune):
    return lambda: [entry["body"] for entry in backfilled_dune.journal() if entry["path"] == EXECUTE]


def backfill(deployment, keys, days):
    """Backfill as the UI does, and return how it ended."""
    params = {"assetSelection": [{"path": key} for key in keys], "partitionNames": days}
    launched = deployment.graphql(BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    status = wait_until(
        lambda: (
            (answer := deployment.graphql(STATUS, id=launched["backfillId"])["partitionBackfillOrError"])["status"]
            in ENDED
            and answer
        )
    )
    return status["status"], status["error"]


def test_thirty_days_of_everything(deployment, calls, backfilled_dune):
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
    assert len(backfilled_dune.executions()) == 1 + 30 + 1
    for key in (EACH, SPAN):
        assert deployment.instance.get_materialized_partitions(dg.AssetKey(key)) == set(JANUARY)
    assert len([run for run in deployment.instance.get_runs() if "dagster/backfill" in run.tags]) == 2


@pytest.mark.skipif(not ENDS_BACKFILLS, reason="before 1.13.24, Dagster does not end a backfill of which a day is lost")
def test_ten_days_with_a_gate(deployment, calls, backfilled_dune):
    """One call, a gate a day; the day that the gate closes on has no reader, and the table says which day it is."""
    days = JANUARY[:10]
    status, _ = backfill(deployment, [CHECKED, READER], days)
    assert status == "COMPLETED_FAILED"
    (body,) = calls()
    asked = [node["query_execution"] for node in body["pipeline"]["nodes"]]
    gates = [node["query_parameters"]["day"] for node in asked if node["query_id"] == 20]
    assert gates == days
    executed = [execution["query_id"] for execution in backfilled_dune.executions()]
    assert [executed.count(number) for number in (12, 20, 13)] == [10, 10, 9]
    materialized = deployment.instance.get_materialized_partitions
    assert materialized(dg.AssetKey(CHECKED)) == set(days)
    assert materialized(dg.AssetKey(READER)) == set(days) - {"2024-01-05"}
    check = dg.AssetCheckKey(dg.AssetKey(CHECKED), "no_fifth")
    summary = deployment.instance.event_log_storage.get_asset_check_summary_records([check])[check]
    said = summary.last_completed_check_execution_record.event.dagster_event.asset_check_evaluation_data
    assert said.description == "1 of 10 partitions failed: 2024-01-05."
    table = [record.data for record in said.metadata["dagster-dune/by_partition"].records]
    assert [(row["partition"], row["passed"]) for row in table] == [(day, day != "2024-01-05") for day in days]


def test_a_killed_range_is_taken_over_partition_by_partition(deployment, calls, backfilled_dune):
    deployment.succeed(deployment.launch(MATVIEW))
    backfilled_dune.hold(10, times=1)
    run_id = deployment.launch(EACH, tags={RANGE_START_TAG: JANUARY[0], RANGE_END_TAG: JANUARY[4]})
    wait_until(lambda: ended(backfilled_dune, 10) == 4)
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    again = deployment.reexecute(run_id, "FROM_FAILURE")
    backfilled_dune.release(10)
    deployment.succeed(again)
    assert len(calls()) == 2
    assert [execution["query_id"] for execution in backfilled_dune.executions()].count(10) == 5
    assert deployment.instance.get_materialized_partitions(dg.AssetKey(EACH)) == set(JANUARY[:5])


def test_from_asset_failure_leaves_out_the_lost_day_of_an_asset_that_has_others(deployment, calls, backfilled_dune):
    """Dagster selects what has told nothing; from failure is the way to the day."""
    deployment.succeed(deployment.launch(MATVIEW))
    days, lost = JANUARY[:3], JANUARY[1]
    partitioned_location.break_account(backfilled_dune, lost)
    run_id = deployment.launch(EACH, SPAN, tags={RANGE_START_TAG: days[0], RANGE_END_TAG: days[-1]})
    assert deployment.finish(run_id).is_failure
    partitioned_location.load_account(backfilled_dune)
    sent = len(calls())

    from_asset_failure = deployment.succeed(deployment.reexecute(run_id, "FROM_ASSET_FAILURE"))
    assert set(deployment.materialized(from_asset_failure.run_id)) == {"/".join(SPAN)}
    assert deployment.instance.get_materialized_partitions(dg.AssetKey(EACH)) == set(days) - {lost}

    deployment.succeed(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert deployment.instance.get_materialized_partitions(dg.AssetKey(EACH)) == set(days)
    span, day = [[node["query_execution"] for node in body["pipeline"]["nodes"]] for body in calls()[sent:]]
    assert [node["query_id"] for node in span] == [11]
    assert day == [{"query_id": 10, "query_parameters": {"day": lost}}]


def test_where_every_asset_has_a_day_from_asset_failure_finds_nothing(deployment, calls, backfilled_dune):
    deployment.succeed(deployment.launch(MATVIEW))
    partitioned_location.break_account(backfilled_dune, JANUARY[0])
    run_id = deployment.launch(EACH, tags={RANGE_START_TAG: JANUARY[0], RANGE_END_TAG: JANUARY[1]})
    assert deployment.finish(run_id).is_failure
    assert "re-execute the run from failure" in deployment.failure_text(run_id)
    assert deployment.reexecute(run_id, "FROM_ASSET_FAILURE") is None


def ended(dune, query_id):
    states = [execution["state"] for execution in dune.executions() if execution["query_id"] == query_id]
    return states.count("QUERY_STATE_COMPLETED")


def test_a_schedule_runs_the_days_that_have_ended(deployment, calls):
    runs = deployment.instance
    deployment.succeed(deployment.launch(MATVIEW))
    selector = {
        "repositoryLocationName": deployment.location_name,
        "repositoryName": "__repository__",
        "scheduleName": "latest_days_schedule",
    }
    started = deployment.graphql(START_SCHEDULE, selector=selector)["startSchedule"]
    assert started["__typename"] == "ScheduleStateResult", started
    ticked = wait_until(lambda: [run for run in runs.get_runs() if run.job_name == "latest_days" and run.is_finished])
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
