"""The server: where it listens, who may ask, how it starts, resets and stops."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from plain_http import plain
from waiting import PATIENCE

from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.engine import sample_tables
from dagster_dune.emulator.requests import RequestError
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError, DuneError

LEFTOVERS = """
import sys, threading, time
from pathlib import Path
from dagster_dune.api.client import DuneApiClient
from dagster_dune.emulator.server import DuneEmulator

def run():
    with DuneEmulator(team="21co") as dune, DuneApiClient(dune.api_key, dune.url, timeout=900) as client:
        client.execute_sql("SELECT 1 AS n")
        running = client.execute_sql(sys.argv[1]).execution_id
        while client.get_execution_status(running).state != "QUERY_STATE_EXECUTING":
            time.sleep(0.005)
        enough = time.process_time() + 0.1
        while time.process_time() < enough:
            time.sleep(0.005)

def open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0

run()  # what libraries open once a process is open now
before = open_files()
run()
print([thread.name for thread in threading.enumerate()], open_files() - before)
"""


@pytest.mark.processes
def test_a_stopped_emulator_leaves_no_thread_and_no_socket(endless, tmp_path):
    script = tmp_path / "leftovers.py"  # DuckDB takes `python -c` for a person, and shows how far it is
    script.write_text(LEFTOVERS)
    done = subprocess.run([sys.executable, script, endless], check=True, capture_output=True, timeout=PATIENCE)
    assert done.stdout.decode() == "['MainThread'] 0\n"
    assert done.stderr == b""


def test_a_stopped_emulator_frees_its_port(database):
    with DuneEmulator(database=database) as dune:
        port = dune.port
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass
    with pytest.raises(DuneConfigurationError, match="not running"):
        dune.reset()
    dune.stop()
    with DuneEmulator(port=port, database=database) as again:
        assert again.port == port


def test_an_emulator_can_be_started_again():
    dune = DuneEmulator()
    for _ in range(2):
        with dune:
            assert (
                plain.get(
                    f"{dune.url}/_emulator/journal", headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
                ).json()
                == []
            )


def test_two_teams_side_by_side(dune, database):
    with DuneEmulator(api_key="two", team="other", database=database) as other:
        assert other.url != dune.url
        other.load_query(1, "n", "SELECT 1 AS n")
        other.load_materialized_view("dune.other.result_x", 1)
        with DuneApiClient("two", other.url) as client:
            assert [view.sql_id for view in client.list_materialized_views()] == ["dune.other.result_x"]
            assert client.get_query(1).owner == "other"
        with DuneApiClient(dune.api_key, dune.url) as client:
            assert list(client.list_materialized_views()) == []


def test_a_port_that_is_taken_is_named(dune):
    with pytest.raises(DuneConfigurationError, match=str(dune.port)):
        DuneEmulator(port=dune.port).start()


def test_it_listens_on_loopback_alone_by_default(dune):
    address = other_address()
    if address is None:
        pytest.skip("this machine has no address besides its loopback")
    with pytest.raises(ConnectionRefusedError), socket.create_connection((address, dune.port), timeout=2):
        pass


def test_control_is_refused_to_other_machines(database):
    address = other_address()
    if address is None:
        pytest.skip("this machine has no address besides its loopback")
    with DuneEmulator(host="0.0.0.0", database=database) as dune:
        assert dune.url == f"http://127.0.0.1:{dune.port}"
        assert (
            plain.get(
                f"{dune.url}/_emulator/journal", headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
            ).status_code
            == 200
        )
        outside = f"http://{address}:{dune.port}"
        with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=PATIENCE) as http:
            assert http.get(f"{outside}/_emulator/journal").status_code == 403
            assert http.post(f"{outside}/_emulator/reset").status_code == 403
            key = {"X-Dune-Api-Key": dune.api_key}
            assert http.get(f"{outside}/api/v1/queries", headers=key).status_code == 200


def test_requests_wait_until_what_they_are_about_is_loaded():
    seen = []

    def prepare(dune):
        with pytest.raises(httpx.ReadTimeout):
            plain.get(f"{dune.url}/api/v1/query/1", headers={"X-Dune-Api-Key": dune.api_key}, timeout=0.2)
        dune.load_query(1, "n", "SELECT 1 AS n")
        seen.append(dune.url)

    dune = DuneEmulator()
    dune.start(prepare)
    try:
        answer = plain.get(f"{seen[0]}/api/v1/query/1", headers={"X-Dune-Api-Key": dune.api_key})
        assert answer.status_code == 200
    finally:
        dune.stop()


def test_an_emulator_whose_preparation_fails_is_stopped():
    def prepare(dune):
        raise ValueError("no")

    dune = DuneEmulator()
    with pytest.raises(ValueError, match="no"):
        dune.start(prepare)
    with pytest.raises(DuneConfigurationError, match="not running"):
        dune.journal()


def test_ipv6(database):
    with contextlib.suppress(DuneConfigurationError), DuneEmulator(host="::1", database=database) as dune:
        assert dune.url == f"http://[::1]:{dune.port}"
        assert (
            plain.get(
                f"{dune.url}/_emulator/journal", headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
            ).json()
            == []
        )


@pytest.mark.parametrize(
    "settings",
    [{"api_key": ""}, {"api_key": " "}, {"execution_seconds": -1}, {"workers": 0}, {"team": ""}, {"team": "A b"}],
)
def test_wrong_settings(settings):
    with pytest.raises(DuneError):
        DuneEmulator(**settings)


# --- the key ---


@pytest.mark.parametrize(
    "options",
    [{}, {"headers": {"X-Dune-Api-Key": "wrong"}}, {"params": {"api_key": "wrong"}}, {"params": {"api_key": "é"}}],
)
def test_without_the_key_nothing_is_told(dune, options):
    for path in ("/api/v1/queries", "/api/v1/query/1", "/nothing"):
        answer = plain.get(dune.url + path, **options)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid API Key"})


def test_the_key_may_come_in_the_query_string(dune):
    assert plain.get(f"{dune.url}/api/v1/queries", params={"api_key": dune.api_key}).status_code == 200


def test_unknown_paths_and_methods_are_errors_of_the_same_form(http):
    answer = http.get("/nothing")
    words = "The local Dune does not serve GET /api/v1/nothing: "
    assert (answer.status_code, list(answer.json()), answer.json()["error"][: len(words)]) == (404, ["error"], words)
    assert http.get("/queries/").status_code == 404
    answer = http.put("/queries")
    assert (answer.status_code, list(answer.json())) == (405, ["error"])


# --- reset ---


def test_a_reset_stops_what_runs(dune, client, endless, until_running):
    for _ in range(3):
        dune.load_query(1, "endless", endless)
        dune.load_materialized_view("dune.acme.result_x", 1)
        dune.load_query(2, "n", "SELECT 1 AS n")
        pipeline = client.execute_lineage(1)
        client.execute_query(2)
        refresh = client.refresh_materialized_view("dune.acme.result_x").execution_id
        until_running(client, refresh)
        dune.reset()
        answer = plain.get(
            f"{dune.url}/api/v1/pipelines/executions/{pipeline.pipeline_execution_id}/status",
            headers={"X-Dune-Api-Key": dune.api_key},
            timeout=PATIENCE,
        )
        assert answer.status_code == 404
    assert client.get_usage().billing_periods[0].credits_used == 0


def test_a_reset_starts_no_node_of_an_old_pipeline(dune, client, http, finish):
    for number in range(1, 9):
        dune.load_query(number, "n", "SELECT 1 AS n")
    dune.hold(1)
    client.execute_lineage(1)
    nodes = [{"id": number, "dependencies": [1] if number > 1 else []} for number in range(1, 9)]
    for node in nodes:
        node["query_execution"] = {"query_id": node["id"]}
    assert http.post("/pipelines/execute", json={"pipeline": {"nodes": nodes}}).status_code == 200
    dune.wait_until_held(1, executions=2, timeout=PATIENCE)
    dune.reset()
    assert client.get_usage().billing_periods[0].credits_used == 0
    finish(client, client.execute_sql("SELECT 1 AS n").execution_id)
    assert [execution["query_id"] for execution in dune.executions()] == [0]


# --- loading ---


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (lambda dune: dune.load_query(0, "n", "SELECT 1"), "positive"),
        (lambda dune: dune.load_query(1, "", "SELECT 1"), "name"),
        (lambda dune: dune.load_query(1, "n", "SELECT 1", parameters=[{"key": "a", "type": "list"}]), "type"),
        (lambda dune: dune.load_query(1, "n", "SELECT 1", parameters=[{"key": "a"}, {"key": "a"}]), "twice"),
        (lambda dune: dune.load_query(1, "n", "SELECT 1", parameters=[{"key": "a", "values": ["x"]}]), "several"),
        (lambda dune: dune.load_materialized_view("dune.acme.result_x", 404), "Query 404"),
        (lambda dune: dune.load_materialized_view("dune.other.result_x", 1), "team"),
        (lambda dune: dune.load_materialized_view("dune.acme.x", 1), "result_<name>"),
    ],
)
def test_what_dune_would_not_save_cannot_be_loaded(dune, load, words):
    with pytest.raises(RequestError, match=words):
        load(dune)


def other_address():
    """An address of this machine that is not its loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


def test_ctrl_c_while_a_server_starts_is_an_interrupt(monkeypatch):
    """DuckDB, which makes the tables meanwhile, raises a RuntimeError instead."""
    make = sample_tables.make
    monkeypatch.setattr(sample_tables, "_COPY", sample_tables._Copy())

    def made_while_interrupted(connection):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            make(connection)

    monkeypatch.setattr(sample_tables, "make", made_while_interrupted)
    with pytest.raises(KeyboardInterrupt):
        DuneEmulator().start()
