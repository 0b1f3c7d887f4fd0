"""What Dune does today and its OpenAPI document of January 2026 does not say: a test a fact."""

import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from plain_http import plain
from ulid import ULID
from waiting import PATIENCE, finished_over, wait_until

from dagster_dune.emulator.requests import RequestError
from dagster_dune.emulator.server import DuneEmulator

VIEW = "dune.acme.result_numbers"


def credits_used(http):
    return sum(period["credits_used"] for period in http.post("/usage").json()["billing_periods"])


@pytest.fixture
def ended(http):
    """A function that waits for an execution to end, and returns its status."""

    def wait(answer):
        assert answer.status_code == 200, answer.text
        return finished_over(http, answer.json()["execution_id"])

    return wait


@pytest.fixture
def rows(http, ended):
    """A function that executes SQL and returns its rows."""

    def run(sql, **fields):
        status = ended(http.post("/sql/execute", json={"sql": sql, **fields}))
        return http.get(f"/execution/{status['execution_id']}/results").json()["result"]["rows"]

    return run


@pytest.fixture
def numbers(dune):
    """A saved query, and a matview over it."""
    dune.load_query(1, "numbers", "SELECT 1 AS n")
    dune.load_materialized_view(VIEW, 1)


# --- requests that official clients send ---


def test_create_takes_defaults_as_query_parameters(http, ended):
    body = {
        "name": "q",
        "query_sql": "SELECT '{{word}}' AS word, {{n}} AS n",
        "query_parameters": {"word": "x", "n": 7},
        "is_private": False,
    }
    query_id = http.post("/query/", json=body).json()["query_id"]
    assert http.get(f"/query/{query_id}").json()["parameters"] == [
        {"key": "word", "type": "text", "value": "x"},
        {"key": "n", "type": "number", "value": "7"},
    ]
    ended(http.post(f"/query/{query_id}/execute", json={"query_parameters": {"word": "y"}}))
    assert http.get(f"/query/{query_id}/results").json()["result"]["rows"] == [{"word": "y", "n": 7}]
    described = {"query_parameters": [{"key": "word", "type": "text", "value": "z"}]}
    assert http.patch(f"/query/{query_id}", json=described).status_code == 200
    assert http.get(f"/query/{query_id}").json()["parameters"] == described["query_parameters"]


def test_sql_execute_takes_query_parameters(rows):
    sql = "SELECT '{{word}}' AS word, '{{several}}' AS several"
    values = {"word": "x", "several": ["a", "b"]}
    assert rows(sql, query_parameters=values) == [{"word": "x", "several": "a,b"}]


def test_a_temporary_query_is_in_no_list_and_backs_no_matview(http, ended):
    body = {"name": "t", "query_sql": "SELECT 1 AS n", "is_temp": True}
    query_id = http.post("/query", json=body).json()["query_id"]
    query = http.get(f"/query/{query_id}").json()
    assert (query["is_temp"], query["is_unsaved"]) == (True, True)
    assert http.get("/queries").json() == {"queries": [], "total": 0}
    assert ended(http.post(f"/query/{query_id}/execute"))["state"] == "QUERY_STATE_COMPLETED"
    refused = http.post("/materialized-views", json={"name": "result_t", "query_id": query_id})
    assert (refused.status_code, "is temporary" in refused.json()["error"]) == (400, True)


def test_an_update_takes_is_archived_and_the_query_id(http, numbers):
    assert http.patch("/query/1", json={"query_id": 1, "is_archived": True}).status_code == 200
    assert http.get("/query/1").json()["is_archived"] is True
    assert http.patch("/query/1", json={"name": "other"}).status_code == 400
    assert http.patch("/query/1", json={"is_archived": False}).status_code == 200
    assert http.get("/query/1").json()["is_archived"] is False
    refused = http.patch("/query/1", json={"query_id": 2})
    assert (refused.status_code, refused.json()["error"]) == (400, "query_id: 2 is not the query of the path, 1")


