"""Executions over HTTP: the queue, cancellation, pages, CSV, uploads."""

import csv
import io
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ulid import ULID
from waiting import PATIENCE, finished

from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.server import DuneEmulator

SQL = 0  # the id under which SQL that is not saved is executed
ROWS = "SELECT n, n * 2 AS twice, 'a, b' AS \"x, y\" FROM (VALUES 1, 2, 3) AS t(n) ORDER BY n"


@pytest.fixture
def rows(http, client, finish):
    """The path of an execution of three rows."""
    execution_id = http.post("/sql/execute", json={"sql": ROWS}).json()["execution_id"]
    finish(client, execution_id)
    return f"/execution/{execution_id}"


def test_ids_are_ulids(http):
    execution_id = http.post("/sql/execute", json={"sql": "SELECT 1 AS n"}).json()["execution_id"]
    assert str(ULID.from_str(execution_id)) == execution_id


def test_times_have_up_to_nine_digits_and_a_z(http, rows):
    status = http.get(f"{rows}/status").json()
    for name in ("submitted_at", "execution_started_at", "execution_ended_at", "expires_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", status[name])


def test_an_execution_takes_its_least_time(database, finish):
    with (
        DuneEmulator(execution_seconds=0.25, database=database) as dune,
        DuneApiClient(dune.api_key, dune.url, PATIENCE) as client,
    ):
        done = finish(client, client.execute_sql("SELECT 1 AS n").execution_id)
    assert done.result_metadata.execution_time_millis >= 250


@pytest.fixture
def three(two_workers, two_workers_client):
    """Three executions where two find a worker: these are held, and the third waits."""
    two_workers.hold(SQL)
    submitted = [two_workers_client.execute_sql(f"SELECT {number} AS n").execution_id for number in range(3)]
    two_workers.wait_until_held(SQL, executions=2, timeout=PATIENCE)
    return submitted


def test_results_of_an_execution_that_has_not_ended_have_no_rows(two_workers_client, three):
    results = two_workers_client.get_execution_results(three[0])
    assert (results.is_execution_finished, results.result) == (False, None)
    status = two_workers_client.get_execution_status(three[0])
    assert (status.execution_cost_credits, status.result_metadata, status.expires_at) == (None, None, None)


def test_what_finds_no_worker_is_pending(two_workers, two_workers_client, three, finish):
    assert two_workers_client.get_execution_status(three[2]).state == "QUERY_STATE_PENDING"
    two_workers.release()
    first, second, third = (finish(two_workers_client, execution_id) for execution_id in three)
    assert third.execution_started_at >= min(first.execution_ended_at, second.execution_ended_at)
    waited = third.execution_started_at - third.submitted_at
    assert third.result_metadata.pending_time_millis == pytest.approx(waited.total_seconds() * 1000, abs=1)


def test_a_running_statement_is_interrupted(client, finish, endless, until_running):
    submitted = client.execute_sql(endless)
    until_running(client, submitted.execution_id)
    assert client.cancel_execution(submitted.execution_id) is True
    status = finish(client, submitted.execution_id)
    assert (status.state, status.error) == ("QUERY_STATE_CANCELLED", None)
    assert status.execution_cost_credits == 1


def test_several_cancellations_of_one_execution_are_one(client, endless, until_running):
    submitted = client.execute_sql(endless)
    until_running(client, submitted.execution_id)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.cancel_execution, [submitted.execution_id] * 4))
    assert any(answers)
    assert client.get_execution_status(submitted.execution_id).state == "QUERY_STATE_CANCELLED"


def test_a_cancellation_may_come_at_any_moment(client):
    sql = "SELECT n FROM UNNEST(sequence(1, 5000)) AS t(n)"
    begin = time.monotonic()
    execution_id = client.execute_sql(sql).execution_id
    finished(client, execution_id)
    whole = time.monotonic() - begin
    for step in range(100):
        execution_id = client.execute_sql(sql).execution_id
        time.sleep(whole * step / 100)
        cancelled = client.cancel_execution(execution_id)
        status = client.get_execution_status(execution_id)
        assert status.state == ("QUERY_STATE_CANCELLED" if cancelled else "QUERY_STATE_COMPLETED"), status.error


def test_a_pending_execution_is_cancelled_for_nothing(two_workers, two_workers_client, three, finish):
    assert two_workers_client.cancel_execution(three[2]) is True
    status = two_workers_client.get_execution_status(three[2])
    assert (status.state, status.execution_started_at) == ("QUERY_STATE_CANCELLED", None)
    assert status.execution_cost_credits == 0
    two_workers.release()
    assert finish(two_workers_client, three[0]).state == "QUERY_STATE_COMPLETED"


