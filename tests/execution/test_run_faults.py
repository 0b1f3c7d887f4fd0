"""Runs while Dune and the network misbehave: nothing is lost, and nothing is sent twice."""

import time

import dagster as dg
import pytest
from waiting import PATIENCE

from dagster_dune import DuneCatalog, MaterializedView, Query, build_dune_assets
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import submissions_of
from dagster_dune.api.http import rate_budget
from dagster_dune.pipeline import cancel

DAILY = "dune.acme.result_daily"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, query_id=1)],
    queries=[Query(query_id=10, deps=[DAILY]), Query(query_id=11, deps=["query_10"])],
)
ASSETS = build_dune_assets(CATALOG)
STATUS = "/api/v1/pipelines/executions/*/status"
EXECUTE = "/api/v1/pipelines/execute"
HTML = "<html><body>Bad gateway</body></html>"


@pytest.fixture(autouse=True)
def account(dune):
    dune.load_query(1, "daily", "SELECT 1 AS n")
    dune.load_query(10, "next", f"SELECT n FROM {DAILY}")
    dune.load_query(11, "last", "SELECT n FROM query_10")
    dune.load_materialized_view(DAILY, 1)
    return dune


def run(resource, instance, assets=ASSETS, tags=None):
    return dg.materialize([assets], resources={"dune": resource}, instance=instance, tags=tags, raise_on_error=False)


def lines(instance, run_id):
    return [record.event_log_entry.user_message for record in instance.get_records_for_run(run_id).records]


def failure(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data.description


def started(dune):
    """How often each object was executed."""
    counts = {}
    for execution in dune.executions():
        name = execution["materialized_view"] or f"query_{execution['query_id']}"
        counts[name] = counts.get(name, 0) + 1
    return counts


ONCE = {DAILY: 1, "query_10": 1, "query_11": 1}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("status", {"status": 429, "headers": {"Retry-After": "1"}, "body": {"error": "slow down"}}),
        ("status", {"status": 429, "body": {"error": "slow down"}}),
        ("status", {"status": 503, "body": HTML, "headers": {"Content-Type": "text/html"}}),
        ("status", {"status": 200, "body": HTML, "headers": {"Content-Type": "text/html"}}),
        ("status", {"status": 500, "body": ""}),
        ("reset", {}),
        ("reset", {"when": "after"}),
        ("truncated", {}),
        ("malformed", {}),
        ("delay", {"seconds": 3600}),
        ("wrong_word", {"word": "QUERY_STATE_NAPPING", "node": 10}),
        ("wrong_word", {"word": "napping"}),
        ("lost_node", {"node": DAILY}),
        ("null_nodes", {}),
        ("young_pipeline", {"seconds": 0.3}),
    ],
    ids=str,
)
@pytest.mark.parametrize("max_retries", [0, 1])
def test_faults_of_status_requests_are_borne(
    dune, resource_with, instance, calls, monkeypatch, kind, settings, max_retries
):
    # After an answer 429, reads are spread over the minute that Dune counts by: here it is a short one.
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 2.0)
    dune.inject(kind, method="GET", path=STATUS, times=3, **settings)
    # Where answers are waited for in vain, for a short while; but a busy machine must answer the others within it.
    resource = resource_with(max_retries=max_retries, **({"timeout": 3} if kind == "delay" else {}))
    result = run(resource, instance)
    assert result.success
    assert len(result.get_asset_materialization_events()) == 3
    assert len(calls()) == 1
    assert started(dune) == ONCE


def test_an_execution_that_cannot_be_asked_is_asked_again(dune, resource_with, instance):
    dune.inject("wrong_word", method="GET", path=STATUS, times=10_000, word="napping", node=10)
    dune.inject("status", method="GET", path="/api/v1/execution/*/status", times=2, status=503)
    assert run(resource_with(max_retries=0, details=False), instance).success
    assert started(dune) == ONCE
    (run_id,) = [run.run_id for run in instance.get_runs()]
    assert any(
        "The execution of query_10 could not be asked; asking again." in line for line in lines(instance, run_id)
    )


def test_what_could_not_be_cancelled_is_told_by_name(dune, resource_with, instance, monkeypatch):
    monkeypatch.setattr(cancel, "CANCEL_SECONDS", 1.0)
    dune.hold(10)
    dune.inject("status", method="POST", path="/api/v1/execution/*/cancel", times=10_000, status=503)
    told = failure(run(resource_with(max_retries=0, run_timeout=0.5), instance))
    dune.release()
    assert "has not ended within 0.5 s" in told
    (run_id,) = [run.run_id for run in instance.get_runs()]
    assert any("These may still run in pipeline" in line and "query_10" in line for line in lines(instance, run_id))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("status", {"status": 503, "body": HTML, "when": "after"}),
        ("status", {"status": 200, "body": "{}", "when": "after"}),
        ("reset", {"when": "after"}),
        ("truncated", {}),
        ("malformed", {}),
        ("delay", {"seconds": 3600, "when": "after"}),
    ],
    ids=str,
)
def test_a_submission_whose_answer_is_lost_is_never_repeated(dune, resource_with, instance, calls, kind, settings):
    dune.inject(kind, method="POST", path=EXECUTE, **settings)
    resource = resource_with(**({"timeout": 3} if kind == "delay" else {}))
    told = failure(run(resource, instance, build_dune_assets(CATALOG, retry_policy=dg.RetryPolicy(max_retries=3))))
    assert "AmbiguousSubmission" in told
    assert len(calls()) == 1
    (record,) = submissions_of(instance, instance.get_runs(), "dune_assets")
    assert (record.pipeline_execution_id, record.state) == (None, State.LOST)
    assert f"dagster-dune/resubmit={record.id}" in told