def test_a_querys_pipeline_is_executed_without_a_body(http, numbers, client, finish_pipeline):
    answer = http.post("/query/1/pipeline/execute")
    assert finish_pipeline(client, answer.json()["pipeline_execution_id"]).status == "completed"


def test_parameters_take_several_values(http, ended):
    chains = {"key": "chains", "type": "enum", "enumOptions": ["base", "bnb", "zora"], "isMultiselect": True}
    body = {"name": "q", "query_sql": "SELECT '{{chains}}' AS chains", "parameters": [chains | {"values": ["zora"]}]}
    query_id = http.post("/query", json=body).json()["query_id"]
    for given, text in ((None, "zora"), (["base", "bnb"], "base,bnb"), ("base,zora", "base,zora"), (["bnb"], "bnb")):
        options = {"query_parameters": {"chains": given}} if given else {}
        ended(http.post(f"/query/{query_id}/execute", json=options))
        assert http.get(f"/query/{query_id}/results").json()["result"]["rows"] == [{"chains": text}]
    refused = http.post(f"/query/{query_id}/execute", json={"query_parameters": {"chains": ["base", "solana"]}})
    assert (refused.status_code, "not 'solana'" in refused.json()["error"]) == (400, True)
    free = chains | {"isFreeformAllowed": True}
    query_id = http.post("/query", json={**body, "parameters": [free]}).json()["query_id"]
    ended(http.post(f"/query/{query_id}/execute", json={"query_parameters": {"chains": ["op, eth", "base"]}}))
    assert http.get(f"/query/{query_id}/results").json()["result"]["rows"] == [{"chains": "op, eth,base"}]
    single = {"name": "q", "query_sql": "SELECT {{n}} AS n", "parameters": [{"key": "n", "type": "number"}]}
    query_id = http.post("/query", json=single).json()["query_id"]
    refused = http.post(f"/query/{query_id}/execute", json={"query_parameters": {"n": [1, 2]}})
    assert (refused.status_code, refused.json()["error"]) == (400, "Parameter 'n' takes one value, not 2")


def test_a_csv_upload_may_have_commas_at_the_end(http, rows):
    data = "a,b,\n1,x,\n2,y\n"
    assert http.post("/uploads/csv", json={"table_name": "t", "data": data}).json()["success"] is True
    assert rows("SELECT * FROM dune.acme.dataset_t ORDER BY a") == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    for wrong in ("a,,b\n1,2,3\n", "a,b,\n1,2,3\n"):
        assert http.post("/uploads/csv", json={"table_name": "t", "data": wrong}).status_code == 400


@pytest.mark.parametrize("name", ["1st", "24h volume", "-x"])
def test_a_column_cannot_begin_with_a_digit_or_a_sign(http, name):
    refused = http.post("/uploads/csv", json={"table_name": "t", "data": f"{name}\n1\n"})
    assert (refused.status_code, "begins with a digit" in refused.json()["error"]) == (400, True)
    schema = [{"name": name, "type": "bigint"}]
    created = http.post("/uploads", json={"namespace": "acme", "table_name": "t", "schema": schema})
    assert created.status_code == 400


def test_an_update_saves_a_temporary_query(http):
    body = {"name": "t", "query_sql": "SELECT 1 AS n", "is_temp": True}
    query_id = http.post("/query", json=body).json()["query_id"]
    assert http.patch(f"/query/{query_id}", json={"is_temp": False}).status_code == 200
    assert http.get(f"/query/{query_id}").json()["is_temp"] is False
    assert http.get("/queries").json()["total"] == 1


