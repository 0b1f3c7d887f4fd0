"""The journal: every request, in order, and never the key."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from plain_http import plain
from waiting import PATIENCE


@pytest.fixture
def journal(dune):
    def read():
        answer = plain.get(f"{dune.url}/_emulator/journal", headers={"X-Dune-Api-Key": dune.api_key})
        assert answer.status_code == 200
        assert answer.json() == dune.journal()
        return answer.json()

    return read


def test_a_request_is_written_down(http, journal):
    body = {"sql": "SELECT 1 AS n", "performance": "large"}
    http.post("/sql/execute", json=body)
    (entry,) = journal()
    at = datetime.fromisoformat(entry.pop("at"))
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert entry == {"method": "POST", "path": "/api/v1/sql/execute", "status": 200, "body": body}


def test_every_answer_is_written_down(dune, http, journal):
    http.get("/queries", params={"limit": 1})
    http.get("/query/404")
    http.get("/nothing/here")
    http.delete("/queries")
    http.post("/query", json={"name": 1})
    plain.get(f"{dune.url}/api/v1/queries")
    assert [(entry["method"], entry["path"], entry["status"]) for entry in journal()] == [
        ("GET", "/api/v1/queries", 200),
        ("GET", "/api/v1/query/404", 404),
        ("GET", "/api/v1/nothing/here", 404),
        ("DELETE", "/api/v1/queries", 405),
        ("POST", "/api/v1/query", 400),
        ("GET", "/api/v1/queries", 401),
    ]


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"", None),
        (b"no JSON", "no JSON"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'"\\ud800"', '"\\ud800"'),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 100_000, "[" * 100_000),
        (b"x" * 1_000_001, "<1000001 bytes>"),
    ],
)
def test_any_body_is_written_down(http, journal, content, body):
    assert http.post("/sql/execute", content=content).status_code == 400
    assert journal()[0]["body"] == body


def test_the_key_is_written_down_nowhere(dune, http, journal):
    key = dune.api_key
    http.get("/queries", params={"api_key": key})
    http.get(f"/query/{key}")
    http.post("/sql/execute", json={"sql": f"SELECT '{key}' AS n"})
    http.post("/sql/execute", content=f"{key} and more")
    assert key not in json.dumps(journal())
    assert [entry["path"] for entry in journal()][1] == "/api/v1/query/***"


def test_looking_at_the_journal_is_not_written_down(journal):
    assert journal() == []
    assert journal() == []


def test_a_client_that_goes_away_while_it_sends_leaves_no_entry(dune, http, journal):
    host, port = dune.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/v1/sql/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    http.get("/queries")
    assert [entry["path"] for entry in journal()] == ["/api/v1/queries"]


def test_a_reset_empties_everything(dune, http, client, finish, journal):
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_x", 1)
    http.post("/uploads/csv", json={"table_name": "x", "data": "n\n1\n"})
    execution_id = client.refresh_materialized_view("dune.acme.result_x").execution_id
    finish(client, execution_id)
    assert (
        plain.post(
            f"{dune.url}/_emulator/reset", headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
        ).status_code
        == 200
    )
    assert journal() == []
    assert list(client.list_queries()) == []
    assert list(client.list_materialized_views()) == []
    assert http.get(f"/execution/{execution_id}/status").status_code == 404
    assert client.get_usage().bytes_used == 0
    for table in ("dune.acme.result_x", "dune.acme.dataset_x"):
        assert finish(client, client.execute_sql(f"SELECT n FROM {table}").execution_id).state == "QUERY_STATE_FAILED"
    assert finish(client, client.execute_sql("SELECT count(*) AS n FROM dex.trades").execution_id).error is None
