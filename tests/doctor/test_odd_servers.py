"""The doctor before servers that answer oddly, without rights, without a terminal, and stopped at any moment."""

import json
import time

import pytest
from typer.testing import CliRunner

from dagster_dune.api.client import DuneApiClient
from dagster_dune.cli import app
from dagster_dune.doctor.account import AccountReads, append_exchanges
from dagster_dune.doctor.executing import execute
from dagster_dune.doctor.report import Report, Verdict
from dagster_dune.doctor.temporary_objects import QUERY_MARK, TemporaryObjects

KEY = "a-key-that-nobody-may-see-0123456"
ODD = {
    "customer_id": 5,
    "created_by": [],
    "materialized_views": [{"sql_id": "x", "query_id": -1, "last_execution_ids": 5}, {"sql_id": 5}],
    "queries": [{"id": "x"}, {"id": 7, "name": "[/red]"}],
    "query_id": 7,
    "sql_id": "a.b.c.d",
    "last_execution_ids": [5, "x"],
    "next_offset": 0,
    "total": -3,
    "billing_periods": [{"credits_used": "x"}],
    "execution_id": "e",
    "state": 5,
    "status": {"a": 1},
    "node_executions": [{"id": None}, {"id": "x", "query_execution_status": {"status": 5, "execution_id": 7}}],
    "results": [],
    "pipeline": {"nodes": [{"id": 1}]},
}
BODIES = {
    "nothing": {},
    "a list": [],
    "null": None,
    "other types": {"materialized_views": "x", "queries": {"a": 1}, "billing_periods": 5, "error": None},
    "odd values": ODD,
    "marks of rich": {"error": "[/red] [link=x] [bold"},
    "the key": {"error": f"no such key: {KEY} [/]", KEY: KEY},
}
HEADERS = {"Date": "nonsense", "Retry-After": "x", "X-RateLimit-Limit": "[/x]", "Via": f"[/y] {KEY}", "Server": KEY}


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """A function that runs the command at an address, and returns how it ended and the report that it saved."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("DUNE_API_KEY", KEY)

    def run(url, *words, **options):
        monkeypatch.setenv("DUNE_API_BASE_URL", url)
        return CliRunner().invoke(app, ["doctor", "--save", str(tmp_path / "report.json"), *words], **options)

    return run


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_odd_answers_end_in_a_report(ask, faulty, tmp_path, body, status):
    faulty.replies = [(status, json.dumps(body), HEADERS)]
    for words in ([], ["--execute", "--yes", "--interval", "0.01"] if body != ODD else ["--json"]):
        done = ask(faulty.url, *words)
        assert isinstance(done.exception, SystemExit | None), done.exc_info
        assert done.exit_code in (0, 1, 2)
        saved = (tmp_path / "report.json").read_text()
        assert json.loads(saved)["exchanges"]
        assert KEY not in saved + done.output
        assert KEY[:20] not in saved + done.output


def test_where_nothing_answers_as_dune_nothing_was_found_out(ask, faulty):
    for status, body in ((404, "<html>Not here</html>"), (403, '{"error": "not for you"}'), (404, '{"error": "no"}')):
        faulty.replies = [(status, body)]
        done = ask(faulty.url)
        assert done.exit_code == 2
        assert "Nothing that this address was asked was answered as Dune does." in done.stdout


def test_a_report_that_cannot_be_kept_is_said_before_anything_is_asked(faulty, monkeypatch, tmp_path):
    monkeypatch.setenv("DUNE_API_KEY", KEY)
    monkeypatch.setenv("DUNE_API_BASE_URL", faulty.url)
    (tmp_path / "in_the_way").touch()
    done = CliRunner().invoke(app, ["doctor", "--save", str(tmp_path / "in_the_way" / "report.json")])
    assert done.exit_code == 2
    assert "cannot be written" in done.output
    assert faulty.requests == []


def test_the_folder_of_a_report_is_made(faulty, monkeypatch, tmp_path):
    monkeypatch.setenv("DUNE_API_KEY", KEY)
    monkeypatch.setenv("DUNE_API_BASE_URL", faulty.url)
    CliRunner().invoke(app, ["doctor", "--save", str(tmp_path / "new" / "report.json")])
    assert (tmp_path / "new" / "report.json").exists()


@pytest.fixture
def account(dune, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(4100001, "Mine", "SELECT 1 AS a")
    dune.load_materialized_view("dune.acme.result_mine_too", 4100001)
    return lambda *words, **options: CliRunner().invoke(app, ["doctor", *words], **options)


@pytest.mark.parametrize("answer", ["", "n\n"])
def test_what_was_read_is_shown_where_nobody_agrees_or_can_be_asked(account, dune, answer):
    done = account("--execute", input=answer)
    assert done.exit_code == 2
    assert "Nothing was executed, since nobody has agreed to it" in done.stdout
    assert "matview-names" in done.stdout
    assert dune.executions() == []


def test_an_address_that_may_hold_a_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("DUNE_API_KEY", "another-key-0123456789")
    for address in (f"https://user:{KEY}@api.dune.com", f"https://api.dune.com?api_key={KEY}"):
        monkeypatch.setenv("DUNE_API_BASE_URL", address)
        done = CliRunner().invoke(app, ["doctor", "--json"])
        assert done.exit_code == 2
        assert KEY not in done.output
        assert "scheme, host, port and path alone" in json.loads(done.stdout)["failure"]


@pytest.mark.parametrize("text", ["n,t\n1," + 200_000 * "x", "n\n1", "n,t\n\n"], ids=["long", "short", "empty"])
def test_odd_csv_ends_in_a_report(account, dune, text):
    dune.inject("status", path="/api/v1/execution/*/results/csv", times=None, status=200, body=text)
    done = account("--execute", "--yes", "--interval", "0.01", "--json")
    assert isinstance(done.exception, SystemExit | None), done.exc_info
    verdicts = {one["id"]: one["verdict"] for one in json.loads(done.stdout)["assumptions"]}
    assert verdicts["csv-null"] == verdicts["csv-nested"] == Verdict.DOES_NOT_HOLD.value


@pytest.fixture
def facts(account):
    return lambda *words: {fact["what"]: fact for fact in json.loads(account("--json", *words).stdout)["facts"]}


def test_a_folder_is_no_reason_to_stop_where_the_plan_shows_no_queries(facts, dune, tmp_path):
    (tmp_path / "mine_4100001.sql").write_text("SELECT 1 AS a")
    (tmp_path / "x_4100002.sql").write_text("/* dune\nmatview: dune.acme.result_gone\n*/\nSELECT 1 AS a")
    for path in ("/api/v1/queries", "/api/v1/query/*"):
        dune.inject("status", path=path, times=None, status=403, body={"error": "upgrade your plan"})
    fact = facts("--folder", str(tmp_path))["folder"]
    assert fact["is_trouble"]
    assert fact["said"] == (
        "2 objects; not on Dune: dune.acme.result_gone; queries and SQL were not compared, since the key or the plan "
        "shows none"
    )


def test_a_folder_that_cannot_be_read_keeps_nothing_else_from_being_tried(facts, dune, tmp_path):
    (tmp_path / "queries").mkdir()
    said = facts("--folder", str(tmp_path / "queries"))
    assert "cannot be compared: The folder" in said["folder"]["said"]
    assert "materialized view" in said["endpoints"]["said"]


def test_a_slow_answer_is_no_wrong_clock(dune):
    """It came half an hour after it was asked for; Dune's time lies between."""
    report, times = Report(), iter([time.time() - 1800, time.time() + 1])
    with DuneApiClient(dune.api_key, dune.url, observe=append_exchanges(report)) as client:
        AccountReads(client, report, clock=lambda: next(times)).examine()
    clock = next(fact for fact in report.facts if fact.what == "clock")
    assert (clock.is_trouble, clock.said) == (False, "+0 s against Dune's")