@pytest.mark.parametrize("tier", ["free", "small", "medium", "large"])
def test_the_tiers_of_all_clients_are_accepted(http, numbers, tier):
    for path in ("/query/1/execute", "/query/1/pipeline/execute", f"/materialized-views/{VIEW}/refresh"):
        assert http.post(path, json={"performance": tier}).status_code == 200
    body = {"sql": "SELECT 1 AS n", "performance": tier}
    assert http.post("/sql/execute", json=body).status_code == 200
    assert http.post("/sql/execute", json=body | {"performance": "huge"}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},  # the Go client
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},  # curl -d
        {"Content-Type": "text/plain;charset=UTF-8"},
    ],
)
def test_json_is_read_whatever_its_content_type_says(http, numbers, headers):
    answer = http.post("/query/1/execute", content=b'{"performance": "medium"}', headers=headers)
    assert answer.status_code == 200
    created = http.post("/query", content=b'{"name": "q", "query_sql": "SELECT 1 AS n"}', headers=headers)
    assert http.get(f"/query/{created.json()['query_id']}").json()["query_sql"] == "SELECT 1 AS n"


def test_an_execution_needs_no_body(http, numbers):
    for path in ("/query/1/execute", f"/materialized-views/{VIEW}/refresh", "/query/1/pipeline/execute"):
        assert http.post(path).status_code == 200


@pytest.mark.parametrize("name", ["X-Dune-Api-Key", "X-DUNE-API-KEY", "x-dune-api-key"])
def test_the_key_is_taken_in_any_spelling_of_its_header(dune, name):
    assert plain.get(f"{dune.url}/api/v1/queries", headers={name: dune.api_key}).status_code == 200
    assert plain.get(f"{dune.url}/api/v1/queries", params={"api_key": dune.api_key}).status_code == 200


# --- matviews ---


def test_a_matview_has_no_id_for_ordinary_keys(http, numbers):
    assert "id" not in http.get(f"/materialized-views/{VIEW}").json()
    (listed,) = http.get("/materialized-views").json()["materialized_views"]
    assert (listed["id"], listed["sql_id"]) == ("", VIEW)


def test_a_matviews_schedule_is_shown_and_overwritten(http, numbers):
    path, body = f"/materialized-views/{VIEW}", {"name": "result_numbers", "query_id": 1, "is_private": False}
    assert http.get(path).json()["schedule"] is None
    expiry = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    given = {"cron_expression": "0 */6 * * *", "performance": "small", "expires_at": expiry}
    assert http.post("/materialized-views", json=body | given).json()["name"] == VIEW
    schedule = http.get(path).json()["schedule"]
    next_run = datetime.fromisoformat(schedule.pop("next_execution_time"))
    assert schedule == given
    assert timedelta(0) < next_run - datetime.now(UTC) <= timedelta(hours=6)
    assert (next_run.hour % 6, next_run.minute) == (0, 0)
    http.post("/materialized-views", json=body | given | {"expires_at": "2020-01-01T00:00:00Z"})
    assert http.get(path).json()["schedule"] is None
    http.post("/materialized-views", json=body | {"cron_expression": "0 6 * * *"})
    assert set(http.get(path).json()["schedule"]) == {"cron_expression", "next_execution_time"}
    http.post("/materialized-views", json=body)
    assert http.get(path).json()["schedule"] is None


@pytest.mark.parametrize("expiry", ["tomorrow", "2030-01-01", "2030-01-01T00:00:00"])
def test_an_expiry_is_a_time_and_belongs_to_a_schedule(http, numbers, expiry):
    body = {"name": "result_numbers", "query_id": 1}
    assert http.post("/materialized-views", json=body | {"expires_at": "2030-01-01T00:00:00Z"}).status_code == 400
    cron = {"cron_expression": "0 6 * * *"}
    refused = http.post("/materialized-views", json=body | cron | {"expires_at": expiry})
    assert (refused.status_code, "RFC 3339" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("result_x", True),
        ("result_", False),
        ("result_x_", False),
        ("result_X", False),
        ("x", False),
        ("result_" + "x" * 121, True),
        ("result_" + "x" * 122, False),
    ],
)
def test_a_matviews_name(http, numbers, name, is_good):
    answer = http.post("/materialized-views", json={"name": name, "query_id": 1})
    assert answer.status_code == (200 if is_good else 400)


