"""What a run tells of nodes whose details came after their events, or never."""

import dagster as dg
import pytest
from waiting import PATIENCE

from dagster_dune import DuneCatalog, DuneCheck, Query, build_dune_assets
from dagster_dune.api.http import rate_budget
from dagster_dune.metadata import DETAILS_MISSING, EXECUTION_ID, ROW_COUNT

SIZE = 12
CATALOG = DuneCatalog(queries=[Query(query_id=1), *(Query(query_id=n, deps=["query_1"]) for n in range(2, SIZE + 1))])
EXECUTION_STATUS = "/api/v1/execution/*/status"


@pytest.fixture(autouse=True)
def account(dune):
    for number in range(1, SIZE + 1):
        dune.load_query(number, f"Query {number}", "SELECT 1 AS n UNION ALL SELECT 2")


def run(resource, instance, catalog=CATALOG):
    return dg.materialize(
        [build_dune_assets(catalog)], resources={"dune": resource}, instance=instance, raise_on_error=False
    )


def materialized(result):
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key: event.metadata for event in events}


def observed(result):
    events = [event.event_specific_data.asset_observation for event in result.get_asset_observation_events()]
    return {event.asset_key: event.metadata for event in events}


def warnings_of(result, instance):
    entries = [entry.user_message for entry in instance.all_logs(result.run_id)]
    return [text for text in entries if text.startswith("No details")]


def test_they_are_observed_after_the_last_event(resource_with, instance, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 1.0)
    result = run(resource_with(reads_per_minute=8, details_timeout=PATIENCE), instance)
    assert result.success
    told, late = materialized(result), observed(result)
    without = {key for key, metadata in told.items() if ROW_COUNT not in metadata}
    assert len(told) == SIZE
    assert without
    assert late.keys() == without
    assert all(metadata[ROW_COUNT].value == 2 and DETAILS_MISSING not in metadata for metadata in late.values())
    assert all(late[key][EXECUTION_ID] == told[key][EXECUTION_ID] for key in without)
    kinds = [event.event_type_value for event in result.all_events if event.event_type_value.startswith("ASSET_")]
    last_materialization = max(n for n, kind in enumerate(kinds) if kind == "ASSET_MATERIALIZATION")
    assert last_materialization < min(n for n, kind in enumerate(kinds) if kind == "ASSET_OBSERVATION")
    assert not warnings_of(result, instance)


def test_what_stays_missing_is_told_in_one_warning_and_delays_nothing(resource_with, instance, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 3600.0)
    monkeypatch.setattr(rate_budget.RateBudget, "seconds_to_wait", only_details_wait)
    result = run(resource_with(reads_per_minute=8, details_timeout=PATIENCE), instance)
    assert result.success
    without = [key for key, metadata in materialized(result).items() if ROW_COUNT not in metadata]
    assert len(without) == SIZE
    assert not observed(result)
    (warning,) = warnings_of(result, instance)
    assert f"{SIZE} nodes" in warning
    assert "no room" in warning


def only_details_wait(budget, purpose):
    return 3600.0 if purpose is rate_budget.Purpose.DETAILS else 0.0


ODD_DETAILS = {
    "no zone": '{"execution_ended_at": "2026-01-01T00:00:00"}',
    "years": '{"execution_started_at": "0001-01-01T00:00:00Z", "execution_ended_at": "9999-12-31T23:59:59-14:00"}',
    "an error": '{"error": "boom"}',
    "a list": "[[[[]]]]",
    "a text": "x" * 100,
    "NaN": '{"execution_cost_credits": NaN, "result_metadata": {"total_row_count": Infinity}}',
    "400 digits": f'{{"result_metadata": {{"total_result_set_bytes": {"9" * 400}}}}}',
    "5,000 digits": f'{{"result_metadata": {{"total_row_count": {"9" * 5000}}}}}',
    "a lone surrogate": '{"result_metadata": {"column_names": ["\\ud800"], "column_types": ["int"]}}',
    "a name of 100 kB": f'{{"result_metadata": {{"column_names": ["{"c" * 100_000}"], "column_types": ["int"]}}}}',
}


@pytest.mark.parametrize("body", ODD_DETAILS.values(), ids=ODD_DETAILS)
def test_odd_details_are_missing_and_no_more(resource_with, instance, dune, body):
    dune.inject("status", method="GET", path=EXECUTION_STATUS, status=200, body=body, times=None)
    result = run(resource_with(), instance)
    assert result.success
    assert len(materialized(result)) == SIZE


def test_details_of_failed_nodes_are_caught_up_too(resource_with, instance, dune, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 1.0)
    dune.load_query(2, "Query 2", "SELECT no_such_column FROM query_1")
    result = run(resource_with(reads_per_minute=8, details_timeout=PATIENCE), instance)
    assert not result.success
    assert len(materialized(result)) == SIZE - 1
    events = [event.event_specific_data.asset_observation for event in result.get_asset_observation_events()]
    failed = [event for event in events if event.asset_key == dg.AssetKey(["dune", "query_2"])]
    assert any("Column 'no_such_column'" in (event.description or "") for event in failed)


def test_a_check_of_what_the_run_knows_has_its_details_whatever_the_budget(resource_with, instance, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 3600.0)
    monkeypatch.setattr(rate_budget.RateBudget, "seconds_to_wait", only_details_wait)
    checks = [DuneCheck(asset=f"query_{n}", name="two_rows", kind="row_count", at_least=2) for n in (3, 4)]
    catalog = DuneCatalog(queries=CATALOG.queries, checks=checks)
    result = run(resource_with(reads_per_minute=8), instance, catalog)
    assert result.success
    assert [evaluation.passed for evaluation in result.get_asset_check_evaluations()] == [True, True]
    with_details = {key.path[-1] for key, metadata in materialized(result).items() if ROW_COUNT in metadata}
    assert with_details == {"query_3", "query_4"}