def test_a_cancelled_refresh_leaves_the_rows_as_they_were(dune, client, finish):
    view = "dune.acme.result_x"
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view(view, 1)
    finish(client, client.refresh_materialized_view(view).execution_id)
    client.update_query(1, query_sql="SELECT 2 AS n")
    dune.hold(view)
    submitted = client.refresh_materialized_view(view)
    dune.wait_until_held(view, timeout=PATIENCE)
    assert client.cancel_execution(submitted.execution_id) is True
    done = finish(client, client.execute_sql(f"SELECT n FROM {view}").execution_id)
    assert client.get_execution_results(done.execution_id).result.rows == ({"n": 1},)


def test_the_server_answers_while_sql_runs(client, http, endless, until_running):
    running = [client.execute_sql(endless).execution_id for _ in range(2)]
    for execution_id in running:
        until_running(client, execution_id)
    assert http.get("/queries").status_code == 200
    assert all(client.cancel_execution(execution_id) for execution_id in running)


def test_a_matview_that_was_never_refreshed_does_not_exist(dune, client, finish):
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_x", 1)
    failed = finish(client, client.execute_sql("SELECT n FROM dune.acme.result_x").execution_id)
    assert "does not exist" in failed.error.message
    finish(client, client.refresh_materialized_view("dune.acme.result_x").execution_id)
    assert finish(client, client.execute_sql("SELECT n FROM dune.acme.result_x").execution_id).state == (
        "QUERY_STATE_COMPLETED"
    )


def test_a_failed_refresh_leaves_the_rows_as_they_were(dune, client, finish):
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_x", 1)
    finish(client, client.refresh_materialized_view("dune.acme.result_x").execution_id)
    client.update_query(1, query_sql="SELECT 1 / 0 AS n")
    failed = finish(client, client.refresh_materialized_view("dune.acme.result_x").execution_id)
    assert failed.state == "QUERY_STATE_FAILED"
    done = finish(client, client.execute_sql("SELECT n FROM dune.acme.result_x").execution_id)
    assert client.get_execution_results(done.execution_id).result.rows == ({"n": 1},)


def test_options_of_an_execution_come_in_the_body_or_in_the_query_string(dune, http, client, finish):
    parameter = {"key": "a b", "type": "text", "value": "x"}
    dune.load_query(1, "n", "SELECT '{{a b}}' AS n", parameters=[parameter])
    values = '{"a b": "y"}'
    for options in (
        {"params": {"query_parameters": values, "performance": "large"}},
        {"json": {"query_parameters": {"a b": "y"}, "performance": "large"}},
    ):
        execution_id = http.post("/query/1/execute", **options).json()["execution_id"]
        assert finish(client, execution_id).execution_cost_credits > 2
        assert client.get_execution_results(execution_id).result.rows == ({"n": "y"},)


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("number", "1.5", True),
        ("number", 10**30, True),
        ("number", "1; DROP", False),
        ("datetime", "2024-01-31 10:00:00", True),
        ("datetime", "2024-01-31", True),
        ("datetime", "yesterday", False),
        ("enum", "b", True),
        ("enum", "c", False),
        ("text", True, False),
        ("text", ["a"], False),
    ],
)
def test_values_fit_the_type_of_their_parameter(dune, http, kind, value, good):
    parameter = {"key": "p", "type": kind, "value": "a", "enumOptions": ["a", "b"]}
    dune.load_query(1, "n", "SELECT '{{p}}' AS n", parameters=[parameter])
    answer = http.post("/query/1/execute", json={"query_parameters": {"p": value}})
    assert answer.status_code == (200 if good else 400), answer.text


# --- pages ---


def test_columns_may_hold_commas(http, rows):
    answer = http.get(f"{rows}/results", params={"columns": 'n,"x, y"', "limit": 1}).json()
    assert answer["result"]["rows"] == [{"n": 1, "x, y": "a, b"}]
    assert answer["result"]["metadata"]["column_names"] == ["n", "x, y"]


def test_a_page_behind_the_last_row_is_empty(http, rows):
    answer = http.get(f"{rows}/results", params={"offset": 3}).json()
    assert answer["result"]["rows"] == []
    assert "next_offset" not in answer


def test_csv_has_the_same_pages(http, rows):
    first = http.get(f"{rows}/results/csv", params={"limit": 2, "columns": "n,twice"})
    assert first.headers["content-type"].startswith("text/plain")
    assert first.text == "n,twice\n1,2\n2,4\n"
    assert first.headers["x-dune-next-offset"] == "2"
    second = http.get(first.headers["x-dune-next-uri"])
    assert list(csv.reader(io.StringIO(second.text))) == [["n", "twice"], ["3", "6"]]
    assert "x-dune-next-uri" not in second.headers


