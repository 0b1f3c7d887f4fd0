"""``dagster-dune emulator start`` and ``exec``: what they tell whoever starts them."""

import importlib
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner
from waiting import PATIENCE

from dagster_dune import DuneCatalog
from dagster_dune.api.client import DuneApiClient
from dagster_dune.cli import app, load_folder
from dagster_dune.cli.subprocesses import run_with
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError, DuneError

COMMAND = [sys.executable, "-c", "from dagster_dune.cli import app; app()", "emulator"]
SHOW = "import os; print(os.environ['DUNE_API_BASE_URL'], os.environ['DUNE_API_KEY'])"


@pytest.fixture
def started(tmp_path):
    """A function that starts a local Dune, and returns its process and what it says until clients may come."""
    processes = []

    def start(*words):
        process = subprocess.Popen([*COMMAND, "start", "--port", "0", *words], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, [process.stdout.readline().rstrip() for _ in range(3)]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("key", ["emulator-key", "a key; with $HOME, 'quotes' and \"more\" \\"])
def test_the_lines_of_start_can_be_pasted(started, key):
    process, (said, *lines) = started("--api-key", key, "--team", "my_team")
    assert "for team my_team" in said
    shell = subprocess.run(
        ["bash", "-euc", "\n".join([*lines, f"exec {shlex.join([sys.executable, '-c', SHOW])}"])],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    url, _, pasted = shell.stdout.rstrip("\n").partition(" ")
    assert pasted == key
    assert url in said
    with DuneApiClient(pasted, url, timeout=PATIENCE) as client:
        assert client.whoami().customer_id
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0


def test_exec_says_where_it_is_on_the_error_stream_and_passes_the_exit_code_on():
    code = f"{SHOW}; raise SystemExit(7)"
    done = subprocess.run(
        [*COMMAND, "exec", "--", sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 7
    url, key = done.stdout.split()
    assert done.stderr.startswith(f"Dune is emulated at {url} for team acme.")
    assert key == "emulator-key"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--assume", "csv-null=purple"], "csv-null"),
        (["--assume", "nothing=other"], "nothing"),
    ],
)
def test_what_is_wrong_is_one_line(words, message):
    done = subprocess.run([*COMMAND, "exec", *words, "--", "true"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"nameless.sql": "SELECT 1"}, "nameless.sql, line 1 is a query without an id. Name the file <name>_<id>.sql."),
        (
            {"x.sql": "/* dune\nmatview: dune.acme.result_x\n*/\nSELECT 1"},
            "The matview dune.acme.result_x has no query id. Name its file <name>_<id>.sql.",
        ),
        (
            {"x_4100001.sql": "/* dune\nmatview: dune.stranger.result_x\n*/\nSELECT 1 AS n"},
            "The matview dune.stranger.result_x: ",
        ),
    ],
)
def test_a_folder_that_cannot_be_saved_is_said(dune, tmp_path, files, words):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DuneError) as error:
        load_folder(dune, tmp_path)
    assert words in str(error.value)


def test_a_file_without_an_id_is_left_out_as_of_a_catalog(dune, client, tmp_path, caplog):
    (tmp_path / "draft.sql").write_text("SELECT 2 AS n")
    (tmp_path / "good_4100001.sql").write_text("SELECT 1 AS n")
    load_folder(dune, tmp_path)
    assert [query.id for query in client.list_queries()] == [4100001]
    (told,) = caplog.messages
    assert f"{tmp_path / 'draft.sql'}: nothing says which query this is" in told


def test_a_matview_that_dune_would_refuse_is_left_out_with_a_warning(dune, client, tmp_path, caplog):
    for number, name in enumerate(["acme.result_daily", "ACME.Result_Hourly", "other.result_daily", "acme.result_été"]):
        text = f"/* dune\nmatview: dune.{name}\n*/\nSELECT {number} AS n"
        (tmp_path / f"m{number}_410001{number}.sql").write_text(text)
    load_folder(dune, tmp_path)
    loaded = [view.sql_id for view in client.list_materialized_views()]
    assert sorted(loaded) == ["dune.acme.result_daily", "dune.acme.result_hourly"]
    assert len(list(client.list_queries())) == 4
    first, second = caplog.messages
    assert f"{tmp_path / 'm2_4100012.sql'}, line 4: The matview dune.other.result_daily: " in first
    assert f"{tmp_path / 'm3_4100013.sql'}, line 4: The matview dune.acme.result_été: " in second
    assert "Dune would not create it either. So it is left out, and its query is there." in second