# --- what cannot be taken away ---


def examined(dune, report):
    with DuneApiClient(dune.api_key, dune.url, max_retries=0, observe=append_exchanges(report)) as client:
        execute(report, TemporaryObjects(client, max_credits=0.5, interval=0.05))


def test_what_is_still_there_is_told_and_cleared_by_the_next(dune):
    report = Report()
    dune.inject("status", method="PATCH", path="/api/v1/query/*", times=None, status=403, body={"error": "no"})
    with pytest.raises(Exception, match="403") as failure:
        examined(dune, report)
    assert failure.tb is not None  # it holds what the first run has, its lock too
    (left,) = [fact for fact in report.facts if fact.what == "made, and still there"]
    assert left.is_trouble
    assert "run doctor --execute again, which clears them" in left.said
    dune.clear_faults()
    again = Report()
    examined(dune, again)
    assert [fact.said for fact in again.facts if fact.what == "left by an earlier run"]
    with DuneApiClient(dune.api_key, dune.url) as client:
        assert [query.name for query in client.list_queries() if query.name.startswith(QUERY_MARK)] == []


def test_a_second_ctrl_c_says_what_is_still_there(dune, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    report = Report()
    monkeypatch.setattr(TemporaryObjects, "run_sql", stop)
    monkeypatch.setattr(TemporaryObjects, "clear", stop)
    with pytest.raises(KeyboardInterrupt):
        examined(dune, report)
    assert [fact.what for fact in report.facts if fact.is_trouble] == ["made, and still there"]


def test_without_the_right_to_save_queries_the_rest_is_tried(dune):
    dune.inject("status", method="POST", path="/api/v1/query", times=None, status=403, body={"error": "no"})
    report = Report()
    with DuneApiClient(dune.api_key, dune.url, observe=append_exchanges(report)) as client:
        execute(report, TemporaryObjects(client, max_credits=None, interval=0.05))
    report.close(executes=True)
    assert report.findings["csv-null"].verdict is Verdict.HOLDS
    assert report.findings["last-executions"].seen.startswith("403: ")
    assert report.findings["nodes-form"].verdict is Verdict.NOT_TRIED
    assert report.exit_code == 0


# --- experiments that do not come off ---

BRIEF, ENOUGH = 0.2, 5
"""Seconds to wait for what does not end, where nothing else is to end, and where all else has to end meanwhile."""

ODD_ENDS = {
    "SQL that ends otherwise": (
        ENOUGH,
        {"method": "GET", "path": "/api/v1/execution/*/status"},
        {"state": "QUERY_STATE_EXPIRED", "is_execution_finished": True},
        {"csv-null": "the SQL ended as QUERY_STATE_EXPIRED"},
    ),
    "SQL that does not end": (
        BRIEF,
        {"method": "GET", "path": "/api/v1/execution/*/status"},
        {"state": "QUERY_STATE_EXECUTING"},
        {"csv-null": f"it did not come about within {BRIEF} s", "nodes-form": "what it takes did not come about"},
    ),
    "a pipeline that nobody refuses": (
        BRIEF,
        {"method": "POST", "path": "/api/v1/pipelines/execute"},
        {"pipeline_execution_id": "01JB0000000000000000000000"},
        {
            "refused-not-started": "a pipeline with an unknown query was not refused",
            "late-nodes": "what it takes did not come about",
        },
    ),
    "a pipeline that does not end": (
        ENOUGH,
        {"method": "GET", "path": "/api/v1/pipelines/executions/*/status"},
        {"status": "executing", "node_executions": []},
        {"failed-pipeline-word": f"the pipeline did not end within {ENOUGH} s"},
    ),
    "a matview of another name": (
        ENOUGH,
        {"method": "POST", "path": "/api/v1/materialized-views"},
        {"name": "dune.acme.some.thing", "execution_id": ""},
        {"last-executions": "the matview has a name that SQL cannot read"},
    ),
}


@pytest.mark.parametrize(("seconds", "place", "body", "seen"), ODD_ENDS.values(), ids=ODD_ENDS.keys())
def test_an_experiment_that_does_not_come_off_says_why(dune, seconds, place, body, seen):
    dune.inject("status", **place, times=None, status=200, body=body)
    report = Report()
    with DuneApiClient(dune.api_key, dune.url, observe=append_exchanges(report)) as client:
        execute(report, TemporaryObjects(client, max_credits=None, interval=0.05, timeout=seconds))
    report.close(executes=True)
    assert {id_: report.findings[id_].seen for id_ in seen} == seen
    assert report.findings["page-size"].verdict in (Verdict.HOLDS, Verdict.NOT_TRIED)


def test_a_query_that_ends_before_it_is_cancelled(dune):
    dune.inject("status", method="POST", path="/api/v1/execution/*/cancel", times=None, status=200, body={})
    report = Report()
    with DuneApiClient(dune.api_key, dune.url, observe=append_exchanges(report)) as client:
        execute(report, TemporaryObjects(client, max_credits=None, interval=0.05))
    assert report.findings["canceled-spelling"].seen == "the slow query ended before it was cancelled"
    assert report.findings["lineage-form"].verdict is Verdict.HOLDS