def test_the_next_uri_never_holds_the_key(http, dune, rows):
    answer = http.get(f"{rows}/results", params={"limit": 1, "api_key": dune.api_key}, headers={"X-Dune-Api-Key": ""})
    assert answer.status_code == 200
    assert dune.api_key not in answer.json()["next_uri"]


def test_a_page_holds_250_000_values_unless_more_are_asked_for(http, client, finish):
    sql = "SELECT n, m FROM UNNEST(sequence(1, 10000)) AS a(n) CROSS JOIN UNNEST(sequence(1, 13)) AS b(m)"
    execution_id = client.execute_sql(sql).execution_id
    finish(client, execution_id)
    page = client.get_execution_results(execution_id)
    assert (len(page.result.rows), page.next_offset) == (125_000, 125_000)
    assert page.result.metadata.datapoint_count == 250_000
    everything = http.get(f"/execution/{execution_id}/results", params={"ignore_max_datapoints_per_request": True})
    assert len(everything.json()["result"]["rows"]) == 130_000


@pytest.mark.parametrize(
    "options",
    [
        {"limit": -1},
        {"limit": "ten"},
        {"offset": -1},
        {"columns": "nothing"},
        {"filters": "n > now()"},
        {"sort_by": "nothing"},
        {"sample_count": 0},
        {"allow_partial_results": "perhaps"},
    ],
)
@pytest.mark.parametrize("form", ["results", "results/csv"])
def test_pages_that_cannot_be_cut(http, rows, options, form):
    answer = http.get(f"{rows}/{form}", params=options)
    assert answer.status_code == 400
    assert next(iter(options)) in answer.json()["error"]


def test_csv_of_an_execution_without_rows(http, client, finish):
    execution_id = client.execute_sql("SELECT nonsense").execution_id
    finish(client, execution_id)
    answer = http.get(f"/execution/{execution_id}/results/csv")
    assert answer.status_code == 400
    assert "QUERY_STATE_FAILED" in answer.json()["error"]


def test_the_latest_result_as_csv(dune, http, client, finish):
    dune.load_query(1, "n", "SELECT 1 AS n")
    assert http.get("/query/1/results/csv").status_code == 404
    finish(client, client.execute_query(1).execution_id)
    assert http.get("/query/1/results/csv").text == "n\n1\n"


def test_a_failure_does_not_hide_the_latest_result(dune, http, client, finish):
    divisor = {"key": "divisor", "type": "number", "value": "1"}
    dune.load_query(1, "n", "SELECT 1 / {{divisor}} AS n", parameters=[divisor])
    finish(client, client.execute_query(1).execution_id)
    failed = finish(client, client.execute_query(1, query_parameters={"divisor": 0}).execution_id)
    assert failed.state == "QUERY_STATE_FAILED"
    assert client.get_query_results(1).result.rows == ({"n": 1},)


# --- uploads ---


def test_an_uploaded_csv_is_a_table(http, client, finish):
    data = f"day,amount,name\n2024-01-01,{2**256 - 1},one\n2024-01-02,1,\n"
    body = {"table_name": "amounts", "data": data, "description": "Amounts", "is_private": True}
    answer = http.post("/uploads/csv", json=body)
    assert answer.json() == {"success": True, "table_name": "amounts"}
    done = finish(client, client.execute_sql("SELECT * FROM dune.acme.dataset_amounts ORDER BY day").execution_id)
    rows = client.get_execution_results(done.execution_id).result.rows
    assert [int(row["amount"]) for row in rows] == [2**256 - 1, 1]
    assert rows[0]["name"] == "one"
    assert client.get_usage().bytes_used == len(data)


def test_an_upload_replaces_the_one_of_its_name(http, client, finish):
    for data in ("n\n1\n", "m\n2\n"):
        assert http.post("/uploads/csv", json={"table_name": "x", "data": data}).status_code == 200
    done = finish(client, client.execute_sql("SELECT * FROM dune.acme.dataset_x").execution_id)
    assert client.get_execution_results(done.execution_id).result.rows == ({"m": 2},)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"table_name": "x"},
        {"data": "n\n1\n"},
        {"table_name": "", "data": "n\n1\n"},
        {"table_name": "no name", "data": "n\n1\n"},
        {"table_name": "x", "data": ""},
        {"table_name": 1, "data": "n\n1\n"},
    ],
)
def test_uploads_that_cannot_be_tables(http, body):
    answer = http.post("/uploads/csv", json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