def test_what_headers_say_of_parameters_is_saved(dune, client, tmp_path, caplog):
    header = """
private: true
parameters:
  several: [a, b]
  chosen: {value: [x], options: [x, y]}
  other: {type: enum, value: z, options: [x, y], freeform: true}"""
    sql = "SELECT '{{several}}' AS a, '{{chosen}}' AS b, '{{other}}' AS c"
    (tmp_path / "q_4100012.sql").write_text(f"/* dune{header}\n*/\n{sql}")
    load_folder(dune, tmp_path)
    query = client.get_query(4100012)
    assert query.is_private
    declared = {parameter.key: parameter for parameter in query.parameters}
    assert [bool(declared[key].is_multiselect) for key in ("several", "chosen", "other")] == [True, True, False]
    assert [bool(declared[key].is_freeform_allowed) for key in ("several", "chosen", "other")] == [False, False, True]
    folder = DuneCatalog.from_directory(tmp_path)
    merged = DuneCatalog.merge(folder, DuneCatalog.from_api(client))
    assert merged["query_4100012"].query_parameters == folder["query_4100012"].query_parameters
    assert not caplog.messages


def test_two_matviews_of_one_query_are_saved(dune, client, tmp_path):
    for name in ("daily", "weekly"):
        text = f"/* dune\nmatview: dune.acme.result_{name}\n*/\nSELECT 1 AS n"
        (tmp_path / f"{name}_4100001.sql").write_text(text)
    load_folder(dune, tmp_path)
    assert [query.id for query in client.list_queries()] == [4100001]
    assert len(list(client.list_materialized_views())) == 2


def test_a_matview_without_an_id_is_left_out_with_a_warning(dune, client, tmp_path, caplog):
    (tmp_path / "draft.sql").write_text("/* dune\nmatview: dune.acme.result_draft\n*/\nSELECT 2 AS n")
    (tmp_path / "good_4100001.sql").write_text("/* dune\nmatview: dune.acme.result_good\n*/\nSELECT 1 AS n")
    load_folder(dune, tmp_path)
    assert [view.sql_id for view in client.list_materialized_views()] == ["dune.acme.result_good"]
    words = "The matview dune.acme.result_draft has no query id. Name its file <name>_<id>.sql. So it is left out."
    assert f"{tmp_path / 'draft.sql'}, line 4: {words}" in caplog.messages


def test_a_command_that_cannot_be_run_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DuneError, match=r"no-such-command cannot be run: No such file or directory\."):
        run_with(["no-such-command"], {})


def test_the_extra_is_named(monkeypatch):
    for module in ("server", "dune_emulator"):
        monkeypatch.delitem(sys.modules, f"dagster_dune.emulator.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "pydantic", None)  # one that all modules which stay imported have already
    words = "The local Dune needs pydantic, which is not installed. Run: pip install 'dagster-dune[emulator]'."
    with pytest.raises(DuneConfigurationError, match=re.escape(words)):
        importlib.import_module("dagster_dune.emulator.server")


def test_what_else_is_assumed_has_two_sides():
    done = CliRunner().invoke(app, ["emulator", "exec", "--assume", "csv-null", "--", "true"])
    assert done.exit_code == 1
    assert "--assume csv-null does not say what holds instead. Write ID=OTHER" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "65536"], "Invalid value for '--port'"),
        (["--port", "-1"], "Invalid value for '--port'"),
        (["--host", "no-such-host.invalid"], "Choose another host: 127.0.0.1 lets in this machine alone, 0.0.0.0 all."),
        (
            ["--database", "nowhere/dune.db"],
            "nowhere/dune.db cannot be opened: there is no folder nowhere. Make it, or",
        ),
        (
            ["--tables", "tables.yml"],
            "tables.yml: 'queries' is not the name of a table: write <schema>.<table> or dune.",
        ),
        (["--tables", "tables.yml"], "dune.<team>.<table>. Write it as"),
        (["--http-answers", "tables.yml"], "tables.yml holds an answer of 'queries', which is no URL. Map each URL"),
    ],
)
def test_what_a_server_cannot_be_given_is_told_with_what_to_do(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables.yml").write_text("queries: {x.sql: varchar}")
    done = CliRunner().invoke(app, ["emulator", "exec", *words, "--", "true"], env={"COLUMNS": "300"})
    assert done.exit_code != 0
    assert said in done.output


def test_a_port_that_is_taken_is_told_without_the_words_of_sockets(dune):
    port = dune.url.rpartition(":")[2]
    done = CliRunner().invoke(app, ["emulator", "exec", "--port", port, "--", "true"])
    assert f"127.0.0.1 port {port}: Address already in use. Choose another port, or 0 for any free one." in done.output


def test_a_port_out_of_range_is_refused_in_python_too():
    with pytest.raises(DuneConfigurationError, match=r"cannot listen on 127.0.0.1 port 70000: .*0-65535\. Choose"):
        DuneEmulator(port=70000).start()
