"""The sensor asks the checks without a query of what was refreshed outside Dagster, and no others."""

import logging

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, MaterializedView, Query, build_dune_assets, build_dune_refresh_sensor
from dagster_dune._refreshes.refresh_checks import checked

A = "dune.acme.result_amounts"
KEY = dg.AssetKey(A.split("."))
CATALOG = DuneCatalog(materialized_views=[MaterializedView(name=A, query_id=1)], queries=[Query(query_id=2, deps=[A])])
CHECKS = [
    DuneCheck(asset=A, name="enough", kind="row_count", at_least=2),
    DuneCheck(asset=A, name="steady", kind="row_count", factor_at_most=2, severity="WARN"),
    DuneCheck(asset=A, name="columns", kind="columns", columns={"amount": "integer"}),
    DuneCheck(asset=A, name="fresh", kind="freshness", max_age_hours=1),
    DuneCheck(asset=A, name="cheap", kind="credits", at_most=1000),
    DuneCheck(asset=A, name="quick", kind="seconds", at_most=1000, blocking=True),
    DuneCheck(asset=A, name="no_negative", kind="rows", query_id=11),
    DuneCheck(asset="query_2", name="some", kind="row_count", at_least=1),
]


@pytest.fixture
def refresh(dune, client, finish):
    """A function that refreshes the matview outside Dagster, with so many rows; fewer than none let it fail."""

    def do(rows):
        values = ", ".join(f"({number})" for number in range(rows))
        sql = f"SELECT amount FROM (VALUES {values}) AS t (amount)" if rows > 0 else "SELECT missing FROM dex.trades"
        dune.load_query(1, "amounts", sql)
        dune.load_query(2, "all", f"SELECT amount FROM {A}")
        dune.load_materialized_view(A, 1)
        finish(client, client.refresh_materialized_view(A).execution_id)

    return do


@pytest.fixture
def tick(instance, resource):
    """A function that ticks the sensor as the daemon does."""

    def go(checks=CHECKS, dune=resource):
        sensor = build_dune_refresh_sensor([build_dune_assets(CATALOG, checks=checks)])
        with dg.build_sensor_context(instance=instance, resources={"dune": dune}, sensor_name=sensor.name) as context:
            events = sensor.evaluate_tick(context).asset_events
        for event in events:
            instance.report_runless_asset_event(event)
        return events

    return go


def latest(instance, name, key=KEY):
    check = dg.AssetCheckKey(key, name)
    record = instance.event_log_storage.get_asset_check_summary_records([check])[check]
    last = record.last_completed_check_execution_record
    return last and last.event.dagster_event.asset_check_evaluation_data


def test_checks_without_a_query_follow_the_materialization(refresh, tick, instance, dune):
    refresh(1)
    before = len(dune.executions())
    events = tick()
    assert [type(event).__name__ for event in events] == ["AssetMaterialization"] + 6 * ["AssetCheckEvaluation"]
    found = {event.check_name: event for event in events[1:]}
    assert {name: event.passed for name, event in found.items()} == {
        "cheap": True,
        "columns": True,
        "enough": False,
        "fresh": True,
        "quick": True,
        "steady": True,
    }
    assert found["enough"].description == "Refreshed outside Dagster. The row count is 1: it must be at least 2."
    assert found["steady"].severity is dg.AssetCheckSeverity.WARN
    assert (found["quick"].blocking, found["cheap"].blocking) == (True, False)
    assert {entry["method"] for entry in dune.journal()[before:] if "refresh" not in entry["path"]} == {"GET"}
    assert len(dune.executions()) == before
    assert not latest(instance, "enough").passed
    assert latest(instance, "no_negative") is None
    assert latest(instance, "some", dg.AssetKey(["dune", "query_2"])) is None
    assert tick() == []


def test_a_row_count_is_compared_with_what_the_log_knows(refresh, tick, instance):
    for rows in (4, 6):
        refresh(rows)
        tick()
        assert latest(instance, "steady").passed
    refresh(40)
    tick()
    assert "the mean of the last 2 is 5" in latest(instance, "steady").description
    assert not latest(instance, "steady").passed


def test_several_refreshes_of_one_tick_are_compared_with_each_other(refresh, tick, instance):
    refresh(4)
    tick()
    refresh(6)
    refresh(40)
    events = [event for event in tick() if getattr(event, "check_name", "") == "steady"]
    assert [event.passed for event in events] == [True, False]
    assert "the mean of the last 2 is 5" in events[1].description


def test_a_failure_outside_is_no_result(refresh, tick, instance):
    refresh(3)
    tick()
    refresh(0)
    assert [type(event).__name__ for event in tick()] == ["AssetObservation"]
    assert latest(instance, "enough").passed


def test_a_check_whose_figure_dune_does_not_tell_has_no_result(instance, caplog):
    checks = {dg.AssetCheckKey(KEY, check.name): check for check in CHECKS[:1]}
    events = [dg.AssetMaterialization(KEY)]
    assert list(checked(instance, checks, events, logging.getLogger("sensor"))) == events
    assert f"The check enough of {A} has no result: " in caplog.text


def test_a_pinned_column_that_has_gone_is_told(refresh, tick, instance):
    refresh(3)
    (_, found) = tick([DuneCheck(asset=A, name="columns", kind="columns", columns={"gone": "bigint"})])
    assert not found.passed
    assert "gone is missing; amount is new" in found.description


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("row_count", {"dagster/row_count": "many"}),
        ("row_count", {"dagster-dune/range_row_count": "many", "dagster-dune/range_partitions": "all"}),
        ("seconds", {"dagster-dune/execution_seconds": [1]}),
        ("freshness", {"dagster-dune/execution_ended_at": 1e300}),
        ("freshness", {"dagster-dune/execution_ended_at": "yesterday"}),
    ],
)
def test_what_somebody_has_reported_with_no_number_has_no_answer(instance, caplog, kind, metadata):
    bound = {"row_count": "at_least", "seconds": "at_most", "freshness": "max_age_hours"}[kind]
    check = DuneCheck.model_validate({"asset": A, "name": "told", "kind": kind, bound: 1})
    made = dg.AssetMaterialization(KEY, metadata=metadata)
    checks = {dg.AssetCheckKey(KEY, "told"): check}
    assert list(checked(instance, checks, [made], logging.getLogger("sensor"))) == [made]
    assert "The check told of dune.acme.result_amounts has no result" in caplog.text
