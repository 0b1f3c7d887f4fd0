"""The fields of every answer: those that a client needs are there, and there is none that Dune does not document."""

import re

import pytest

INTEGER, TEXT, FLAG, NUMBER = int, str, bool, (int, float)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")

METADATA = {
    "column_names": [TEXT],
    "column_types": [TEXT],
    "row_count": INTEGER,
    "total_row_count": INTEGER,
    "result_set_bytes": INTEGER,
    "total_result_set_bytes": INTEGER,
    "datapoint_count": INTEGER,
    "pending_time_millis": INTEGER,
    "execution_time_millis": INTEGER,
}
ENDED = {
    "execution_id": TEXT,
    "query_id": INTEGER,
    "state": TEXT,
    "is_execution_finished": FLAG,
    "submitted_at": TIME,
    "execution_started_at": TIME,
    "execution_ended_at": TIME,
    "expires_at": TIME,
}
FAILURE = {"type": TEXT, "message": TEXT, "metadata": {"line": INTEGER, "column": INTEGER}}
SUBMITTED = {"execution_id": TEXT, "state": TEXT}
REFRESH_NODE = {"id": INTEGER, "dependencies": [INTEGER], "materialized_view_refresh": {"name": TEXT}}
QUERY_NODE = {"id": INTEGER, "dependencies": [INTEGER], "query_execution": {"query_id": INTEGER}}
MATVIEW = {"sql_id": TEXT, "query_id": INTEGER, "is_private": FLAG, "table_size_bytes": INTEGER}
PARAMETER = {"key": TEXT, "type": TEXT, "value": TEXT, "enumOptions": [TEXT]}


@pytest.fixture
def account(dune):
    parameter = {"key": "n", "type": "enum", "value": "1", "enumOptions": ["1", "2"]}
    dune.load_query(1, "one", "SELECT {{n}} AS n", parameters=[parameter], tags=["tag"], description="One")
    dune.load_query(2, "broken", "SELECT count(*) AS n\nFROM dex.no_such_table")
    dune.load_query(3, "reader", "SELECT n FROM dune.acme.result_one")
    dune.load_query(4, "two", "SELECT 2 AS n")
    dune.load_materialized_view("dune.acme.result_one", 4)


@pytest.mark.parametrize(
    ("method", "path", "body", "shape"),
    [
        ("GET", "/query/3/pipeline", None, {"pipeline": {"nodes": [REFRESH_NODE, QUERY_NODE]}}),
        ("POST", "/pipelines/execute", {"query_id": 3}, {"pipeline_execution_id": TEXT}),
        ("POST", "/query/3/pipeline/execute", {"performance": "medium"}, {"pipeline_execution_id": TEXT}),
        ("GET", "/materialized-views?limit=1", None, {"materialized_views": [MATVIEW | {"id": TEXT}]}),
        (
            "GET",
            "/materialized-views/dune.acme.result_one",
            None,
            MATVIEW | {"last_execution_ids": [TEXT], "schedule": type(None)},
        ),
        (
            "POST",
            "/materialized-views",
            {"name": "result_two", "query_id": 2, "cron_expression": "0 0 * * *"},
            {"name": TEXT, "execution_id": TEXT},
        ),
        ("POST", "/materialized-views/dune.acme.result_one/refresh", {}, {"execution_id": TEXT, "sql_id": TEXT}),
        ("DELETE", "/materialized-views/dune.acme.result_one", None, {"message": TEXT}),
        (
            "GET",
            "/queries",
            None,
            {
                "total": INTEGER,
                "queries": [
                    {
                        "id": INTEGER,
                        "name": TEXT,
                        "description": TEXT,
                        "owner": TEXT,
                        "tags": [TEXT],
                        "created_at": TEXT,
                        "updated_at": TEXT,
                    }
                ],
            },
        ),
        (
            "GET",
            "/query/1",
            None,
            {
                "query_id": INTEGER,
                "name": TEXT,
                "description": TEXT,
                "query_sql": TEXT,
                "query_engine": TEXT,
                "parameters": [PARAMETER],
                "tags": [TEXT],
                "version": INTEGER,
                "owner": TEXT,
                "is_private": FLAG,
                "is_archived": FLAG,
                "is_unsaved": FLAG,
                "is_temp": FLAG,
            },
        ),
        ("POST", "/query", {"name": "x", "query_sql": "SELECT 1"}, {"query_id": INTEGER}),
        ("PATCH", "/query/1", {"name": "y"}, {"query_id": INTEGER}),
        ("POST", "/query/1/execute", None, SUBMITTED),
        ("POST", "/sql/execute", {"sql": "SELECT 1 AS n"}, SUBMITTED),
        ("POST", "/uploads/csv", {"table_name": "x", "data": "n\n1\n"}, {"success": FLAG, "table_name": TEXT}),
        (
            "POST",
            "/usage",
            {"start_date": "2024-01-01"},
            {
                "billing_periods": [
                    {"start_date": TEXT, "end_date": TEXT, "credits_used": NUMBER, "credits_included": NUMBER}
                ],
                "bytes_used": INTEGER,
                "bytes_allowed": INTEGER,
                "private_queries": INTEGER,
                "private_dashboards": INTEGER,
            },
        ),
    ],
)
def test_answers(http, account, method, path, body, shape):
    answer = http.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    check(answer.json(), shape)


