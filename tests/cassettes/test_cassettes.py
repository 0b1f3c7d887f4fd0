"""Recording and replaying: equal events, no keys, names, SQL or rows, and an error for what was not recorded."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_http import plain
from typer.testing import CliRunner

from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneApiError, DuneBadRequestError
from dagster_dune.cassettes.anonymous import Anonymous
from dagster_dune.cassettes.cassette import Cassette
from dagster_dune.cassettes.proxy import recording
from dagster_dune.catalog.settings.checks import GATE_MARKER, gate_answer
from dagster_dune.cli import app, load_folder
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError

ROOT = Path(__file__).parents[2]
KEY = "a-key-that-nobody-may-see-0123456"
SECRETS = ("acme", "result_secret_volume", "secret_column", "SELECT 4711", "secret row text", "Secret title", KEY)
RUN = """
import json, sys
import dagster as dg
from dagster_dune import DuneCatalog, DuneResource, MaterializedView, Query, build_dune_assets

catalog = DuneCatalog(
    materialized_views=[MaterializedView(name="dune.acme.result_secret_volume", query_id=7)],
    queries=[Query(query_id=8, references=["dune.acme.result_secret_volume"]), Query(query_id=9, slug="broken")],
)
with dg.DagsterInstance.ephemeral() as instance:
    result = dg.materialize(
        [build_dune_assets(catalog)], instance=instance, raise_on_error=False,
        resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.05)},
    )
    events = [event for event in result.all_events if event.event_type_value.startswith("ASSET_")]
    shown = sorted((e.event_type_value, e.asset_key.to_user_string(), sorted(
        (name, str(value.value)) for name, value in
        (e.asset_observation_data.asset_observation if e.event_type_value == "ASSET_OBSERVATION"
         else e.step_materialization_data.materialization).metadata.items())) for e in events
         if e.event_type_value in ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION"))
print(json.dumps(shown))
"""
ROWS = "SELECT n, 'secret row text' || CAST(n AS varchar) AS secret_column FROM UNNEST(sequence(1, 9)) AS s(n)"


@pytest.fixture
def real():
    with DuneEmulator(api_key=KEY) as dune:
        dune.load_query(7, "Secret title", "SELECT 4711 AS secret_column", tags=["acme"])
        dune.load_materialized_view("dune.acme.result_secret_volume", 7)
        dune.load_query(8, "Secret title", "SELECT secret_column FROM dune.acme.result_secret_volume")
        dune.load_query(9, "Secret title", "SELECT secret_column / 0 AS n FROM (VALUES 1) AS t(secret_column)")
        dune.load_query(10, "Secret title", "SELECT secret_column FROM dune.acme.result_secret_volume_2")
        yield dune


def cli(*words, **variables):
    command = [sys.executable, "-c", "from dagster_dune.cli import app; app()", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DUNE_API")}
    return subprocess.run(command, check=False, env=environment | variables, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.processes
@pytest.mark.parametrize("keep", [[], ["--keep"]])
def test_a_run_and_its_replay_have_equal_events(real, tmp_path, keep):
    file = str(tmp_path / "run.json")
    run = ["--", sys.executable, "-c", RUN]
    recorded = cli("record", *keep, "-o", file, *run, DUNE_API_KEY=KEY, DUNE_API_BASE_URL=real.url)
    assert recorded.returncode == 0, recorded.stderr
    real.stop()
    replayed = cli("replay", file, *run)
    assert replayed.returncode == 0, replayed.stderr
    first, second = (done.stdout.splitlines()[-1] for done in (recorded, replayed))
    if not keep:  # columns are names too, and no request has told the real ones
        second = second.replace(Anonymous(Cassette.read(Path(file)).salt).name("secret_column"), "secret_column")
    assert json.loads(second) == json.loads(first)
    assert len(json.loads(first)) == 3
    text = Path(file).read_text()
    assert KEY not in text
    found = [word for word in SECRETS[:-1] if word in text]
    assert found == ([] if not keep else found)
    assert bool(keep) == ("acme" in text)


@pytest.mark.processes
def test_the_demo_recorded_and_replayed(tmp_path):
    with DuneEmulator() as dune:
        load_folder(dune, ROOT / "dune_project" / "queries")
        # So the details of some come after their events, as on an overloaded machine; the table has them all the same.
        dune.inject("delay", method="GET", path="/api/v1/execution/*/status", times=2, seconds=2)
        file, demo = str(tmp_path / "demo.json"), ["--", sys.executable, "-m", "dune_project.demo"]
        recorded = cli("record", "--keep", "-o", file, *demo, DUNE_API_KEY=dune.api_key, DUNE_API_BASE_URL=dune.url)
    assert recorded.returncode == 0, recorded.stderr
    replayed = cli("replay", file, *demo, DUNE_API_KEY="any key")
    told = [re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", done.stdout) for done in (recorded, replayed)]
    assert told[0] == told[1]
    assert "materialized" in replayed.stdout


def test_pages_stay_inside_and_rows_are_others(real, tmp_path, finish):
    file = tmp_path / "pages.json"
    with recording(real.url) as (address, recorder), DuneApiClient(KEY, address) as client:
        failed = finish(client, client.execute_query(10).execution_id)
        assert "acme" in failed.error.message
        execution = client.execute_sql(ROWS).execution_id
        finish(client, execution)
        page = client.get_execution_results(execution, limit=4)
        assert page.next_uri.startswith(address)
        assert page.result.rows[0] == {"n": 1, "secret_column": "secret row text1"}
        follow = plain.get(page.next_uri, headers={"X-Dune-Api-Key": KEY}).json()
        text = plain.get(f"{address}/api/v1/execution/{execution}/results/csv?api_key={KEY}").text
    assert "secret row text9" in text
    recorder.cassette().write(file)
    assert [word for word in (*SECRETS, real.url) if word in file.read_text()] == []
    with DuneEmulator(cassette=file) as replay, DuneApiClient("any other key", replay.url) as client:
        assert client.execute_sql(ROWS).execution_id == execution
        played = client.get_execution_results(execution, limit=4)
        assert played.next_uri.startswith(replay.url)
        assert len(played.result.rows) == 4
        assert (
            plain.get(played.next_uri, headers={"X-Dune-Api-Key": "x"}).json()["next_offset"] == follow["next_offset"]
        )


def test_what_was_not_recorded_is_an_error_that_shows_the_nearest(real, tmp_path):
    file = tmp_path / "one.json"
    with recording(real.url, keeps_names=True) as (address, recorder), DuneApiClient(KEY, address) as client:
        client.execute_query(7, query_parameters=None)
        client.get_query(7)
    recorder.cassette().write(file)
    with DuneEmulator(cassette=file) as replay, DuneApiClient("k", replay.url) as client:
        with pytest.raises(DuneBadRequestError, match=r"nearest that was recorded: GET /api/v1/query/7"):
            client.get_query(8)
        client.execute_query(7)
        with pytest.raises(DuneBadRequestError, match="recorded 1 times"):
            client.execute_query(7)
        assert client.get_query(7) == client.get_query(7)
        replay.reset()
        client.execute_query(7)


def test_a_local_dune_answers_the_rest_if_it_may(real, tmp_path):
    file = tmp_path / "one.json"
    with recording(real.url) as (address, recorder), DuneApiClient(KEY, address) as client:
        client.get_query(7)
    recorder.cassette().write(file)
    with DuneEmulator(cassette=file, strict=False) as replay, DuneApiClient("not compared", replay.url) as client:
        replay.load_query(5, "Other", "SELECT 1 AS a")
        assert client.get_query(7).name != "Secret title"
        assert client.get_query(5).name == "Other"
        assert "not compared" not in json.dumps(replay.journal())


def test_a_base_url_in_code_is_noticed(real, tmp_path):
    code = f"from dagster_dune import DuneApiClient; DuneApiClient({KEY!r}, {real.url!r}).whoami()"
    done = cli("record", "-o", str(tmp_path / "no.json"), "--", sys.executable, "-c", code)
    assert done.returncode == 1
    assert "base_url" in done.stderr


def test_a_command_that_asks_nothing_is_noticed(real, tmp_path, monkeypatch):
    monkeypatch.setenv("DUNE_API_BASE_URL", real.url)
    done = CliRunner().invoke(app, ["record", "-o", str(tmp_path / "no.json"), "--", "true"])
    assert done.exit_code == 1
    assert "No request came through the recording" in done.output
    assert "Take it out to record." in done.output


def test_exit_codes_are_passed_on(real, tmp_path):
    code = "import sys; from dagster_dune import get_client; sys.exit(7)"
    code = "import os, sys, httpx; httpx.get(os.environ['DUNE_API_BASE_URL'] + '/api/whoami'); sys.exit(7)"
    words = ["-o", str(tmp_path / "x.json"), "--", sys.executable, "-c", code]
    assert cli("record", *words, DUNE_API_BASE_URL=real.url).returncode == 7
    assert cli("replay", str(tmp_path / "x.json"), "--", sys.executable, "-c", code).returncode == 7


@pytest.mark.parametrize("text", ["", "{}", '{"format": "other", "salt": null, "interactions": []}', "[1]"])
def test_what_is_no_cassette_says_so(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DuneConfigurationError, match=r"c\.json is"):
        DuneEmulator(cassette=tmp_path / "c.json")
    assert CliRunner().invoke(app, ["replay", str(tmp_path / "c.json"), "--", "true"]).exit_code == 1


def test_the_fixture_leads_there(real, tmp_path, dune_replay):
    file = tmp_path / "one.json"
    with recording(real.url) as (address, recorder), DuneApiClient(KEY, address) as client:
        client.whoami()
    recorder.cassette().write(file)
    replay = dune_replay(file)
    assert os.environ["DUNE_API_BASE_URL"] == replay.url
    with DuneApiClient(os.environ["DUNE_API_KEY"], replay.url) as client:
        client.whoami()
    assert Cassette.read(file).interactions[0].asked.path == "/api/whoami"


# --- what a cassette must not hold, whichever way it comes ---

COLUMN, CELL, OWNER = "hidden_column", "hidden cell", "hidden_owner"
HIDDEN = (COLUMN, CELL, "hidden", KEY)


def upload(client):
    """Make a table, fill it in both forms, and take it away."""
    columns = [models.TableColumn(name=COLUMN, type="varchar")]
    created = client.create_upload("acme", "hidden_table", columns, description="hidden words")
    client.insert_rows("acme", "hidden_table", f"{COLUMN}\n{CELL} 1\n{CELL} 2\n")
    for rows in (1, 2):
        lines = "".join(json.dumps({COLUMN: f"{CELL} {row}"}) + "\n" for row in range(rows))
        client.insert_rows("acme", "hidden_table", lines, "application/x-ndjson")
    client.upload_csv("hidden_csv", f"{COLUMN}\n{CELL}\n")
    with pytest.raises(DuneApiError):
        client.insert_rows("acme", "hidden_other", f"{COLUMN}\n1\n")
    client.delete_upload("acme", "hidden_table")
    return created


def test_uploads_are_recorded_without_names_and_rows(real, tmp_path):
    file = tmp_path / "uploads.json"
    with recording(real.url) as (address, recorder), DuneApiClient(KEY, address) as client:
        created = upload(client)
    recorder.cassette().write(file)
    assert [word for word in (*HIDDEN, "acme") if word in file.read_text()] == []
    with DuneEmulator(cassette=file) as replay, DuneApiClient("k", replay.url) as client:
        assert upload(client).full_name == created.full_name


def test_a_page_of_csv_may_hold_a_text_of_any_length():
    page = Anonymous("salt").csv(f"{COLUMN}\n{CELL * 100_000}\n")
    assert len(page.splitlines()) == 2
    assert CELL not in page


def pages(client, execution):
    """Read a result with a filter in pages, as both formats name the next one."""
    options = {"filters": f"{COLUMN} like '{CELL}%' and n > 1", "limit": "2"}
    key, found = {"X-Dune-Api-Key": KEY}, []
    uri = httpx.URL(f"{client.base_url}/api/v1/execution/{execution}/results", params=options)
    while uri:
        page = plain.get(uri, headers=key).raise_for_status().json()
        found.append(page["result"]["metadata"]["row_count"])
        uri = page.get("next_uri")
    uri = httpx.URL(f"{client.base_url}/api/v1/execution/{execution}/results/csv", params=options)
    while uri:
        answer = plain.get(uri, headers=key).raise_for_status()
        found.append(len(answer.text.splitlines()) - 1)
        uri = answer.headers.get("x-dune-next-uri")
    return found


def test_addresses_of_next_pages_name_nothing_and_can_be_followed(real, tmp_path, finish):
    file = tmp_path / "pages.json"
    sql = f"SELECT n, '{CELL}' || CAST(n AS varchar) AS {COLUMN} FROM UNNEST(sequence(1, 8)) AS s(n)"
    with recording(real.url) as (address, recorder), DuneApiClient(KEY, address) as client:
        execution = client.execute_sql(sql).execution_id
        finish(client, execution)
        recorded = pages(client, execution)
    recorder.cassette().write(file)
    assert len(recorded) > 4
    assert [word for word in HIDDEN if word in file.read_text()] == []
    with DuneEmulator(cassette=file) as replay, DuneApiClient("k", replay.url) as client:
        assert pages(client, execution) == recorded


ODD_ANSWERS = {
    "fields that are new": '{"query_id": 7, "team": "hidden", "plan": {"label": "hidden words", "list": ["hidden"]}}',
    "a web page": "<html><body>Signed in as hidden</body></html>",
    "half an answer": '{"query_id": 7, "name": "hidden',
    "several lines of JSON": '{"name": "hidden"}\n{"name": "hidden"}',
    "a number without end": '{"hidden": ' + "9" * 5_000 + "}",
    "types": '{"column_types": ["row(hidden_field bigint, \\"hidden 2\\" map(varchar, uint256))"]}',
    "an address elsewhere": '{"next_uri": "https://elsewhere.example/hidden?filters=hidden"}',
    "rows that are none": '{"result": {"rows": ["hidden", {"a": {"hidden": "hidden"}}, 12]}}',
    "a sentence": '{"error": "of `hidden x` and \\"hidden\\" (hidden.schema.tab): cast to date: hidden"}',
    "a sentence with a name that came before": '{"name": "hidden_name", "error": {"message": "unknown (hidden_name)"}}',
    "a date and words": '{"rows": [{"a": "2024-01-31 hidden words"}]}',
    "the key": f'{{"seen": "{KEY}", "basic": "{base64.b64encode(KEY.encode()).decode()}", "error": "of {KEY[:20]}"}}',
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
@pytest.mark.parametrize("status", [200, 502])
def test_whatever_is_answered_names_nothing(faulty, tmp_path, answer, status):
    file = tmp_path / "odd.json"
    faulty.replies = [(status, answer)]
    with recording(faulty.url) as (address, recorder):
        came = plain.get(f"{address}/api/v1/query/7?columns={COLUMN}", headers={"X-Dune-Api-Key": KEY})
    assert came.text == answer.replace(faulty.url, address)
    recorder.cassette().write(file)
    words = [*HIDDEN, KEY[:20], base64.b64encode(KEY.encode()).decode()[:20]]
    assert [word for word in words if word in file.read_text()] == []


@pytest.mark.parametrize("status", [200, 404])
def test_a_body_without_a_length_is_handed_on(faulty, status):
    faulty.replies = [(status, "{}")]
    with recording(faulty.url, keeps_names=True) as (address, recorder):
        assert plain.post(f"{address}/api/v1/query", content=iter([b'{"a":', b" 1}"])).status_code == status
    assert faulty.bodies == [b'{"a": 1}']
    assert recorder.cassette().interactions[0].asked.body == {"a": 1}


def test_what_a_command_has_seen_is_recorded_though_it_ends_at_once(faulty):
    """Names are taken out after the answer has been handed on, which takes a while for a large page."""
    faulty.replies = [(200, "a,b\n" + "some words,1234\n" * 50_000)]
    with recording(faulty.url) as (address, recorder):
        assert plain.get(f"{address}/api/v1/execution/01/results/csv").status_code == 200
    assert len(recorder.cassette().interactions) == 1


@pytest.mark.parametrize("keeps_names", [True, False])
def test_half_a_character_costs_no_recording(faulty, tmp_path, keeps_names):
    """JSON can spell what no file can hold."""
    faulty.replies = [(200, '{"name": "\\ud800"}')]
    with recording(faulty.url, keeps_names=keeps_names) as (address, recorder):
        assert plain.get(f"{address}/api/v1/query/7").text == '{"name": "\\ud800"}'
    recorder.cassette().write(tmp_path / "half.json")
    assert len(Cassette.read(tmp_path / "half.json").interactions) == 1


def test_what_is_replaced_stays_as_it_is():
    anonymous = Anonymous("salt")
    texts = ["a name", "dune.acme.result_x", 'dune."21co".dataset_y']
    for text in texts:
        assert anonymous.name(anonymous.name(text)) == anonymous.name(text) != text
    assert anonymous.json({"query_sql": anonymous.json({"query_sql": "SELECT 1"})["query_sql"]})[
        "query_sql"
    ].startswith("SELECT 'sql_")


def test_a_gate_that_says_no_still_says_it():
    shown = Anonymous("salt").sentence(f"Cannot cast '{GATE_MARKER} 3 hidden amounts' to bigint")
    assert gate_answer(shown).startswith("name_")


VALUES = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.booleans(), st.none())


@given(VALUES)
def test_values_keep_their_kind_and_are_replaced_alike(value):
    first, again = Anonymous("salt").value(value), Anonymous("salt").value(value)
    assert first == again
    assert type(first) is type(value)


@given(st.from_regex(r"[a-z]{8,20}", fullmatch=True), st.from_regex(r"[a-z]{8,20}", fullmatch=True))
def test_no_name_of_a_table_stays(team, name):
    anonymous = Anonymous("salt")
    real = f"dune.{team}.result_{name}"
    shown = anonymous.json({"sql_id": real, "error": f"Table '{real}' of {real} is gone"})
    assert team not in json.dumps(shown)
    assert name not in json.dumps(shown)
    assert shown["sql_id"] in shown["error"]
    assert anonymous.path(f"/api/v1/materialized-views/{real}").endswith(shown["sql_id"])
    assert anonymous.with_real_names(shown["sql_id"]) == real


def test_a_place_where_nothing_can_be_written_is_told_before_the_command_runs(real, tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "in_the_way").touch()
    words = ["record", "-o", str(tmp_path / "in_the_way" / "tape.json"), "--", "touch", str(ran)]
    done = CliRunner().invoke(app, words, env={"DUNE_API_BASE_URL": real.url})
    assert done.exit_code == 1
    told = f"{tmp_path / 'in_the_way' / 'tape.json'} cannot be written: File exists. Name another file."
    assert told in done.output
    assert not ran.exists()


def test_the_folder_of_a_cassette_is_made_before_the_command_runs(real, tmp_path):
    tape = tmp_path / "new" / "folder" / "tape.json"
    words = ["record", "-o", str(tape), "--", "touch", str(tape.parent / "ran")]
    CliRunner().invoke(app, words, env={"DUNE_API_BASE_URL": real.url})
    assert (tape.parent / "ran").exists()


def test_another_json_is_told_what_it_lacks(tmp_path):
    other = tmp_path / "catalog.json"
    other.write_text('{"version": 1}')
    with pytest.raises(
        DuneConfigurationError, match=r"no cassette that can be read: it has no 'interactions'\. dagster"
    ):
        Cassette.read(other)
