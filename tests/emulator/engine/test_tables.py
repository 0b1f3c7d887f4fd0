"""Tables with a schema over HTTP: what they take, what they refuse, and that a refusal leaves them as they were."""

import httpx
import pytest
from waiting import PATIENCE

from dagster_dune.emulator.server import DuneEmulator

SCHEMA = [
    {"name": "b", "type": "boolean"},
    {"name": "i", "type": "bigint", "nullable": False},
    {"name": "d", "type": "decimal(38, 2)"},
    {"name": "t", "type": "timestamp with time zone"},
    {"name": "s", "type": "varchar"},
]


@pytest.fixture
def table(http):
    answer = http.post("/uploads", json={"namespace": "acme", "table_name": "x", "schema": SCHEMA})
    assert answer.status_code == 200, answer.text


def insert(http, data, content_type="text/csv"):
    return http.post("/uploads/acme/x/insert", content=data, headers={"Content-Type": content_type})


def rows(client, finish):
    execution_id = client.execute_sql("SELECT * FROM dune.acme.x ORDER BY i").execution_id
    finish(client, execution_id)
    return list(client.get_execution_results(execution_id).result.rows)


def test_csv_and_ndjson_make_the_same_rows(http, client, finish, table):
    assert insert(http, 'i,s,t,d,b\n1,"a, b",2026-01-01T00:00:00Z,1.5,true\n2,,,,\n').status_code == 200
    line = '{"b": true, "i": 3, "d": 1.5, "t": "2026-01-01 00:00:00", "s": "a, b"}'
    empty = '{"b": null, "i": 4, "d": null, "t": null, "s": null}'
    assert insert(http, f"{line}\n\n{empty}", "application/x-ndjson; charset=utf-8").status_code == 200
    first, second, third, fourth = rows(client, finish)
    assert first == {"b": True, "i": 1, "d": "1.50", "t": "2026-01-01 00:00:00.000 UTC", "s": "a, b"}
    assert third == first | {"i": 3}
    assert second == {"b": None, "i": 2, "d": None, "t": None, "s": None}
    assert fourth == second | {"i": 4}


def test_a_text_may_be_of_any_length(http, client, finish, table):
    text = "x" * 1_000_000
    assert insert(http, f"b,i,d,t,s\n,1,,,{text}\n").status_code == 200
    assert rows(client, finish)[0]["s"] == text


@pytest.mark.parametrize(
    ("data", "content_type", "reason"),
    [
        ("b,i\ntrue,1\n", "text/csv", "must name the columns"),
        ("b,i,d,t,s\ntrue,1\n", "text/csv", "Row 2 has 2 fields"),
        ("b,i,d,t,s\n,1,,,\n,one,,,\n", "text/csv", "'one' is no bigint"),
        ("b,i,d,t,s\n,1,,,\n,1.5,,,\n", "text/csv", "'1.5' is no bigint"),
        (f"b,i,d,t,s\n,1,,,\n,{2**63},,,\n", "text/csv", str(2**63)),
        ("b,i,d,t,s\n,1,,,\n,,,,\n", "text/csv", "takes no NULL"),
        ("b,i,d,t,s\n,1,,,\n,2,,yesterday,\n", "text/csv", "yesterday"),
        ("", "text/csv", "must name the columns"),
        (b"\xff\xfe", "text/csv", "UTF-8"),
        ('{"i": 1}', "application/x-ndjson", "Line 1 must name the columns"),
        ("{", "application/x-ndjson", "Line 1 is no JSON"),
        ("[1]", "application/x-ndjson", "no JSON object"),
        ('{"b": null, "i": [1], "d": null, "t": null, "s": null}', "application/x-ndjson", "takes no list"),
        ("b,i,d,t,s\n,1,,,\n", "application/json", "Content-Type"),
        ("b,i,d,t,s\n,1,,,\n", "", "Content-Type"),
    ],
)
def test_a_refused_insert_leaves_the_table_as_it_was(http, client, finish, table, data, content_type, reason):
    assert insert(http, "b,i,d,t,s\n,7,,,\n").status_code == 200
    answer = insert(http, data, content_type)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]
    assert [row["i"] for row in rows(client, finish)] == [7]


@pytest.mark.parametrize(
    "change",
    [
        {"table_name": "result_x"},
        {"table_name": "No"},
        {"table_name": "1x"},
        {"schema": []},
        {"schema": [{"name": "1a", "type": "bigint"}]},
        {"schema": [{"name": 'a"b', "type": "bigint"}]},
        {"schema": [{"name": "a", "type": "money"}]},
        {"schema": [{"name": "a", "type": "decimal(39,0)"}]},
        {"schema": [{"name": "a", "type": {"kind": "array"}}]},
        {"schema": [{"name": "a", "type": "bigint"}, {"name": "A", "type": "bigint"}]},
        {"schema": [{"name": "a"}]},
    ],
)
def test_tables_that_cannot_be_created(http, change):
    body = {"namespace": "acme", "table_name": "x", "schema": SCHEMA} | change
    answer = http.post("/uploads", json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert http.get("/uploads").json()["tables"] == []
    assert http.post("/usage").json()["billing_periods"][0]["credits_used"] == 0


def test_a_name_is_taken_once_and_free_after_deletion(http, table):
    body = {"namespace": "acme", "table_name": "x", "schema": SCHEMA}
    assert "exists already" in http.post("/uploads", json=body).json()["error"]
    assert http.delete("/uploads/acme/x").status_code == 200
    assert http.post("/uploads", json=body).status_code == 200


def test_a_csv_upload_takes_no_inserts_but_can_be_cleared(http):
    http.post("/uploads/csv", json={"table_name": "x", "data": "n\n1\n"})
    path = "/uploads/acme/dataset_x"
    refused = http.post(f"{path}/insert", content="n\n2\n", headers={"Content-Type": "text/csv"})
    assert (refused.status_code, "CSV upload" in refused.json()["error"]) == (400, True)
    assert http.post(f"{path}/clear").status_code == 200
    assert http.get("/uploads").json()["tables"][0]["table_size_bytes"] == "0"


def test_tables_charges_and_archived_queries_outlive_a_restart(database):
    def talk(dune):
        headers = {"X-Dune-Api-Key": dune.api_key}
        return httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", headers=headers, timeout=PATIENCE)

    with DuneEmulator(database=database) as dune, talk(dune) as http:
        http.post("/uploads", json={"namespace": "acme", "table_name": "x", "schema": SCHEMA})
        assert insert(http, "b,i,d,t,s\n,1,,,\n").status_code == 200
        dune.load_query(1, "n", "SELECT 1 AS n")
        http.post("/query/1/archive")
        before = http.get("/uploads").json(), http.post("/usage").json()
    with DuneEmulator(database=database) as dune, talk(dune) as http:
        assert (http.get("/uploads").json(), http.post("/usage").json()) == before
        assert insert(http, "b,i,d,t,s\n,2,,,\n").json()["rows_written"] == 1
        assert http.get("/query/1").json()["is_archived"] is True
        assert http.post("/query/1/execute").status_code == 403
    assert before[1]["billing_periods"][0]["credits_used"] == 11
