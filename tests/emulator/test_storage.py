"""A database file keeps the whole account over a restart: every answer is the same before and after."""

import gzip
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest
from plain_http import plain
from waiting import PATIENCE, wait_until

from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError

VIEW = "dune.acme.result_a"
DELETED = "dune.acme.result_gone"
BIG = str(2**256 - 1)
ROWS = f"""
SELECT CAST('{BIG}' AS uint256) AS big, TIMESTAMP '2024-01-02 03:04:05 UTC' AS at, nan() AS none,
  ARRAY[1, NULL] AS numbers, 0x01ff AS bytes, '{{{{word}}}}' AS word
"""


class Session:
    """A client of an emulator, which keeps its account in a file."""

    def __init__(self, dune):
        self.dune = dune
        headers = {"X-Dune-Api-Key": dune.api_key}
        self.http = httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", headers=headers, timeout=PATIENCE)

    def get(self, path):
        answer = self.http.get(path)
        return answer.status_code, answer.text

    def post(self, path, body):
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, execution_id):
        return wait_until(
            lambda: self.http.get(f"/execution/{execution_id}/status").json(),
            lambda status: status["is_execution_finished"],
        )

    def run(self, path, body=None):
        execution_id = self.post(path, body or {})["execution_id"]
        self.ended(execution_id)
        return execution_id

    def pipeline(self, *nodes):
        identifier = self.post("/pipelines/execute", {"pipeline": {"nodes": nodes}})["pipeline_execution_id"]
        path = f"/pipelines/executions/{identifier}/status"
        wait_until(lambda: self.http.get(path).json()["status"] in ("completed", "failed"))
        return path


@pytest.fixture
def opened(database):
    """A function that starts an emulator over the one file; settings may differ from start to start."""
    sessions = []

    def start(**settings):
        stop()
        sessions.append(Session(DuneEmulator(database=database, **settings).__enter__()))
        return sessions[-1]

    def stop():
        while sessions:
            session = sessions.pop()
            session.http.close()
            session.dune.stop()

    yield start
    stop()


def test_every_answer_is_the_same_after_a_restart(opened):
    session = opened()
    word = {"key": "word", "type": "enum", "value": "x", "enumOptions": ["x", "y"]}
    session.dune.load_query(7, "rows", ROWS, parameters=[word], tags=["one"], description="all types")
    session.dune.load_query(8, "bad", "SELECT\n  nothing AS n FROM dex.trades", is_private=True)
    session.dune.load_query(9, "reader", f"SELECT word FROM {VIEW}")
    session.dune.load_query(10, "view", ROWS.replace("{{word}}", "z"))
    for name in (VIEW, DELETED):
        session.dune.load_materialized_view(name, 10)
    session.post("/uploads/csv", {"table_name": "x", "data": f"n,m\n1,{BIG}\n", "description": "numbers"})
    executions = [
        session.run("/query/7/execute", {"query_parameters": {"word": "y"}, "performance": "large"}),
        session.run("/query/7/execute"),
        session.run("/query/8/execute"),
        session.run(f"/materialized-views/{VIEW}/refresh"),
        session.run(f"/materialized-views/{DELETED}/refresh"),
        session.run("/sql/execute", {"sql": "SELECT m FROM dune.acme.dataset_x"}),
    ]
    refresh = {"id": 1, "materialized_view_refresh": {"name": VIEW}}
    good = session.pipeline(refresh, {"id": 2, "dependencies": [1], "query_execution": {"query_id": 9}})
    bad = session.pipeline({"id": 1, "query_execution": {"query_id": 8}}, refresh | {"id": 2, "dependencies": [1]})
    assert session.http.delete(f"/materialized-views/{DELETED}").status_code == 200
    session.dune.load_materialized_view(DELETED, 10)
    paths = [good, bad, "/queries", "/materialized-views", "/query/9/pipeline"]
    paths += [f"/query/{number}" for number in (7, 8, 9, 10)]
    paths += [f"/query/{number}/results" for number in (7, 8, 9)]
    paths += [f"/materialized-views/{name}" for name in (VIEW, DELETED)]
    paths += [f"/execution/{e}/{what}" for e in executions for what in ("status", "results", "results/csv")]

    def answers():
        return {path: session.get(path) for path in paths}, session.post("/usage", {}), session.dune.executions()

    before = answers()
    statuses = {path: status for path, (status, _) in before[0].items()}
    assert [path for path, status in statuses.items() if status != 200] == [
        "/query/8/results",
        f"/execution/{executions[2]}/results/csv",
    ]
    assert "line 2:3" in before[0][f"/execution/{executions[2]}/status"][1]
    assert BIG in before[0][f"/execution/{executions[5]}/results"][1]
    session = opened()
    assert answers() == before
    session = opened()
    assert answers() == before