def test_a_matviews_query_has_no_parameters(http, dune):
    dune.load_query(1, "q", "SELECT {{n}} AS n", parameters=[{"key": "n", "type": "number", "value": "1"}])
    refused = http.post("/materialized-views", json={"name": "result_n", "query_id": 1})
    assert (refused.status_code, "has parameters (n)" in refused.json()["error"]) == (400, True)


def test_what_cannot_back_a_matview_is_not_loaded_either(dune, http):
    dune.load_query(1, "q", "SELECT {{n}} AS n", parameters=[{"key": "n", "type": "number", "value": "1"}])
    dune.load_query(2, "q", "SELECT 1 AS n")
    http.post("/query/2/archive")
    body = {"name": "t", "query_sql": "SELECT 1 AS n", "is_temp": True}
    temporary = http.post("/query", json=body).json()["query_id"]
    refusals = {1: "has parameters (n)", 2: "Query is archived", temporary: "is temporary", 99: "Query 99 not found"}
    for query_id, words in refusals.items():
        with pytest.raises(RequestError, match=re.escape(words)):
            dune.load_materialized_view(VIEW, query_id)
    with pytest.raises(RequestError, match="none of these at the end"):
        dune.load_materialized_view("dune.acme.result_x_", 2)
    assert http.get("/materialized-views").json()["materialized_views"] == []


def test_an_upsert_runs_the_query_at_once_and_is_charged(http, numbers, ended):
    before = credits_used(http)
    status = ended(http.post("/materialized-views", json={"name": "result_numbers", "query_id": 1}))
    assert http.get(f"/materialized-views/{VIEW}").json()["last_execution_ids"] == [status["execution_id"]]
    assert credits_used(http) - before == pytest.approx(status["execution_cost_credits"], abs=0.01)


def test_a_matviews_query_cannot_be_changed(http, dune, numbers):
    dune.load_query(2, "other", "SELECT 2 AS n")
    refused = http.post("/materialized-views", json={"name": "result_numbers", "query_id": 2})
    assert (refused.status_code, "for query 1" in refused.json()["error"]) == (400, True)


def test_a_deleted_matview_is_ok_and_gone(http, numbers):
    assert http.delete(f"/materialized-views/{VIEW}").json() == {"message": "ok"}
    assert http.get(f"/materialized-views/{VIEW}").status_code == 404


def test_a_list_of_matviews_has_a_thousand_at_the_most(http, dune):
    dune.load_query(1, "n", "SELECT 1 AS n")
    for number in range(1001):
        dune.load_materialized_view(f"dune.acme.result_{number:04d}", 1)
    page = http.get("/materialized-views", params={"limit": 5000}).json()
    assert (len(page["materialized_views"]), page["next_offset"]) == (1000, 1000)
    page = http.get("/materialized-views", params={"offset": 1000}).json()
    assert (len(page["materialized_views"]), "next_offset" in page) == (1, False)


def test_an_unnamed_column_cannot_be_materialized(http, dune, ended):
    dune.load_query(1, "n", "SELECT 1 AS n, count(*) FROM dex.trades")
    status = ended(http.post("/materialized-views", json={"name": "result_n", "query_id": 1}))
    assert status["state"] == "QUERY_STATE_FAILED"
    assert "Column 2 of a materialized view has no name" in status["error"]["message"]


# --- answers ---


def test_the_latest_result_is_of_the_latest_version(http, numbers, ended):
    missing = "not found: No execution found for the latest version of the given query"
    ended(http.post("/query/1/execute"))
    assert http.get("/query/1/results").status_code == 200
    http.patch("/query/1", json={"query_sql": "SELECT 2 AS n"})
    for path in ("/query/1/results", "/query/1/results/csv"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": missing})
    ended(http.post("/query/1/execute"))
    assert http.get("/query/1/results").json()["result"]["rows"] == [{"n": 2}]


def test_an_archived_query_is_not_executed(http, numbers):
    http.post("/query/1/archive")
    words = "Not allowed to execute query. Query is archived, unsaved or not enough permissions"
    refresh = {"pipeline": {"nodes": [{"id": 1, "materialized_view_refresh": {"name": VIEW}}]}}
    for path, body in (
        ("/query/1/execute", {}),
        ("/query/1/pipeline/execute", {}),
        (f"/materialized-views/{VIEW}/refresh", {}),
        ("/pipelines/execute", refresh),
    ):
        answer = http.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, words), path


