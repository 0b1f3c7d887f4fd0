"""`dagster-dune doctor`: reads alone, against local Dunes that lack this and that."""

import json
import time

import pytest
from typer.testing import CliRunner

from dagster_dune.api.client import DuneApiClient
from dagster_dune.cli import app
from dagster_dune.doctor.account import AccountReads, append_exchanges
from dagster_dune.doctor.assumptions import ASSUMPTIONS
from dagster_dune.doctor.report import Report, Verdict
from dagster_dune.emulator.server import DuneEmulator

NAMES = ("secret_volume", "Secret title", "SELECT 4711 AS hidden_column", "hidden_column", "a_secret_tag", "acme")


@pytest.fixture
def ask(dune, monkeypatch):
    """A function that runs the doctor on the local Dune."""
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    monkeypatch.setenv("COLUMNS", "300")
    return lambda *words: CliRunner().invoke(app, ["doctor", *words])


@pytest.fixture
def account(dune, client, finish):
    dune.load_query(470007, NAMES[1], NAMES[2], tags=[NAMES[4]], is_private=True)
    dune.load_materialized_view("dune.acme.result_secret_volume", 470007)
    finish(client, client.refresh_materialized_view("dune.acme.result_secret_volume").execution_id)
    finish(client, client.execute_query(470007).execution_id)


def facts(done):
    return {fact["what"]: fact["said"] for fact in json.loads(done.stdout)["facts"]}


def verdicts(done):
    return {row["id"]: row["verdict"] for row in json.loads(done.stdout)["assumptions"]}


def test_it_only_reads(ask, dune, account):
    before = (len(dune.journal()), len(dune.executions()))
    assert ask("--json").exit_code == 0
    sent = [(entry["method"], entry["path"]) for entry in dune.journal()[before[0] :]]
    changing = [one for one in sent if one[0] != "GET"]
    assert set(changing) == {("POST", "/api/v1/usage"), ("POST", "/api/v1/datasets/search")}
    assert len(dune.executions()) == before[1]


def test_what_the_account_is_and_holds(ask, account):
    said = facts(ask("--json"))
    assert said["key"] == "belongs to team_1, made by user 1"
    assert "1 materialized view, 1 query" in said["account"]
    assert "of 2500 left" in said["credits"]
    assert {"whoami", "query", "results", "pipelines", "pipeline of a query"} <= set(
        said["endpoints"].removeprefix("answer: ").split(", ")
    )
    assert "not to be had" not in said
    assert not [what for what in said if what.startswith("new in")]


def test_what_reads_can_settle_is_settled(ask, account):
    found = verdicts(ask("--json"))
    assert found["matview-names"] == "holds"
    assert list(found) == [assumption.id for assumption in ASSUMPTIONS]
    assert found["nodes-form"] == "not tried"


def test_the_table_is_for_people(ask, account):
    done = ask()
    assert done.exit_code == 0
    for words in ("matview-names", "holds", "needs doctor --execute", "It takes a result larger than 32 GB."):
        assert words in done.stdout


def test_a_plan_without_query_endpoints_keeps_nothing_else_from_being_tried(ask, dune, account):
    for path in ("/api/v1/queries", "/api/v1/query/*"):
        dune.inject("status", path=path, times=None, status=403, body={"error": "upgrade your plan"})
    done = ask("--json")
    said = facts(done)
    assert done.exit_code == 0
    assert "queries (403: not with this key or plan)" in said["not to be had"]
    assert "materialized view" in said["endpoints"]
    assert "pipelines" in said["endpoints"]


@pytest.mark.parametrize("key", ["another-key", ""])
def test_a_key_that_is_refused_is_2(ask, monkeypatch, key):
    monkeypatch.setenv("DUNE_API_KEY", key)
    done = ask()
    assert done.exit_code == 2
    assert "key" in done.stdout.lower()


def test_nobody_there_is_2(ask, monkeypatch):
    monkeypatch.setenv("DUNE_API_BASE_URL", "http://127.0.0.1:9")
    assert ask("--json").exit_code == 2


def test_limits_and_proxies_are_told_from_headers(ask, dune, account):
    headers = {"X-RateLimit-Limit": "40", "Via": "1.1 gateway"}
    dune.inject("status", path="/api/whoami", status=200, body={"customer_id": "user_9"}, headers=headers)
    done = ask("--json")
    said = facts(done)
    assert "via: 1.1 gateway" in said["proxy"]
    assert "limit 40" in said["limits"]
    assert said["not in whoami"] == "api_key_id, created_by"


def test_fields_that_are_new_are_listed(ask, dune):
    dune.inject("status", path="/api/whoami", status=200, body={"customer_id": "user_9", "plan": {"name": "plus"}})
    assert facts(ask("--json"))["new in whoami"] == "fields that are not read: plan"


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}])
def test_429_tells_whether_it_says_how_long(ask, dune, headers):
    dune.inject("status", path="/api/v1/materialized-views", status=429, body={"error": "slow"}, headers=headers)
    assert verdicts(ask("--json"))["retry-after"] == ("holds" if headers else "does not hold")