def test_a_pipeline_of_other_queries_is_not_adopted(dune, resource_with, instance, calls):
    """Its rows would be those of another query, and what is sent beside it may be running."""
    dune.load_query(12, "other", "SELECT 1 AS n")
    dune.load_query(13, "another", "SELECT 2 AS n")
    others = build_dune_assets(DuneCatalog(queries=[Query(query_id=12), Query(query_id=13)]), name="others")
    (event, _) = run(resource_with(), instance, others).get_asset_materialization_events()
    pipeline = event.materialization.metadata["dagster-dune/pipeline_execution_id"].value
    dune.inject("reset", method="POST", path=EXECUTE, when="after")
    lost = run(resource_with(), instance)
    (record,) = submissions_of(instance, instance.get_runs(), "dune_assets")
    tags = {"dagster/parent_run_id": lost.run_id, "dagster-dune/adopt": f"{record.id}:{pipeline}"}
    again = run(resource_with(), instance, tags=tags)
    told = failure(again)
    assert f"Pipeline {pipeline} is not the one that was sent: it runs query_13 in place of query_10." in told
    assert again.get_asset_materialization_events() == []
    assert len(calls()) == 2


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}], ids=str)
def test_a_submission_that_dune_puts_off_is_repeated(dune, resource_with, instance, calls, headers):
    dune.inject("status", method="POST", path=EXECUTE, status=429, body={"error": "slow down"}, headers=headers)
    assert run(resource_with(max_retries=2), instance).success
    assert len(calls()) == 2
    assert started(dune) == ONCE


@pytest.mark.parametrize(("status", "words"), [(402, "DuneCreditsExhaustedError"), (403, "DunePermissionError")])
def test_a_refusal_says_what_to_do(dune, resource, instance, calls, status, words):
    dune.inject("status", method="POST", path=EXECUTE, status=status, body={"error": "no"})
    assert words in failure(run(resource, instance))
    assert len(calls()) == 1
    assert dune.executions() == []


def test_an_outage_fails_the_attempt_and_leaves_the_pipeline_to_the_next_one(dune, resource_with, instance, calls):
    dune.inject("status", method="GET", path=STATUS, status=503)
    resource = resource_with(max_retries=0, poll_failure_tolerance=0)
    assets = build_dune_assets(CATALOG, retry_policy=dg.RetryPolicy(max_retries=1))
    result = run(resource, instance, assets)
    assert [event.event_type_value for event in result.all_events].count("STEP_UP_FOR_RETRY") == 1
    assert result.success
    assert len(calls()) == 1
    assert started(dune) == ONCE


def test_details_that_cannot_be_had_hold_nothing_up(dune, resource_with, instance):
    dune.inject("status", method="GET", path="/api/v1/execution/*/status", status=429, times=None)
    begin = time.monotonic()
    result = run(resource_with(details_timeout=rate_budget.DETAILS_PAUSE - 1), instance)
    assert result.success
    assert time.monotonic() - begin < PATIENCE
    for event in result.get_asset_materialization_events():
        assert "rate limit" in event.materialization.metadata["dagster-dune/details_missing"].value


def test_a_failing_node_tells_dunes_words(dune, resource, instance):
    dune.inject("failing_node", node=10, message="Query exceeded its memory")
    told = failure(run(resource, instance))
    assert "dune/query_10: Query exceeded its memory" in told
    assert started(dune) == {DAILY: 1, "query_10": 1}


NOT_SURE = [301, 303, 307, 405, 408, 409, 410, 418, 425, 451, 499, 500, 502, 504, 520]
SURE = [400, 401, 402, 403, 404, 422, 429]


@pytest.mark.parametrize("status", NOT_SURE)
def test_an_answer_that_leaves_it_open_is_never_followed_by_a_second_request(
    dune, resource_with, instance, calls, status
):
    dune.inject("status", method="POST", path=EXECUTE, status=status, body={"error": "no"}, when="after")
    assert "AmbiguousSubmission" in failure(run(resource_with(max_retries=2), instance))
    assert len(calls()) == 1
    (record,) = submissions_of(instance, instance.get_runs(), "dune_assets")
    assert record.state is State.LOST


@pytest.mark.parametrize("status", SURE)
def test_what_a_gateway_says_is_not_dunes_word(dune, resource_with, instance, calls, status):
    dune.inject("status", method="POST", path=EXECUTE, status=status, body=HTML, when="after")
    assert "AmbiguousSubmission" in failure(run(resource_with(max_retries=2), instance))
    assert len(calls()) == 1


@pytest.mark.parametrize("status", SURE)
def test_what_dune_refuses_was_surely_not_started(dune, resource_with, instance, calls, status):
    dune.inject("status", method="POST", path=EXECUTE, status=status, body={"error": "no"}, times=None)
    run(resource_with(max_retries=0), instance)
    (record,) = submissions_of(instance, instance.get_runs(), "dune_assets")
    assert record.state is State.REFUSED