def test_a_limit_of_zero_reads_the_metadata_alone(http, numbers, ended):
    execution = ended(http.post("/query/1/execute"))["execution_id"]
    for path in (f"/execution/{execution}/results", "/query/1/results"):
        result = http.get(path, params={"limit": 0}).json()
        assert (result["result"]["rows"], "next_offset" in result) == ([], False)
        assert result["result"]["metadata"]["column_names"] == ["n"]
        assert result["result"]["metadata"]["total_row_count"] == 1
    assert http.get("/query/1/results/csv", params={"limit": 0}).text == "n\n"


@pytest.mark.parametrize("path", ["status", "results", "results/csv"])
def test_what_is_no_execution_id_is_invalid(http, path):
    answer = http.get(f"/execution/abc/{path}")
    assert (answer.status_code, answer.json()) == (400, {"error": "The requested execution ID (ID: abc) is invalid."})
    assert http.get(f"/execution/{ULID()}/{path}").status_code == 404
    assert http.post("/execution/abc/cancel").json() == answer.json()


def test_unknown_queries_and_parameters(http, numbers):
    answers = [
        http.get("/query/9"),
        http.post("/query/9/execute"),
        http.get("/query/9/pipeline"),
        http.post("/pipelines/execute", json={"query_id": 9}),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(404, "Query not found")] * 4
    node = {"id": 1, "query_execution": {"query_id": 9}}
    assert http.post("/pipelines/execute", json={"pipeline": {"nodes": [node]}}).status_code == 404
    refused = http.post("/query/1/execute", json={"query_parameters": {"x": 1}})
    assert (refused.status_code, refused.json()["error"]) == (400, "unknown parameters (x)")


@pytest.mark.parametrize(
    ("sql", "kind", "words", "line", "column"),
    [
        ("SELECT\n  nope FROM dex.trades", "EXECUTION_FAILED", "line 2:3: Column 'nope' cannot be resolved", 2, 3),
        ("SELECT 1 AS n FROM dex.nope", "EXECUTION_FAILED", "dex.nope", 1, 20),
        ("SELECT nope(1) AS n", "EXECUTION_FAILED", "nope", 1, 8),
        ("SELECT FROM WHERE", "SYNTAX", "mismatched input", 1, None),
        ("SELECT 'a", "SYNTAX", "not closed", None, None),
    ],
)
def test_sql_errors_have_type_text_line_and_column(http, ended, sql, kind, words, line, column):
    error = ended(http.post("/sql/execute", json={"sql": sql}))["error"]
    assert (error["type"], words in error["message"]) == (f"FAILED_TYPE_{kind}", True), error
    assert error.get("metadata", {}).get("line") == line
    assert column in (None, error.get("metadata", {}).get("column"))


def test_types_of_times_with_zones_have_no_precision(http, ended):
    sql = "SELECT TIMESTAMP '2024-01-02 03:04:05 UTC' AS a, TIMESTAMP '2024-01-02 03:04:05' AS b, ARRAY[now()] AS c"
    status = ended(http.post("/sql/execute", json={"sql": sql}))
    types = ["timestamp with time zone", "timestamp(0)", "array(timestamp with time zone)"]
    assert status["result_metadata"]["column_types"] == types
    results = http.get(f"/execution/{status['execution_id']}/results").json()["result"]
    assert results["metadata"]["column_types"] == types
    assert results["rows"][0]["a"].endswith(" UTC")


