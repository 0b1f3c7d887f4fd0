"""Faults on demand: what a client sees, what was really done, and what the journal says of both."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from plain_http import plain
from waiting import PATIENCE, wait_until

from dagster_dune.api.errors import AmbiguousSubmission
from dagster_dune.emulator.requests import RequestError

STATUS = "/api/v1/pipelines/executions/*/status"
EXECUTE = "/api/v1/pipelines/execute"
VIEW = "dune.acme.result_a"


@pytest.fixture
def queries(dune):
    """A matview, and a query over it."""
    dune.load_query(1, "a", "SELECT 1 AS n")
    dune.load_materialized_view(VIEW, 1)
    dune.load_query(2, "b", f"SELECT n FROM {VIEW}")


@pytest.fixture
def start(http, queries):
    """A function that submits the pipeline of both and returns its answer."""
    nodes = [
        {"id": 1, "materialized_view_refresh": {"name": VIEW}},
        {"id": 2, "dependencies": [1], "query_execution": {"query_id": 2}},
    ]
    return lambda: http.post("/pipelines/execute", json={"pipeline": {"nodes": nodes}})


@pytest.fixture
def read(http):
    """A function that reads a pipeline's status."""
    return lambda pipeline: http.get(f"/pipelines/executions/{pipeline['pipeline_execution_id']}/status")


@pytest.fixture
def settled(start, read):
    """A pipeline that has ended, and the last status of it."""

    def run():
        pipeline = start().json()
        return pipeline, wait_until(
            lambda: read(pipeline).json(), lambda status: status["status"] in ("completed", "failed")
        )

    return run


def progress(node):
    return node.get("materialized_view_refresh_status") or node["query_execution_status"]


def started(dune):
    """Query or matview of each execution."""
    return [execution["materialized_view"] or execution["query_id"] for execution in dune.executions()]


# --- requests ---


def test_a_status_is_answered_instead(dune, http):
    headers = {"Retry-After": "2"}
    dune.inject("status", path="/api/v1/queries", status=429, headers=headers, body={"error": "slow down"}, times=2)
    for _ in range(2):
        answer = http.get("/queries")
        assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, {"error": "slow down"}, "2")
    assert http.get("/queries").status_code == 200
    struck, _, passed = dune.journal()
    assert (struck["status"], struck["fault"], struck["own_status"]) == (429, "status", None)
    assert passed.keys() == {"method", "path", "status", "at", "body"}


def test_a_page_of_html_is_answered_after_the_work_was_done(dune, start):
    dune.inject("status", path=EXECUTE, status=503, body="<html>upstream timed out</html>", when="after")
    answer = start()
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert answer.text == "<html>upstream timed out</html>"
    wait_until(lambda: started(dune), lambda names: names == [VIEW, 2])
    (entry,) = dune.journal()
    assert (entry["status"], entry["fault"], entry["own_status"]) == (503, "status", 200)


def test_a_reset_before_the_work(dune, start):
    dune.inject("reset", method="POST", path=EXECUTE)
    with pytest.raises(httpx.ReadError):
        start()
    (entry,) = dune.journal()
    assert (entry["status"], entry["fault"], entry["own_status"]) == (None, "reset", None)
    assert entry["body"]["pipeline"]["nodes"][0]["id"] == 1
    assert dune.executions() == []
    assert start().status_code == 200


def test_a_reset_after_the_work(dune, start):
    dune.inject("reset", method="POST", path=EXECUTE, when="after")
    with pytest.raises(httpx.ReadError):
        start()
    (entry,) = dune.journal()
    assert (entry["status"], entry["fault"], entry["own_status"]) == (None, "reset", 200)
    wait_until(lambda: started(dune), lambda names: names == [VIEW, 2])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_before_or_after_the_work(dune, start, when):
    dune.inject("delay", path=EXECUTE, seconds=3, when=when)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(verify=False, timeout=0.1) as impatient:
        impatient.post(
            dune.url + EXECUTE,
            json={"pipeline": {"nodes": [{"id": 1, "query_execution": {"query_id": 1}}]}},
            headers={"X-Dune-Api-Key": dune.api_key},
        )
    wait_until(lambda: started(dune), lambda names: names == [1])
    wait_until(lambda: dune.journal()[0], lambda entry: (entry["fault"], entry["own_status"]) == ("delay", 200))
    begin = time.monotonic()
    dune.inject("delay", path=EXECUTE, seconds=0.1, when=when)
    assert start().status_code == 200
    assert time.monotonic() - begin >= 0.1


