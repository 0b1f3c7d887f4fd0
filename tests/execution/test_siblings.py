"""Several retries of one run at the same time, against the local Dune: what is missing is sent, and paid, once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from waiting import wait_until

from dagster_dune import DuneCatalog, MaterializedView, Query, build_dune_assets

ONE = "dune.acme.result_one"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=ONE, query_id=1)], queries=[Query(query_id=2, deps=[ONE])]
)
ASSETS = build_dune_assets(CATALOG)
RESUMED = {"dagster/is_resume_retry": "true"}


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as stored:
        yield stored


@pytest.fixture
def account(dune):
    dune.load_query(1, "one", "SELECT 1 AS n")
    dune.load_materialized_view(ONE, 1)
    dune.load_query(2, "two", f"SELECT n FROM {ONE}")
    return dune


@pytest.fixture
def run(account, instance, resource):
    def materialize(tags=None):
        return dg.materialize(
            [ASSETS], resources={"dune": resource}, instance=instance, raise_on_error=False, tags=tags or {}
        )

    return materialize


def completed(dune):
    """How often each object was executed well."""
    done = [execution for execution in dune.executions() if execution["state"] == "QUERY_STATE_COMPLETED"]
    return Counter(execution["materialized_view"] or f"query_{execution['query_id']}" for execution in done)


@pytest.mark.parametrize("retries", [2, 4])
def test_resuming_siblings_complete_what_is_missing_once(account, run, retries):
    account.load_query(2, "two", f"SELECT CAST('x' AS BIGINT) AS n FROM {ONE}")
    parent = run()
    assert not parent.success
    account.load_query(2, "two", f"SELECT n FROM {ONE}")
    family = {"dagster/root_run_id": parent.run_id, "dagster/parent_run_id": parent.run_id, **RESUMED}
    with ThreadPoolExecutor(retries) as hands:
        results = list(hands.map(run, [family] * retries))
    assert [result.success for result in results] == [True] * retries
    assert all(len(result.get_asset_materialization_events()) == 2 for result in results)
    assert completed(account) == {ONE: 1, "query_2": 1}


def test_siblings_that_repeat_everything_at_once_share_one_pipeline(account, run, instance, calls):
    parent = run()
    assert parent.success
    family = {"dagster/root_run_id": parent.run_id, "dagster/parent_run_id": parent.run_id}
    account.hold(ONE)
    with ThreadPoolExecutor(2) as hands:
        retries = [hands.submit(run, family) for _ in range(2)]
        wait_until(lambda: any("Taking over" in line for line in lines(instance)))
        account.release()
        assert all(retry.result().success for retry in retries)
    assert len(calls()) == 2
    assert completed(account) == {ONE: 2, "query_2": 2}


def lines(instance):
    for run in instance.get_runs():
        for record in instance.get_records_for_run(run.run_id).records:
            yield record.event_log_entry.user_message


def test_a_sibling_that_fails_again_is_not_outdone_by_the_others(account, run):
    """Two clicks are one retry: what fails in it is not sent once more by the second click."""
    account.load_query(2, "two", f"SELECT CAST('x' AS BIGINT) AS n FROM {ONE}")
    parent = run()
    family = {"dagster/root_run_id": parent.run_id, "dagster/parent_run_id": parent.run_id, **RESUMED}
    with ThreadPoolExecutor(2) as hands:
        results = list(hands.map(run, [family] * 2))
    assert not any(result.success for result in results)
    assert completed(account) == {ONE: 1}