def test_decimals_and_large_integers_are_texts(http, ended):
    sql = "SELECT DECIMAL '1.50' AS a, UINT256 '7' AS b, INT256 '-7' AS c, 7 AS d, 1.5E0 AS e"
    status = ended(http.post("/sql/execute", json={"sql": sql}))
    (row,) = http.get(f"/execution/{status['execution_id']}/results").json()["result"]["rows"]
    assert row == {"a": "1.50", "b": "7", "c": "-7", "d": 7, "e": 1.5}


def test_null_in_csv_is_nil(http, ended):
    status = ended(http.post("/sql/execute", json={"sql": "SELECT CAST(NULL AS bigint) AS n, '' AS s"}))
    assert http.get(f"/execution/{status['execution_id']}/results/csv").text == "n,s\n<nil>,\n"


def test_credits_included_are_a_whole_number(http):
    (period,) = http.post("/usage").json()["billing_periods"]
    assert isinstance(period["credits_included"], int)


def test_times_of_the_api_end_in_no_zero(http, ended):
    for _ in range(20):
        status = ended(http.post("/sql/execute", json={"sql": "SELECT 1 AS n"}))
        fractions = [status[name][:-1].partition(".")[2] for name in ("submitted_at", "execution_ended_at")]
        assert not any(fraction.endswith("0") for fraction in fractions)


def test_nodes_are_listed_as_soon_as_a_pipeline_is_submitted(http, dune, numbers):
    dune.hold(VIEW)
    nodes = [
        {"id": 1, "materialized_view_refresh": {"name": VIEW}},
        {"id": 2, "dependencies": [1], "query_execution": {"query_id": 1}},
    ]
    pipeline = http.post("/pipelines/execute", json={"pipeline": {"nodes": nodes}}).json()["pipeline_execution_id"]
    status = http.get(f"/pipelines/executions/{pipeline}/status").json()
    dune.release()
    assert [node["id"] for node in status["node_executions"]] == [1, 2]
    assert status["node_executions"][1]["query_execution_status"] == {"query_id": 1, "status": "QUERY_STATE_PENDING"}


def test_a_result_that_has_expired_has_no_rows(database):
    with DuneEmulator(database=database, result_seconds=0.001) as dune:
        headers = {"X-Dune-Api-Key": dune.api_key}
        with httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", headers=headers, timeout=PATIENCE) as http:
            execution = http.post("/sql/execute", json={"sql": "SELECT 1 AS n"}).json()["execution_id"]
            wait_until(
                lambda: http.get(f"/execution/{execution}/status").json()["state"],
                lambda state: state == "QUERY_STATE_EXPIRED",
            )
            answer = http.get(f"/execution/{execution}/results")
    assert (answer.status_code, answer.json()["state"], "result" in answer.json()) == (
        200,
        "QUERY_STATE_EXPIRED",
        False,
    )


def test_messages_of_tables(http):
    http.post("/uploads/csv", json={"table_name": "t", "data": "a\n1\n"})
    assert http.post("/uploads/acme/dataset_t/clear").json() == {"message": "Table acme.dataset_t successfully cleared"}
    assert http.delete("/uploads/acme/dataset_t").json() == {"message": "Table acme.dataset_t successfully deleted"}


# --- routes ---


def test_the_deprecated_paths_of_tables(http, rows):
    schema = [{"name": "n", "type": "bigint"}]
    created = http.post("/table/create", json={"namespace": "acme", "table_name": "t", "schema": schema})
    assert created.json()["full_name"] == "dune.acme.t"
    inserted = http.post("/table/acme/t/insert", content="n\n1\n2\n", headers={"Content-Type": "text/csv"})
    assert inserted.json()["rows_written"] == 2
    assert [table["full_name"] for table in http.get("/tables").json()["tables"]] == ["dune.acme.t"]
    assert rows("SELECT count(*) AS n FROM dune.acme.t") == [{"n": 2}]
    assert "cleared" in http.post("/table/acme/t/clear").json()["message"]
    assert rows("SELECT count(*) AS n FROM dune.acme.t") == [{"n": 0}]
    assert "deleted" in http.delete("/table/acme/t").json()["message"]
    uploaded = http.post("/table/upload/csv", json={"table_name": "u", "data": "a\n1\n"})
    assert uploaded.json() == {"success": True, "table_name": "u"}