@pytest.mark.parametrize(("when", "names"), [("before", []), ("after", [VIEW, 2])])
def test_what_is_done_while_an_answer_is_delayed(dune, start, when, names):
    dune.inject("delay", path=EXECUTE, seconds=3600, when=when)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(start)
        wait_until(lambda: [entry["fault"] for entry in dune.journal()], lambda faults: faults == ["delay"])
        wait_until(lambda: started(dune), lambda seen: seen == names)
        assert not answer.done()
        dune.clear_faults()
        with pytest.raises(httpx.ReadError):
            answer.result()
    assert started(dune) == names


def test_a_truncated_body(dune, http):
    dune.inject("truncated", path="/api/v1/queries")
    with pytest.raises(httpx.RemoteProtocolError, match="complete"):
        http.get("/queries")
    assert http.get("/queries").status_code == 200
    entry = dune.journal()[0]
    assert (entry["status"], entry["fault"], entry["own_status"]) == (200, "truncated", 200)


def test_a_malformed_body(dune, http):
    dune.inject("malformed", path="/api/v1/queries")
    answer = http.get("/queries")
    assert answer.status_code == 200
    assert '{"queries":[],"total":0}'.startswith(answer.text)
    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


def test_faults_strike_in_the_order_they_came(dune, http):
    dune.inject("status", path="*/queries", status=500, times=2, after=1)
    dune.inject("status", path="*/queries", status=502)
    dune.inject("status", path="*/queries", status=504, times=None)
    dune.inject("status", method="POST", status=418, times=None)
    assert [http.get("/queries").status_code for _ in range(5)] == [502, 500, 500, 504, 504]
    assert http.get("/materialized-views").status_code == 200
    assert http.post("/query", json={}).status_code == 418
    assert [(rule["matches"], rule["struck"]) for rule in dune.faults()] == [(5, 2), (3, 1), (2, 2), (1, 1)]


def test_faults_strike_before_the_key_is_looked_at(dune):
    dune.inject("status", status=502)
    assert plain.get(f"{dune.url}/api/v1/queries").status_code == 502


def test_a_proxy_header_hides_no_connection(dune, http):
    dune.inject("reset")
    with pytest.raises(httpx.ReadError):
        http.get("/queries", headers={"X-Forwarded-For": "192.0.2.1"})


def test_clearing_ends_delays(dune, http):
    dune.inject("delay", seconds=3600, times=None)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/query", json={"name": "late", "query_sql": "SELECT 1"}, timeout=0.1)
    wait_until(dune.journal, lambda entries: entries and entries[0]["fault"] == "delay")
    dune.clear_faults()
    assert dune.faults() == []
    assert http.get("/queries").json()["total"] == 0


def test_the_client_pays_once(dune, client, queries):
    dune.inject("reset", method="POST", path=EXECUTE, when="after", times=None)
    with pytest.raises(AmbiguousSubmission):
        client.execute_lineage(1)
    wait_until(lambda: started(dune), lambda names: names == [1])
    assert dune.faults()[0]["struck"] == 1


# --- the status of a pipeline ---


def test_a_young_pipeline_is_unknown(dune, start, read):
    dune.inject("young_pipeline", seconds=3600, times=2)
    dune.inject("young_pipeline", seconds=0.5, times=None)
    begin = time.monotonic()
    pipeline = start().json()
    assert [read(pipeline).status_code for _ in range(2)] == [404, 404]
    wait_until(lambda: read(pipeline).status_code, lambda status: status == 200)
    assert time.monotonic() - begin >= 0.49
    older, younger = dune.faults()
    assert older["struck"] == 2
    assert younger["matches"] == younger["struck"]


def test_a_wrong_word(dune, settled, read):
    pipeline, true = settled()
    dune.inject("wrong_word", node=2, word="FINALISING")
    dune.inject("wrong_word", node=VIEW, word="done")
    dune.inject("wrong_word", word="archived", path=f"*{pipeline['pipeline_execution_id']}*")
    statuses = [read(pipeline).json() for _ in range(4)]
    words = [[status["status"], *(progress(n)["status"] for n in status["node_executions"])] for status in statuses]
    completed = "QUERY_STATE_COMPLETED"
    assert words == [
        ["completed", completed, "FINALISING"],
        ["completed", "done", completed],
        ["archived", completed, completed],
        ["completed", completed, completed],
    ]
    assert statuses[3] == true


