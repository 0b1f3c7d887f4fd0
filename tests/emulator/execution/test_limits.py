"""What anybody's SQL may use: memory, each and in all, and time; and that a cancel is quick."""

import threading

import httpx
import pytest
from waiting import PATIENCE, finished_over

from dagster_dune.emulator.execution.limits import ResourceLimits, ResourceMonitor, memory_bytes
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.emulator.sql_errors import SqlError
from dagster_dune.errors import DuneConfigurationError

MANY = "SELECT count(*) AS n FROM dex.trades AS a, dex.trades AS b, dex.trades AS c WHERE a.amount_usd < b.amount_usd"
BOMBS = {
    "rows": "SELECT a.tx_hash, b.tx_hash AS other FROM dex.trades AS a, dex.trades AS b",
    "sort": "SELECT a.tx_hash, b.tx_hash AS other FROM dex.trades AS a, dex.trades AS b ORDER BY a.block_time, other",
    "list": "SELECT cardinality(array_agg(a.tx_hash)) AS n FROM dex.trades AS a, dex.trades AS b",
    "distinct": "SELECT count(DISTINCT (a.tx_hash, b.tx_hash)) AS n FROM dex.trades AS a, dex.trades AS b",
    "group": "SELECT a.tx_hash, b.tx_hash AS other, count(*) AS n FROM dex.trades AS a, dex.trades AS b GROUP BY 1, 2",
}


@pytest.fixture(scope="module")
def tight():
    """A server whose executions may take 300 MB each."""
    with DuneEmulator(max_execution_bytes=300_000_000, max_bytes=400_000_000) as dune:
        yield dune


@pytest.fixture
def run(tight):
    """A function that executes SQL and returns the status at its end."""
    with httpx.Client(
        verify=False, base_url=f"{tight.url}/api/v1", headers={"X-Dune-Api-Key": tight.api_key}, timeout=PATIENCE
    ) as http:

        def wait(sql):
            return finished_over(http, http.post("/sql/execute", json={"sql": sql}).json()["execution_id"])

        yield wait


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_takes_too_much_memory_fails(run, bomb):
    before = memory_bytes()
    status = run(BOMBS[bomb])
    assert status["state"] == "QUERY_STATE_FAILED", status
    assert "memory" in status["error"]["message"].lower()
    assert memory_bytes() - before < 1_000_000_000
    assert run("SELECT count(*) AS n FROM dex.trades")["state"] == "QUERY_STATE_COMPLETED"


def test_what_takes_too_long_fails():
    with (
        DuneEmulator(max_execution_seconds=0.3) as dune,
        httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", headers={"X-Dune-Api-Key": dune.api_key}) as http,
    ):
        execution = http.post("/sql/execute", json={"sql": MANY}).json()["execution_id"]
        status = finished_over(http, execution)
    assert status["state"] == "QUERY_STATE_FAILED"
    assert status["error"] == {
        "type": "FAILED_TYPE_EXECUTION_FAILED",
        "message": "Query exceeded maximum time limit of 0.01m",
    }


def test_a_cancelled_execution_does_not_wait_for_what_cannot_be_interrupted(dune, http, monkeypatch):
    """A worker thread that is long in one function goes on alone; its execution has ended, and nothing of it stays."""
    entered, leave = threading.Event(), threading.Event()

    def stubborn(statement):
        entered.set()
        assert leave.wait(PATIENCE)
        return run_as_before(statement)

    from dagster_dune.emulator.engine.statements import Statement  # noqa: PLC0415

    run_as_before = Statement.run
    monkeypatch.setattr(Statement, "run", stubborn)
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_n", 1)
    execution = http.post("/materialized-views/dune.acme.result_n/refresh", json={}).json()["execution_id"]
    assert entered.wait(PATIENCE)
    assert http.post(f"/execution/{execution}/cancel", timeout=PATIENCE).json() == {"success": True}
    assert http.get(f"/execution/{execution}/status").json()["state"] == "QUERY_STATE_CANCELLED"
    leave.set()
    monkeypatch.undo()
    dune.reset()  # waits for the thread
    assert dune.executions() == []


def test_bounds_must_fit_together():
    for wrong in ({"max_execution_seconds": 0}, {"max_execution_bytes": 0}, {"max_execution_bytes": 2, "max_bytes": 1}):
        with pytest.raises(DuneConfigurationError, match="must be positive"):
            DuneEmulator(**wrong)


def test_the_execution_that_began_last_is_stopped_first():
    monitor = ResourceMonitor(ResourceLimits(seconds=1000, bytes_each=1, bytes_in_all=10**12))
    first, last = monitor.begin(), monitor.begin()
    held = bytearray(50_000_000)
    monitor.check(first)
    with pytest.raises(SqlError, match="per-query memory limit"):
        monitor.check(last)
    monitor.end(last)
    with pytest.raises(SqlError, match="per-query memory limit"):
        monitor.check(first)
    assert len(held) == 50_000_000