def test_a_page_of_a_longer_list_names_the_next_one(dune, http, account):
    dune.load_materialized_view("dune.acme.result_two", 4)
    first = http.get("/materialized-views", params={"limit": 1}).json()
    check(first, {"materialized_views": [MATVIEW | {"id": TEXT}], "next_offset": INTEGER})
    check(
        http.get("/materialized-views", params={"offset": 1}).json(), {"materialized_views": [MATVIEW | {"id": TEXT}]}
    )


def test_an_execution_that_completed(http, client, account, finish):
    execution_id = client.execute_query(1).execution_id
    finish(client, execution_id)
    status = http.get(f"/execution/{execution_id}/status").json()
    check(status, ENDED | {"execution_cost_credits": NUMBER, "result_metadata": METADATA})
    page = {"rows": [{"n": INTEGER}], "metadata": METADATA}
    check(http.get(f"/execution/{execution_id}/results").json(), ENDED | {"result": page})
    check(http.get("/query/1/results").json(), ENDED | {"result": page})
    check(http.post(f"/execution/{execution_id}/cancel").json(), {"success": FLAG})


def test_a_page_with_another_after_it(http, client, account, finish):
    execution_id = client.execute_sql("SELECT n FROM (VALUES 1, 2) AS t(n)").execution_id
    finish(client, execution_id)
    answer = http.get(f"/execution/{execution_id}/results", params={"limit": 1}).json()
    page = {"rows": [{"n": INTEGER}], "metadata": METADATA}
    check(answer, ENDED | {"result": page, "next_offset": INTEGER, "next_uri": TEXT})


def test_an_execution_that_failed(http, client, account, finish):
    execution_id = client.execute_query(2).execution_id
    finish(client, execution_id)
    status = http.get(f"/execution/{execution_id}/status").json()
    check(status, ENDED | {"execution_cost_credits": NUMBER, "error": FAILURE})
    check(http.get(f"/execution/{execution_id}/results").json(), ENDED | {"error": FAILURE})


def test_an_execution_that_was_cancelled(http, client, account, endless, until_running):
    execution_id = client.execute_sql(endless).execution_id
    until_running(client, execution_id)
    running = {name: kind for name, kind in ENDED.items() if name not in ("execution_ended_at", "expires_at")}
    check(http.get(f"/execution/{execution_id}/status").json(), running)
    client.cancel_execution(execution_id)
    status = http.get(f"/execution/{execution_id}/status").json()
    check(status, ENDED | {"cancelled_at": TIME, "execution_cost_credits": NUMBER})


def test_a_pipeline_of_every_kind_of_node(http, client, account, finish_pipeline):
    nodes = [
        {"id": 1, "materialized_view_refresh": {"name": "dune.acme.result_one"}},
        {"id": 2, "query_execution": {"query_id": 2}},
        {"id": 3, "dependencies": [2], "query_execution": {"query_id": 1}},
    ]
    submitted = http.post("/pipelines/execute", json={"pipeline": {"nodes": nodes}}).json()["pipeline_execution_id"]
    finish_pipeline(client, submitted)
    status = http.get(f"/pipelines/executions/{submitted}/status").json()
    refresh, failed, waiting = status.pop("node_executions")
    check(status, {"status": TEXT, "error": TEXT})
    done = {"status": TEXT, "execution_id": TEXT}
    check(refresh, {"id": INTEGER, "materialized_view_refresh_status": {"name": TEXT} | done})
    check(failed, {"id": INTEGER, "query_execution_status": {"query_id": INTEGER, "error": TEXT} | done})
    check(waiting, {"id": INTEGER, "query_execution_status": {"query_id": INTEGER, "status": TEXT}})


def check(value, shape, path="answer"):
    """Fail where a value does not have exactly this shape; the last shape of a list stands for the rest of it."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), path
        assert value.keys() == shape.keys(), path
        for name, kind in shape.items():
            check(value[name], kind, f"{path}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), path
        for position, item in enumerate(value):
            check(item, shape[min(position, len(shape) - 1)], f"{path}.{position}")
    elif isinstance(shape, re.Pattern):
        assert shape.fullmatch(value), path
    else:
        assert isinstance(value, shape), path
        assert shape is FLAG or not isinstance(value, bool), path