def test_a_lost_node_and_no_nodes(dune, settled, read):
    pipeline, _ = settled()
    dune.inject("lost_node", node=VIEW)
    dune.inject("null_nodes")
    assert [node["id"] for node in read(pipeline).json()["node_executions"]] == [2]
    assert read(pipeline).json()["node_executions"] is None
    assert len(read(pipeline).json()["node_executions"]) == 2


def test_faults_of_a_status_leave_other_answers_alone(dune, http):
    dune.inject("null_nodes", times=None)
    assert http.get("/queries").status_code == 200
    unknown = http.get("/pipelines/executions/01H/status")
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])
    assert dune.faults()[0]["matches"] == 1


# --- executions ---


def test_a_failing_node(dune, settled):
    dune.inject("failing_node", node=VIEW, message="out of memory")
    pipeline, status = settled()
    assert status["status"] == "failed"
    first, second = (progress(node) for node in status["node_executions"])
    assert (first["status"], first["error"]) == ("QUERY_STATE_FAILED", "out of memory")
    assert second == {"query_id": 2, "status": "QUERY_STATE_PENDING"}
    again, status = settled()
    assert status["status"] == "completed"
    executions = dune.executions()
    assert [(e["materialized_view"], e["query_id"], e["state"], e["pipeline_execution_id"]) for e in executions] == [
        (VIEW, 1, "QUERY_STATE_FAILED", pipeline["pipeline_execution_id"]),
        (VIEW, 1, "QUERY_STATE_COMPLETED", again["pipeline_execution_id"]),
        (None, 2, "QUERY_STATE_COMPLETED", again["pipeline_execution_id"]),
    ]


def test_a_held_node_goes_on_when_it_is_released(dune, client, start, read, finish_pipeline):
    dune.hold('dune."acme".result_a')
    pipeline = start().json()
    dune.wait_until_held(VIEW, timeout=PATIENCE)
    first, second = map(progress, read(pipeline).json()["node_executions"])
    assert (first["status"], second["status"]) == ("QUERY_STATE_EXECUTING", "QUERY_STATE_PENDING")
    dune.release(VIEW)
    assert finish_pipeline(client, pipeline["pipeline_execution_id"]).status == "completed"
    assert dune.faults() == []


def test_a_node_is_held_as_often_as_it_is_told(dune, client, finish, queries):
    dune.hold(1, times=1)
    held, free = (client.execute_query(1).execution_id for _ in range(2))
    dune.wait_until_held(1, timeout=PATIENCE)
    assert finish(client, free).state == "QUERY_STATE_COMPLETED"
    assert client.get_execution_status(held).state == "QUERY_STATE_EXECUTING"
    dune.release(2)  # another one
    assert dune.faults()[0]["fault"] == {"kind": "held_node", "node": 1}
    dune.release()
    assert finish(client, held).state == "QUERY_STATE_COMPLETED"
    assert finish(client, client.execute_query(1).execution_id).state == "QUERY_STATE_COMPLETED"


@pytest.mark.parametrize("end", ["cancel", "clear_faults", "reset", "over_http"])
def test_a_held_execution_ends_in_each_way(dune, client, finish, queries, end):
    dune.hold(1)
    execution = client.execute_query(1).execution_id
    dune.wait_until_held(1, timeout=PATIENCE)
    match end:
        case "cancel":
            client.cancel_execution(execution)
            assert finish(client, execution).state == "QUERY_STATE_CANCELLED"
        case "over_http":
            plain.post(
                f"{dune.url}/_emulator/release",
                json={"node": 1},
                headers={"X-Dune-Api-Key": dune.api_key},
                timeout=PATIENCE,
            ).raise_for_status()
            assert finish(client, execution).state == "QUERY_STATE_COMPLETED"
        case "clear_faults":
            dune.clear_faults()
            assert finish(client, execution).state == "QUERY_STATE_COMPLETED"
        case "reset":
            dune.reset()
            assert dune.executions() == []
    with pytest.raises(TimeoutError, match=r"In 0\.01 seconds, 1 executions of 1 were never held at once"):
        dune.wait_until_held(1, timeout=0.01)


