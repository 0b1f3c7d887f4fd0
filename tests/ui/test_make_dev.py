"""`make dev` as users start it, work with it, and stop it with Ctrl-C."""

import os
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from deployment import ROOT
from example import ALL
from pages import AssetGraph
from playwright.sync_api import expect
from waiting import PATIENCE, wait_until

# The option keeps make from installing everything anew, under the feet of the tests, where pyproject.toml has changed.
MAKE_DEV = ["make", "--old-file", ".venv/installed", "dev"]
SETTINGS = ("DUNE_", "DAGSTER_", "MAKE")


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@contextmanager
def make_dev(home):
    """Start `make dev` on a free port, and press Ctrl-C at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [*MAKE_DEV, f"PORT={port}", f"DAGSTER_HOME={home}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    environment["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    with (home / "make.log").open("wb") as log:
        make = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: make.poll() is not None or answers(url))
        assert make.poll() is None, (home / "make.log").read_text()
        yield url
    finally:
        wait_until(lambda: ended_by_ctrl_c(make))


def ended_by_ctrl_c(make):
    """Press Ctrl-C, once more if need be: Dagster's webserver can miss the first one."""
    with suppress(ProcessLookupError):  # all of them have ended, or never came up
        os.killpg(make.pid, signal.SIGINT)  # to all of them, as a terminal does
    try:
        make.wait(30)
    except subprocess.TimeoutExpired:
        return False
    return True


def answers(url):
    try:
        return httpx.get(f"{url}/server_info", timeout=PATIENCE).is_success
    except httpx.HTTPError:
        return False


def processes(home):
    """The command lines of all processes that know a DAGSTER_HOME."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"DAGSTER_HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended, or is not ours
    return found


def test_make_dev_opens_the_example_and_leaves_nothing_behind(page, home):
    with make_dev(home) as url:
        graph = AssetGraph(page, url)
        expect(page.get_by_role("dialog")).to_have_count(0)  # nobody is asked for a mail address
        for asset in ALL:
            expect(graph.name(asset)).to_be_visible()
        graph.select("result_dex_trades_clean", "result_traders_daily")
        graph.materialize("Materialize selected (2)")
        expect(graph.box("result_traders_daily")).to_contain_text("Materialized")
        expect(graph.box("result_gas_daily")).to_contain_text("Never materialized")
        started = " ".join(processes(home))
        assert all(program in started for program in ("dagster-dune", "dg dev", "webserver", "daemon"))
    wait_until(lambda: processes(home), lambda left: left == [])
