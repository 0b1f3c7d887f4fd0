"""`doctor --execute`: the local Dune passes, each broken assumption is noticed, and nothing is left at the end."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner
from waiting import PATIENCE, wait_until

from dagster_dune.api.client import DuneApiClient
from dagster_dune.cli import app
from dagster_dune.doctor.assumptions import ASSUMPTIONS, BY_ID
from dagster_dune.doctor.executing import execute
from dagster_dune.doctor.owners import TIME_FORMAT, Owner
from dagster_dune.doctor.report import Report, Verdict
from dagster_dune.doctor.temporary_objects import MATVIEW_MARK, QUERY_MARK, TemporaryObjects, clear_account
from dagster_dune.emulator.faults.assumptions import OTHERS
from dagster_dune.emulator.server import DuneEmulator

KILLS = int(os.environ.get("DAGSTER_DUNE_KILLS", "2"))
BROKEN = [(id_, other) for id_, others in OTHERS.items() for other in others]
MINE = {"load_query": (4100, "Mine", "SELECT 1 AS a"), "matview": "dune.acme.result_mine_too"}


def examined(dune, **options):
    report = Report()
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, max_retries=1) as client:
        settings = {"max_credits": None, "interval": 0.05, "timeout": PATIENCE} | options
        execute(report, TemporaryObjects(client, **settings))
    report.close(executes=True)
    return report


def load(dune):
    """What the user has, which must stay as it is."""
    dune.load_query(*MINE["load_query"])
    dune.load_materialized_view(MINE["matview"], 4100)


def left(dune):
    """What of the doctor's is left, and whether what is the user's is as it was."""
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
        queries = [client.get_query(query.id) for query in client.list_queries()]
        matviews = [view.sql_id for view in client.list_materialized_views()]
    mine = [query for query in queries if query.query_id == 4100]
    assert [(query.name, query.query_sql, query.is_archived, query.version) for query in mine] == [
        ("Mine", "SELECT 1 AS a", False, 1)
    ]
    assert any(name.endswith("acme.result_mine_too") for name in matviews)
    return [query.name for query in queries if query.query_id != 4100 and not query.is_archived], [
        name for name in matviews if MATVIEW_MARK in name
    ]


def verdicts(report, verdict):
    return {finding.id for finding in report.findings.values() if finding.verdict is verdict}


def test_the_local_dune_passes_and_keeps_nothing(dune):
    load(dune)
    report = examined(dune)
    assert verdicts(report, Verdict.DOES_NOT_HOLD) == set()
    tried = {assumption.id for assumption in ASSUMPTIONS if assumption.tried_by == "execute"}
    assert tried <= verdicts(report, Verdict.HOLDS)
    assert left(dune) == ([], [])
    assert all(entry["body"].get("is_private") for entry in dune.journal() if entry["path"] == "/api/v1/query")


@pytest.mark.parametrize(("id_", "other"), [one for one in BROKEN if one[0] not in ("retry-after", "matview-names")])
def test_each_broken_assumption_is_noticed(id_, other):
    with DuneEmulator(assume={id_: other}) as dune:
        load(dune)
        # A young pipeline is asked for again and again, for many seconds.
        report = examined(dune, interval=1 if id_ == "young-pipeline" else 0.05)
        assert report.findings[id_].verdict is Verdict.DOES_NOT_HOLD, report.findings[id_]
        assert report.findings[id_].changes == BY_ID[id_].changes
        assert left(dune) == ([], [])


def test_every_assumption_that_can_be_tried_can_be_broken():
    assert {assumption.id for assumption in ASSUMPTIONS if assumption.tried_by != "nothing"} == set(OTHERS)


@pytest.fixture
def shell(dune, monkeypatch):
    load(dune)
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words, **more: CliRunner().invoke(app, ["doctor", "--execute", "--interval", "0.05", *words], **more)


def test_it_asks_first(shell, dune):
    done = shell(input="n\n")
    assert done.exit_code == 2
    assert "100 credits" in done.output
    assert dune.executions() == []
    assert left(dune) == ([], [])


def test_nothing_begins_beyond_max_credits(shell, dune):
    done = shell("--yes", "--max-credits", "2")
    assert done.exit_code == 0, done.output
    assert "--max-credits is 2" in done.output
    assert len(dune.executions()) == 2
    assert left(dune) == ([], [])


def test_a_saved_report_of_executions_names_nothing(shell, dune, tmp_path):
    assert shell("--yes", "--save", str(tmp_path / "r.json")).exit_code == 0
    text = (tmp_path / "r.json").read_text()
    words = (dune.api_key, "acme", "result_mine", "SELECT", "UNNEST", QUERY_MARK, MATVIEW_MARK, dune.url)
    assert [word for word in words if word in text] == []
    assert "POST /api/v1/pipelines/execute" in text


def test_what_does_not_hold_is_shown_with_its_setting(monkeypatch):
    with DuneEmulator(assume={"csv-null": "empty"}) as dune:
        monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
        monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
        monkeypatch.setenv("COLUMNS", "250")
        done = CliRunner().invoke(app, ["doctor", "--execute", "--yes", "--interval", "0.05"])
    assert done.exit_code == 1
    assert 'Set dune.get_result(context, asset_key, wire="json")' in done.output


# --- however it ends ---


def started(dune):
    environment = {**os.environ, "DUNE_API_KEY": dune.api_key, "DUNE_API_BASE_URL": dune.url}
    words = ["-c", "from dagster_dune.cli import app; app()", "doctor", "--execute", "--yes", "--interval", "0.05"]
    return subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def made(dune):
    return sum(entry["method"] == "POST" and entry["path"] == "/api/v1/query" for entry in dune.journal())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_takes_everything_away(dune, number):
    load(dune)
    dune.inject("delay", method="POST", path="/api/v1/pipelines/execute", seconds=3600, when="after")
    process = started(dune)
    wait_until(
        lambda: any(execution["pipeline_execution_id"] for execution in dune.executions()) or process.poll() is not None
    )
    process.send_signal(number)
    assert process.wait(PATIENCE) == 2
    assert left(dune) == ([], [])


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_doctor_is_cleared_by_the_next(dune, seed):
    load(dune)
    process = started(dune)
    wait_until(lambda: len(dune.journal()) > 20 or process.poll() is not None)
    time.sleep(random.Random(seed).uniform(0, 5))
    process.kill()
    process.wait()
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
        owner = Owner()
        clear_account(client, owner)
        assert clear_account(client, owner) == []
    assert left(dune) == ([], [])


def test_two_doctors_at_once_leave_each_other_alone(dune):
    load(dune)
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
        first = TemporaryObjects(client, max_credits=None)
        first.matview(first.query("one row", "SELECT 1 AS n"))
        report = examined(dune)
        assert [fact.said for fact in report.facts if fact.what == "left by an earlier run"] == [
            "2 left to a doctor that may still run"
        ]
        assert verdicts(report, Verdict.DOES_NOT_HOLD) == set()
        queries, matviews = left(dune)
        assert (len(queries), len(matviews)) == (1, 1)
        assert first.clear() == ["1 materialized view deleted", "1 query archived"]
    assert left(dune) == ([], [])


def test_a_doctor_of_another_machine_is_left_alone_for_hours(tmp_path):
    here, elsewhere = Owner(tmp_path / "here"), Owner(tmp_path / "elsewhere")
    assert not here.may_clear(f"{QUERY_MARK}one row {elsewhere.mark}")
    assert here.may_clear(f"{QUERY_MARK}one row {here.mark}")
    assert here.may_clear(f"{QUERY_MARK}one row 1a2b3c4d")  # a version that knew no marks
    for hours, may in ((5, False), (7, True), (-1, False)):
        begun = datetime.now(UTC) - timedelta(hours=hours)
        assert here.may_clear(f"dune.acme.{MATVIEW_MARK}{begun.strftime(TIME_FORMAT)}_1a2b3c4d") is may


def test_a_doctor_that_has_died_here_is_told_by_its_lock(tmp_path):
    """Its mark is as young as that of one that runs."""
    words = (
        "import time; from pathlib import Path; from dagster_dune.doctor.owners import Owner; "
        f"owner = Owner(Path({str(tmp_path)!r})); print(owner.mark, flush=True); time.sleep(3600)"
    )
    process = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True)
    mark = process.stdout.readline().strip()
    here = Owner(tmp_path)
    assert not here.may_clear(mark)
    process.kill()
    process.wait()
    assert here.may_clear(mark)