def test_life_goes_on_after_a_restart(opened):
    session = opened()
    session.dune.load_query(5, "n", "SELECT 1 AS n")
    session.dune.load_materialized_view(VIEW, 5)
    first = session.run(f"/materialized-views/{VIEW}/refresh")
    session = opened()
    assert session.post("/query", {"name": "more", "query_sql": f"SELECT n + 1 AS n FROM {VIEW}"}) == {"query_id": 6}
    session.run("/query/6/execute")
    assert session.http.get("/query/6/results").json()["result"]["rows"] == [{"n": 2}]
    second = session.run(f"/materialized-views/{VIEW}/refresh")
    assert session.http.get(f"/materialized-views/{VIEW}").json()["last_execution_ids"] == [second, first]
    session = opened()
    assert [execution["execution_id"] for execution in session.dune.executions()][::2] == [first, second]


def test_what_runs_at_the_stop_is_cancelled(opened):
    session = opened(workers=1)
    session.dune.load_query(1, "n", "SELECT 1 AS n")
    session.dune.inject("stuck_node", node=1, times=None)
    nodes = [{"id": 1, "query_execution": {"query_id": 1}}]
    nodes.append(nodes[0] | {"id": 2, "dependencies": [1]})
    pipeline = session.post("/pipelines/execute", {"pipeline": {"nodes": nodes}})["pipeline_execution_id"]
    queued = session.post("/query/1/execute", {})["execution_id"]
    session = opened()
    assert session.http.get(f"/execution/{queued}/status").json()["state"] == "QUERY_STATE_CANCELLED"
    status = session.http.get(f"/pipelines/executions/{pipeline}/status").json()
    assert status["status"] == "failed"
    assert status["error"] == "node 1 (query 1) was cancelled; 1 dependent nodes were not started"
    assert session.http.get("/query/1/results").status_code == 404
    assert session.dune.faults() == session.dune.journal()[3:] == []


def test_a_pipeline_that_was_stopped_between_two_nodes(opened, database):
    session = opened()
    session.dune.load_query(1, "n", "SELECT 1 AS n")
    first = {"id": 1, "query_execution": {"query_id": 1}}
    path = session.pipeline(first, first | {"id": 2, "dependencies": [1]})
    session.dune.stop()
    with duckdb.connect(database) as connection:
        (text,) = connection.execute("SELECT document FROM main.saved_document").fetchone()
        document = json.loads(text)
        del document["pipelines"][0]["started"]["2"]
        connection.execute("UPDATE main.saved_document SET document = $1", [json.dumps(document)])
    status = opened().http.get(path).json()
    assert (status["status"], status["error"]) == (
        "failed",
        "the emulator was stopped; 1 dependent nodes were not started",
    )


def test_a_database_of_november_2026_is_still_read(opened, tmp_path):
    """The file was written by the emulator of that time, before its modules moved; the sample tables were taken out."""
    kept = Path(__file__).parent / "data" / "account_november_2026.duckdb.gz"
    file = tmp_path / "dune.db"
    file.write_bytes(gzip.decompress(kept.read_bytes()))
    with duckdb.connect(file) as stored:  # its rows can be read for 90 days, and this test longer
        pattern, later = r'"expires_at":\d+', '"expires_at":9000000000000000000'
        stored.execute("UPDATE saved_document SET document = regexp_replace(document, ?, ?, 'g')", [pattern, later])
    session = opened()
    assert [query["name"] for query in session.http.get("/queries").json()["queries"]] == [
        "trades a day",
        "readers",
        "broken",
    ]
    assert session.http.get("/query/1").json()["parameters"] == [
        {"key": "chain", "type": "enum", "value": "base", "enumOptions": ["base", "bnb"]}
    ]
    states = [execution["state"].removeprefix("QUERY_STATE_") for execution in session.dune.executions()]
    assert states == [*["COMPLETED"] * 4, "FAILED", *["COMPLETED"] * 2, "FAILED", "CANCELLED"]
    assert session.http.get("/query/2/results").json()["result"]["rows"] == [{"n": 1, "most": BIG}]
    assert session.get("/endpoints/acme/readers/results?queryID=2") == session.get("/query/2/results")
    first, second = (
        execution["pipeline_execution_id"]
        for execution in session.dune.executions()
        if execution["pipeline_execution_id"] and execution["materialized_view"]
    )
    assert session.http.get(f"/pipelines/executions/{first}/status").json()["status"] == "completed"
    assert "Column 'nope' cannot be resolved" in session.http.get(f"/pipelines/executions/{second}/status").text
    labels = session.run("/sql/execute", {"sql": "SELECT count(*) AS n FROM dune.acme.dataset_labels, dex.trades"})
    assert session.http.get(f"/execution/{labels}/results").json()["result"]["rows"] == [{"n": 60_000}]
    session.run("/materialized-views/dune.acme.result_trades/refresh")
    before = session.dune.executions()
    assert opened().dune.executions() == before