def test_waiting_counts_the_executions_that_are_held_at_once(dune, client, finish, queries):
    dune.hold(1)
    first = client.execute_query(1).execution_id
    dune.wait_until_held(1, timeout=PATIENCE)
    with pytest.raises(TimeoutError, match="2 executions"):
        dune.wait_until_held(1, executions=2, timeout=0.01)
    second = client.execute_query(1).execution_id
    dune.wait_until_held(1, executions=2, timeout=PATIENCE)
    dune.release(1)
    assert {finish(client, execution).state for execution in (first, second)} == {"QUERY_STATE_COMPLETED"}


def test_a_stuck_node_can_be_cancelled(dune, client, finish, start, read):
    dune.inject("stuck_node", node='dune."acme".result_a')
    pipeline = start().json()
    (execution,) = wait_until(dune.executions, lambda seen: seen[0]["state"] == "QUERY_STATE_EXECUTING")
    assert finish(client, client.execute_query(1).execution_id).state == "QUERY_STATE_COMPLETED"
    assert read(pipeline).json()["status"] == "executing"
    assert client.cancel_execution(execution["execution_id"])
    assert read(pipeline).json()["status"] == "failed"


def test_a_slow_node(dune, client, finish, queries):
    dune.inject("slow_node", node=2, seconds=0.2)
    finish(client, client.refresh_materialized_view(VIEW).execution_id)
    slow = finish(client, client.execute_query(2).execution_id)
    finish(client, client.execute_query(2).execution_id)
    assert slow.error is None
    assert slow.result_metadata.execution_time_millis >= 200
    assert (dune.faults()[0]["matches"], dune.faults()[0]["struck"]) == (2, 1)
    assert [execution["pipeline_execution_id"] for execution in dune.executions()] == [None, None, None]


def test_a_reset_forgets_faults_and_what_they_hold(dune, client, start, http):
    dune.inject("stuck_node", node=VIEW, times=None)
    dune.inject("status", status=500, after=1, times=None)
    start()
    dune.reset()
    assert dune.executions() == dune.faults() == []
    assert [http.get("/queries").status_code for _ in range(3)] == [200, 200, 200]


# --- over HTTP ---


def test_rules_over_http(dune, http):
    control = f"{dune.url}/_emulator"
    rule = {
        "method": "GET",
        "path": STATUS,
        "times": None,
        "after": 2,
        "fault": {"kind": "wrong_word", "node": 5, "word": "odd"},
    }
    assert (
        plain.post(
            f"{control}/faults", json=rule, headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
        ).status_code
        == 200
    )
    assert plain.get(f"{control}/faults", headers={"X-Dune-Api-Key": dune.api_key}).json() == [
        rule | {"matches": 0, "struck": 0}
    ]
    assert plain.delete(f"{control}/faults", headers={"X-Dune-Api-Key": dune.api_key}).status_code == 200
    assert plain.get(f"{control}/faults", headers={"X-Dune-Api-Key": dune.api_key}).json() == []
    assert plain.get(f"{control}/executions", headers={"X-Dune-Api-Key": dune.api_key}).json() == []
    http.post("/sql/execute", json={"sql": "SELECT 1 AS n"})
    (execution,) = plain.get(f"{control}/executions", headers={"X-Dune-Api-Key": dune.api_key}).json()
    assert (execution["query_id"], execution["materialized_view"], execution["parameters"]) == (0, None, {})


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("earthquake", {}, "earthquake"),
        ("status", {}, "status"),
        ("status", {"status": 99}, "status"),
        ("status", {"status": 200, "headers": {"A": "a\r\nB: b"}}, "headers"),
        ("status", {"status": 200, "headers": {"Content-Length": "5"}}, "truncated"),
        ("delay", {"seconds": -1}, "seconds"),
        ("reset", {"when": "never"}, "when"),
        ("reset", {"node": 1}, "node"),
        ("lost_node", {}, "node"),
        ("null_nodes", {"times": 0}, "times"),
        ("null_nodes", {"after": -1}, "after"),
        ("stuck_node", {"node": 1, "path": "/x"}, "leave out method and path"),
    ],
)
def test_faults_that_make_no_sense(dune, kind, settings, words):
    with pytest.raises(RequestError, match=words):
        dune.inject(kind, **settings)
    assert dune.faults() == []