def test_names_of_another_form_are_noticed(ask, dune):
    body = {"materialized_views": [{"sql_id": "acme.mine"}, {"sql_id": "dune.acme.result_ok"}]}
    dune.inject("status", path="/api/v1/materialized-views", status=200, body=body)
    done = ask()
    assert done.exit_code == 1
    assert "1 of 2 names is of another form" in done.stdout
    assert "Matviews of other names are left out" in done.stdout


def test_a_saved_report_holds_no_key_no_names_no_sql_and_no_rows(ask, dune, account, tmp_path):
    dune.inject(
        "status", path="/api/v1/uploads", status=400, body={"error": f"Table dune.acme.{NAMES[0]} of '{NAMES[1]}' 4711"}
    )
    assert ask("--save", str(tmp_path / "report.json")).exit_code == 0
    text = (tmp_path / "report.json").read_text()
    saved = json.loads(text)
    assert [name for name in (*NAMES, dune.api_key, dune.url, "team_1", "4711") if name in text] == []
    requests = [exchange["request"] for exchange in saved["exchanges"]]
    assert "GET /api/v1/materialized-views/{name}" in requests
    assert "GET /api/v1/query/{id}" in requests
    results = next(exchange for exchange in saved["exchanges"] if exchange["request"].endswith("/results"))
    assert results["answer"]["state"] == "QUERY_STATE_COMPLETED"
    assert results["answer"]["result"]["rows"] == "<0>"


def test_a_folder_and_a_document_are_compared(ask, dune, account, tmp_path):
    (tmp_path / "q").mkdir()
    header = "/* dune\nmatview: dune.acme.result_secret_volume\n*/\n"
    same = tmp_path / "q" / "same_470007.sql"
    same.write_text(header + NAMES[2])
    assert facts(ask("--json", "--folder", str(same.parent)))["folder"] == "1 object; all as on Dune"
    (same.parent / "gone_470008.sql").write_text("SELECT 1")
    (same.parent / "nameless.sql").write_text("SELECT 3")
    same.write_text(header + "SELECT 2 AS b")
    said = facts(ask("--json", "--folder", str(same.parent)))["folder"]
    assert "3 objects; 1 of them without an id" in said
    assert "not on Dune: query_470008" in said
    assert "other SQL on Dune: dune.acme.result_secret_volume" in said


def test_a_clock_that_is_wrong_is_told(dune):
    report = Report()
    with DuneApiClient(dune.api_key, dune.url, observe=append_exchanges(report)) as client:
        AccountReads(client, report, clock=lambda: time.time() + 3600).examine()
    clock = next(fact for fact in report.facts if fact.what == "clock")
    assert clock.is_trouble
    assert "+36" in clock.said


def test_a_verdict_stays_where_it_is_worse():
    report = Report()
    report.does_not_hold("csv-null", "first")
    report.holds("csv-null", "second")
    assert report.findings["csv-null"].verdict is Verdict.DOES_NOT_HOLD
    assert report.exit_code == 1


def test_clients_can_be_observed(client, dune):
    seen = []
    with DuneApiClient(dune.api_key, dune.url, observe=seen.append) as observed:
        observed.whoami()
    assert [(answer.request.path, answer.status) for answer in seen] == [("whoami", 200)]
    assert dune.api_key not in repr(seen)


def test_an_account_with_little_is_no_trouble():
    with DuneEmulator(rate_limit="free") as small:
        report = Report()
        with DuneApiClient(small.api_key, small.url, observe=append_exchanges(report)) as client:
            AccountReads(client, report).examine()
        report.close(executes=False)
    assert report.exit_code == 0
    assert len(report.exchanges) <= 15


@pytest.mark.parametrize(("id_", "other"), [("matview-names", "short"), ("retry-after", "missing")])
def test_broken_assumptions_that_reads_settle_are_noticed(id_, other):
    with DuneEmulator(assume={id_: other}) as broken:
        broken.load_query(7, "Seven", "SELECT 1 AS a")
        broken.load_materialized_view("dune.acme.result_secret_volume", 7)
        slow = {"status": 429, "body": {"error": "slow"}, "headers": {"Retry-After": "0"}}
        broken.inject("status", path="/api/v1/queries", **slow)
        report = Report()
        with DuneApiClient(broken.api_key, broken.url, max_retries=2, observe=append_exchanges(report)) as client:
            AccountReads(client, report).examine()
        assert report.findings[id_].verdict is Verdict.DOES_NOT_HOLD


def test_a_narrow_terminal_breaks_words_and_cuts_none_off(ask, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    done = ask()
    assert done.exit_code == 0
    assert "\N{HORIZONTAL ELLIPSIS}" not in done.stdout