def test_a_reset_is_kept_too(opened):
    session = opened()
    session.dune.load_query(1, "n", "SELECT 1 AS n")
    session.run("/query/1/execute")
    session = opened()
    session.dune.reset()
    session = opened()
    assert session.http.get("/queries").json()["total"] == 0
    assert session.dune.executions() == []


def test_queries_cannot_read_what_is_kept(opened):
    opened()
    session = opened()
    for table in ("saved_document", "main.saved_document", '"main"."saved_document"'):
        execution_id = session.run("/sql/execute", {"sql": f"SELECT * FROM {table}"})
        assert session.ended(execution_id)["state"] == "QUERY_STATE_FAILED"


def test_a_file_of_another_team(opened):
    opened().dune.load_query(1, "n", "SELECT 1 AS n")
    with pytest.raises(
        DuneConfigurationError, match=r"team acme, not to other\. .*start the emulator with the team acme"
    ):
        opened(team="other")
    assert opened().http.get("/query/1").json()["name"] == "n"


def test_a_file_of_another_version(opened, database):
    opened().dune.stop()
    with duckdb.connect(database) as connection:
        connection.execute("""UPDATE main.saved_document SET document = '{"format": 0}'""")
    with pytest.raises(DuneConfigurationError, match="another version"):
        DuneEmulator(database=database).start()
    with duckdb.connect(database) as connection:  # the emulator has let go of it
        connection.execute("DROP TABLE main.saved_document")
    assert opened().http.get("/queries").json()["total"] == 0


@pytest.mark.processes
def test_the_command_keeps_the_account(database):
    file = database
    with command(file) as (process, url):
        headers = {"X-Dune-Api-Key": "emulator-key"}
        body = {"name": "n", "query_sql": "SELECT 1 AS n"}
        assert plain.post(f"{url}/api/v1/query", json=body, headers=headers).json() == {"query_id": 1}
        with command(file) as (other, nothing):
            assert other.wait(PATIENCE) == 1
            assert nothing is None
            assert f"The database {file} cannot be opened" in other.stderr.read()
        process.terminate()
        assert process.wait(PATIENCE) == 0
    with command(file) as (process, url):
        assert plain.post(f"{url}/api/v1/query", json=body, headers=headers).json() == {"query_id": 2}
        process.kill()
    with command(file) as (_, url):  # as at the last good stop
        assert plain.get(f"{url}/api/v1/query/1", headers=headers).json()["name"] == "n"
        assert plain.get(f"{url}/api/v1/queries", headers=headers).json()["total"] == 1


def test_a_file_that_is_no_database(tmp_path):
    file = tmp_path / "text.db"
    file.write_text("no database, but long enough to be read as one" * 1000)
    with pytest.raises(DuneConfigurationError, match=r"text\.db cannot be opened"):
        DuneEmulator(database=file).start()


@contextmanager
def command(file):
    """``dagster-dune emulator start`` over a file, and the URL that it prints, or None if it prints none."""
    arguments = [Path(sys.executable).with_name("dagster-dune"), "emulator", "start", "--port", "0", "--database", file]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = re.search(r"http://[\d.:]+", process.stdout.readline())
            yield process, url and url[0]
        finally:
            process.terminate()