def test_whoami(dune):
    answer = plain.get(f"{dune.url}/api/whoami", headers={"X-Dune-Api-Key": dune.api_key}).json()
    assert (answer["customer_id"], answer["created_by"]) == ("team_1", 1)
    assert ULID.from_str(answer["api_key_id"])
    assert plain.get(f"{dune.url}/api/whoami").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/dashboards"),
        ("GET", "/dashboards/7"),
        ("PATCH", "/dashboards/7"),
        ("POST", "/dashboards/7/archive"),
        ("GET", "/query/1/visualizations"),
        ("POST", "/query/1/visualizations"),
        ("GET", "/contracts/submissions"),
        ("GET", "/nothing"),
    ],
)
def test_what_is_not_served_says_so(http, numbers, method, path):
    answer = http.request(method, path, json=None if method == "GET" else {"name": "x"})
    words = f"The local Dune does not serve {method} /api/v1{path}: see the table of endpoints in docs/emulator.md."
    assert (answer.status_code, answer.json()["error"].startswith(words)) == (404, True)


def test_answers_tell_what_is_left_of_a_limit(database):
    def told(answer):
        return [int(answer.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset")]

    with DuneEmulator(database=database, rate_limit="free") as dune:
        headers = {"X-Dune-Api-Key": dune.api_key}
        with httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", headers=headers, timeout=PATIENCE) as http:
            begin = time.time()
            assert told(http.get("/queries"))[:2] == [40, 39]
            assert told(http.get("/query/9"))[:2] == [40, 38]
            writes = [http.post("/usage") for _ in range(16)]
            assert [told(answer)[:2] for answer in writes] == [[15, max(0, 14 - n)] for n in range(16)]
            refused = writes[-1]
            assert refused.status_code == 429
            assert abs(told(refused)[2] - time.time() - int(refused.headers["Retry-After"])) <= 2
            assert told(http.get("/queries"))[2] - begin < 30
            assert "X-RateLimit-Limit" not in plain.get(f"{dune.url}/_emulator/journal", headers=headers).headers
    with DuneEmulator(rate_limit="free", rate_limit_headers=False) as dune:
        answer = plain.get(f"{dune.url}/api/v1/queries", headers={"X-Dune-Api-Key": dune.api_key})
        assert "X-RateLimit-Limit" not in answer.headers


def test_nothing_is_answered_before_a_folder_is_loaded(tmp_path):
    for number in range(100_001, 100_101):
        (tmp_path / f"q_{number}.sql").write_text(f"SELECT {number} AS n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [str(Path(sys.executable).with_name("dagster-dune")), "emulator", "start", "--queries", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:

            def first_answer():
                assert process.poll() is None, process.stderr.read()
                try:
                    return plain.get(
                        f"http://127.0.0.1:{port}/api/v1/queries",
                        headers={"X-Dune-Api-Key": "emulator-key"},
                        timeout=PATIENCE,
                    )
                except httpx.ConnectError:
                    return None

            answer = wait_until(first_answer, lambda answer: answer is not None)
        finally:
            process.terminate()
    assert answer.json()["total"] == 100


def test_datasets_list_matviews(http, numbers, ended):
    ended(http.post(f"/materialized-views/{VIEW}/refresh", json={}))
    (dataset,) = http.get("/datasets", params={"type": "materialized_view"}).json()["datasets"]
    assert (dataset["full_name"], dataset["type"]) == (VIEW, "materialized_view")
    assert [column["name"] for column in dataset["columns"]] == ["n"]


def test_datasets_are_found_by_words_and_filters(http, numbers):
    def names(**body):
        return [found["full_name"] for found in http.post("/datasets/search", json=body).json()["results"]]

    assert names(query="DEX trades") == ["dex.trades", "dex_aggregator.trades"]
    assert names(query="numbers", owner_scope="team") == [VIEW]
    assert names(query="trades", schemas=["nft"]) == ["nft.trades"]
    assert names(categories=["canonical"], blockchains=["ethereum"]) == [
        "ethereum.blocks",
        "ethereum.logs",
        "ethereum.transactions",
    ]
    assert names(dataset_types=["materialized_view"]) == [VIEW]
    page = http.post("/datasets/search", json={"query": "trades", "limit": 1, "include_schema": True}).json()
    assert (page["total"], page["pagination"]["next_offset"]) == (3, 1)
    assert {"name": "tx_hash", "type": "varbinary", "nullable": True} in page["results"][0]["schema"]


def test_datasets_are_found_by_the_contract_of_their_rows(http, dune):
    address = bytes(range(20))
    dune.load_table("uniswap_v3_ethereum.Pool_evt_Swap", [{"contract_address": address, "evt_index": 1}])
    body = {"contract_address": "0x" + address.hex()}
    found = http.post("/datasets/search-by-contract", json=body).json()["results"]
    assert [each["full_name"] for each in found] == ["uniswap_v3_ethereum.pool_evt_swap"]
    assert http.post("/datasets/search-by-contract", json=body | {"blockchains": ["base"]}).json()["total"] == 0
    assert http.post("/datasets/search-by-contract", json={"contract_address": "0x1"}).status_code == 400


def test_credits_can_be_ignored_in_place_of_datapoints(http, ended):
    sql = "SELECT t.n + 1000 * u.n AS n FROM UNNEST(sequence(1, 1000)) AS t(n), UNNEST(sequence(0, 250)) AS u(n)"
    execution = ended(http.post("/sql/execute", json={"sql": sql}))["execution_id"]
    path = f"/execution/{execution}/results"
    assert len(http.get(path, timeout=PATIENCE).json()["result"]["rows"]) == 250_000
    everything = {"ignore_max_credits_per_request": "true"}
    assert len(http.get(path, params=everything, timeout=PATIENCE).json()["result"]["rows"]) == 251_000


def test_information_schema(http, dune, numbers, rows, ended):
    ended(http.post(f"/materialized-views/{VIEW}/refresh", json={}))
    sql = "SELECT table_schema, table_type FROM information_schema.tables WHERE table_name = '{}'"
    assert rows(sql.format("result_numbers")) == [{"table_schema": "acme", "table_type": "BASE TABLE"}]
    assert rows(sql.format("saved_document")) == rows(sql.format("duckdb_tables")) == []
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'dex' ORDER BY 1"
    assert {"column_name": "tx_hash", "data_type": "varbinary"} in rows(columns)


# --- strictness ---


def test_unknown_fields_are_refused_unless_it_is_lenient(http):
    body = {"name": "q", "query_sql": "SELECT 1 AS n", "colour": "red", "parameters": [{"key": "n", "shape": "round"}]}
    refused = http.post("/query", json=body)
    assert (refused.status_code, "Extra inputs are not permitted" in refused.json()["error"]) == (400, True)
    with DuneEmulator(lenient=True) as dune:
        headers = {"X-Dune-Api-Key": dune.api_key}
        with httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", headers=headers, timeout=PATIENCE) as lenient:
            query_id = lenient.post("/query", json=body).json()["query_id"]
            assert lenient.get(f"/query/{query_id}").json()["parameters"] == [{"key": "n", "type": "text"}]
            wrong = lenient.post("/query", json=body | {"name": 1})
            assert (wrong.status_code, wrong.json()["error"].partition(":")[0]) == (400, "name")
            nodes = [{"id": 1, "query_execution": {"query_id": query_id, "tier": "x"}, "label": "y"}]
            assert lenient.post("/pipelines/execute", json={"pipeline": {"nodes": nodes}}).status_code == 200
