"""``dagster-dune catalog``, against the local Dune."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner
from waiting import PATIENCE, wait_until

from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.cli import app


@pytest.fixture
def run(dune, monkeypatch, tmp_path):
    """A function that runs the command in an empty folder, with the environment of an account of three queries."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(1, "Trades", "SELECT * FROM dex.trades")
    dune.load_query(2, "Volume by day", "SELECT * FROM dune.acme.result_trades", tags=["dex"])
    dune.load_query(3, "Top pairs", "SELECT * FROM query_2 LIMIT 5")
    dune.load_materialized_view("dune.acme.result_trades", 1)

    def command(*arguments):
        return CliRunner().invoke(app, ["catalog", *map(str, arguments)], catch_exceptions=False)

    return command


def test_pull_writes_the_account(run, tmp_path):
    result = run("pull", "-o", "catalog.json")
    assert result.exit_code == 0
    assert "catalog.json: 1 materialized view, 2 queries (3 read, 3 new, 0 gone)." in result.stderr
    assert [query.slug for query in DuneCatalog.from_file("catalog.json").queries] == ["volume_by_day", "top_pairs"]
    assert [file.name for file in tmp_path.iterdir()] == ["catalog.json"]


def test_pull_again_reads_what_changed_and_keeps_names(run, client):
    run("pull", "-o", "catalog.json")
    client.update_query(3, name="Renamed")
    assert "(1 read, 0 new, 0 gone)" in run("pull", "-o", "catalog.json").stderr
    query = DuneCatalog.from_file("catalog.json")["query_3"]
    assert (query.name, query.slug) == ("Renamed", "top_pairs")
    assert "(3 read, 0 new, 0 gone)" in run("pull", "-o", "catalog.json", "--full").stderr
    assert DuneCatalog.from_file("catalog.json")["query_3"].slug == "top_pairs"


def test_pull_with_nothing_new_changes_nothing(run, tmp_path):
    run("pull", "-o", "catalog.json")
    before = (tmp_path / "catalog.json").read_bytes()
    assert "(0 read, 0 new, 0 gone)" in run("pull", "-o", "catalog.json").stderr
    assert (tmp_path / "catalog.json").read_bytes() == before


def test_pull_merges_a_folder(run, tmp_path, client):
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "best_pairs.sql").write_text("/* dune\nperformance: large\n*/\nselect * from query_2 limit 5")
    (queries / "unknown.sql").write_text("SELECT 42")
    result = run("pull", "-o", "catalog.json", "--queries", "queries")
    assert result.exit_code == 0
    letters = "".join(result.stderr.split())  # a long path is broken wherever the console ends
    assert "unknown.sql:nothingsayswhichquerythisis" in letters
    query = DuneCatalog.from_file("catalog.json")["query_3"]
    assert (query.slug, query.performance, query.source.path) == (
        "best_pairs",
        "large",
        str(queries / "best_pairs.sql"),
    )
    (queries / "best_pairs.sql").write_text("SELECT * FROM query_2 LIMIT 5")
    assert "(0 read" in run("pull", "-o", "catalog.json", "--queries", "queries").stderr
    assert DuneCatalog.from_file("catalog.json")["query_3"].performance is None
    run("pull", "-o", "catalog.json")
    assert not (tmp_path / "catalog.account.json").exists()
    assert DuneCatalog.from_file("catalog.json")["query_3"].slug == "top_pairs"


def test_a_file_that_cannot_be_written_is_told_before_the_account_is_read(run, dune, tmp_path):
    (tmp_path / "in_the_way").touch()
    result = run("pull", "-o", "in_the_way/catalog.json")
    assert (result.exit_code, "in_the_way/catalog.json cannot be written" in result.stderr) == (1, True)
    assert dune.journal() == []


def test_pull_of_a_part(run):
    run("pull", "-o", "catalog.json", "--select", "tag:dex", "--select", "result_*")
    assert len(DuneCatalog.from_file("catalog.json")) == 2
    run("pull", "-o", "other.json", "--exclude", "kind:query")
    assert [obj.sql_name for obj in DuneCatalog.from_file("other.json")] == ["dune.acme.result_trades"]


@pytest.fixture
def queries(tmp_path):
    """A folder: a query of the account, three that Dune does not have, and two without an id."""
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / "dune.yml").write_text("ids: suffix")
    (folder / "best_pairs_3.sql").write_text("/* dune\ntags: [prod]\n*/ SELECT * FROM query_2 LIMIT 5")
    (folder / "new_8.sql").write_text("/* dune\ntags: [prod]\n*/ SELECT * FROM query_9, dune.acme.result_trades")
    (folder / "view_9.sql").write_text("SELECT 9")
    (folder / "draft_10.sql").write_text("SELECT 10")
    (folder / "tagged.sql").write_text("/* dune\ntags: [prod]\n*/ SELECT 42")
    (folder / "other.sql").write_text("SELECT 43")
    return folder


SELECTIONS = {
    "a tag of the folder": (["--select", "tag:prod"], ["query_2", "query_3", "query_8", "query_9"], ["tagged"]),
    "a slug of the folder": (["--select", "best_pairs"], ["query_2", "query_3"], []),
    "a slug of the account": (["--select", "top_pairs"], ["query_2", "query_3"], []),
    "either's": (["--select", "tag:dex", "--select", "draft"], ["query_10", "query_2"], []),
    "all but": (
        ["--exclude", "tag:prod"],
        ["dune.acme.result_trades", "query_10", "query_2", "query_9"],
        ["other"],
    ),
    "a part but": (["--select", "tag:prod", "--exclude", "view", "--exclude", "2"], ["query_3", "query_8"], ["tagged"]),
}


@pytest.mark.parametrize(("options", "names", "nameless"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_pull_of_a_part_of_both(run, queries, options, names, nameless):
    result = run("pull", "-o", "catalog.json", "--queries", "queries", *options)
    assert result.exit_code == 0
    catalog = DuneCatalog.from_file("catalog.json")
    assert sorted(obj.sql_name for obj in catalog) == names
    assert [query.slug for query in catalog.unidentified] == nameless


def test_pull_takes_a_folders_checks_of_what_it_takes_of_the_account(run, tmp_path):
    (tmp_path / "queries" / "checks").mkdir(parents=True)
    check = tmp_path / "queries" / "checks" / "new_41008.sql"
    check.write_text("SELECT * FROM dune.acme.result_trades WHERE amount_usd < 0")
    result = run("pull", "-o", "catalog.json", "--queries", "queries")
    assert "Left out" not in result.stderr
    catalog = DuneCatalog.from_file("catalog.json")
    assert [(check.asset, check.sql_name) for check in catalog.checks] == [("dune.acme.result_trades", "query_41008")]
    run("pull", "-o", "catalog.json", "--queries", "queries", "--exclude", "result_trades")
    catalog = DuneCatalog.from_file("catalog.json")
    assert ({obj.sql_name for obj in catalog}, catalog.checks) == ({"query_2", "query_3"}, ())


def test_pull_of_nothing_in_either(run, queries):
    result = run("pull", "-o", "catalog.json", "--queries", "queries", "--select", "tag:prod", "--select", "tag:pro")
    assert result.exit_code == 1
    assert "The pattern 'tag:pro' matches nothing" in result.stderr


def test_pull_of_a_matview_by_what_the_folder_says_of_its_query(run, tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "dune.yml").write_text("ids: suffix")
    (tmp_path / "queries" / "trades_1.sql").write_text("/* dune\ntags: [prod]\n*/ SELECT * FROM dex.trades")
    run("pull", "-o", "catalog.json", "--queries", "queries", "--select", "tag:prod")
    assert [obj.sql_name for obj in DuneCatalog.from_file("catalog.json")] == ["dune.acme.result_trades"]


def test_pull_warns_once_of_unknown_names(run, tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "dune.yml").write_text("ids: suffix")
    (tmp_path / "queries" / "new_8.sql").write_text("SELECT * FROM dune.acme.result_trade, dune.acme.result_trades")
    words = " ".join(run("pull", "-o", "catalog.json", "--queries", "queries").stderr.split())
    assert words.count("dune.acme.result_trade, read by query_8 in new_8.sql (Did you mean") == 1


def test_a_broken_file_is_told_and_written_anew(run, tmp_path):
    (tmp_path / "catalog.json").write_text('{"version": 0}')
    result = run("pull", "-o", "catalog.json")
    assert result.exit_code == 0
    assert "Everything is read anew, and assets are named anew. catalog.json: This catalog document is" in result.stderr
    assert len(DuneCatalog.from_file("catalog.json")) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pull", "-o", "catalog.json", "--select", "nope"], "The pattern 'nope' matches nothing"),
        (["pull", "-o", "catalog.json", "--select", "mine/x"], "Asset keys that a translator gives are not known here"),
        (["show", "broken.json"], "broken.json: This is no catalog document: it is no JSON"),
    ],
)
def test_errors_are_one_message(run, tmp_path, arguments, words):
    (tmp_path / "broken.json").write_text("{")
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "catalog.json").exists()


def test_a_failed_pull_leaves_the_file_alone(run, tmp_path, monkeypatch):
    run("pull", "-o", "catalog.json")
    before = (tmp_path / "catalog.json").read_bytes()
    monkeypatch.setenv("DUNE_API_KEY", "wrong")
    result = run("pull", "-o", "catalog.json")
    assert result.exit_code == 1
    assert "401" in result.stderr
    assert "wrong" not in result.stderr.replace("is wrong", "")
    assert (tmp_path / "catalog.json").read_bytes() == before


def test_warnings_are_shown(run, faulty, monkeypatch):
    monkeypatch.setenv("DUNE_API_BASE_URL", faulty.url)
    faulty.replies = [
        (200, '{"materialized_views": [{"sql_id": "dune.acme.result_x", "query_id": 1}]}'),
        (403, '{"error": "not on this plan"}'),
    ]
    result = run("pull", "-o", "catalog.json")
    assert result.exit_code == 0
    assert "its matviews have no lineage" in " ".join(result.stderr.split())
    assert "1 materialized view, 0 queries" in result.stderr


def test_show_prints_the_tree_and_counts(run):
    run("pull", "-o", "catalog.json")
    lines = run("show", "catalog.json").stdout.splitlines()
    assert lines[:4] == [
        "catalog.json",
        "└── dune.acme.result_trades (dune/acme/result_trades)",
        "    └── query_2 Volume by day (dune/volume_by_day_2)",
        "        └── query_3 Top pairs (dune/top_pairs_3)",
    ]
    assert "longest chain 3" in " ".join(" ".join(lines).split())


def test_show_says_of_a_catalog_without_objects_that_it_holds_nothing(run, dune, tmp_path):
    dune.reset()
    run("pull", "-o", tmp_path / "catalog.json")
    assert (
        run("show", tmp_path / "catalog.json").stdout == f"{tmp_path / 'catalog.json'} holds no query and no matview.\n"
    )


def test_show_prints_json_of_a_folder(run, tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "dune.yml").write_text("ids: suffix")
    (tmp_path / "queries" / "a_7.sql").write_text("SELECT * FROM dex.trades")
    (tmp_path / "queries" / "b_8.sql").write_text("SELECT * FROM query_7")
    shown = json.loads(run("show", "queries", "--json").stdout)
    assert {name: count for name, count in shown["counts"].items() if count} == {
        "queries": 2,
        "query views": 1,
        "tables": 1,
        "reads": 2,
        "longest chain": 2,
    }
    assert [(obj["name"], obj["asset_key"], obj["reads"], obj["read_by"]) for obj in shown["objects"]] == [
        ("query_7", ["dune", "a_7"], ["dex.trades"], ["query_8"]),
        ("query_8", ["dune", "b_8"], ["query_7"], []),
    ]
    assert shown["others"] == ["dex.trades"]


def test_show_lists_checks(run, tmp_path):
    (tmp_path / "queries" / "checks").mkdir(parents=True)
    (tmp_path / "queries" / "dune.yml").write_text("ids: suffix")
    header = "/* dune\nchecks: {some: {kind: row_count, at_least: 1, severity: WARN}}\n*/\n"
    (tmp_path / "queries" / "a_7.sql").write_text(f"{header}SELECT * FROM dex.trades")
    gate = "/* dune\ncheck: {asset: query_7, kind: gate, name: gate}\n*/\n"
    (tmp_path / "queries" / "checks" / "b_8.sql").write_text(f"{gate}SELECT 1 / 0 FROM query_7")
    (tmp_path / "queries" / "checks" / "c_9.sql").write_text("SELECT 1 FROM query_7 WHERE 1 = 0")
    lines = run("show", "queries").stdout.splitlines()
    assert [" ".join(line.split()) for line in lines if "check" in line] == [
        "├── query_8 (check gate of query_7)",
        "└── query_9 (check c of query_7)",
        "checks 3",
        "check some of query_7: row_count, WARN",
        "check gate of query_7: gate, ERROR, blocking",
        "check c of query_7: rows, ERROR",
    ]
    shown = json.loads(run("show", "queries", "--json").stdout)
    assert [obj["asset_key"] for obj in shown["objects"]] == [["dune", "a_7"], None, None]
    assert [(check["asset"], check["name"], check["kind"]) for check in shown["checks"]] == [
        ("query_7", "some", "row_count"),
        ("query_7", "gate", "gate"),
        ("query_7", "c", "rows"),
    ]


def test_show_names_files_without_id(run, queries, tmp_path):
    shown = json.loads(run("show", "queries", "--json").stdout)
    assert shown["unidentified"] == [str(queries / "other.sql"), str(queries / "tagged.sql")]
    run("pull", "-o", "catalog.json", "--queries", "queries")
    for path, folder in (("queries", ""), ("catalog.json", "queries/")):
        lines = run("show", path).stdout.splitlines()
        place = lines.index("└── no objects, for want of an id:")
        assert lines[place + 1 : place + 3] == [f"    ├── {folder}other.sql", f"    └── {folder}tagged.sql"]


def test_show_prints_what_views_are_given(run, tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "dune.yml").write_text("ids: suffix")
    (tmp_path / "queries" / "a_7.sql").write_text("SELECT * FROM \"query_8(chain='base')\"")
    shown = json.loads(run("show", "queries", "--json").stdout)
    assert shown["objects"][0]["view_parameters"] == {"query_8": [{"chain": "base"}]}


# --- a pull that takes long, or is interrupted ---


def queries_read(dune):
    return [entry["path"] for entry in dune.journal() if entry["path"].startswith("/api/v1/query/")]


def test_where_output_is_redirected_there_are_lines(run):
    result = run("pull", "-o", "catalog.json")
    assert "Reading queries: 0 of 3.\n" in result.stderr
    assert "Reading queries: 3 of 3.\n" in result.stderr
    assert "\x1b[" not in result.stderr


def test_the_rate_limit_is_told_with_its_end(run, dune):
    refusal = {"status": 429, "headers": {"Retry-After": "1"}, "body": {"error": "Too many requests"}}
    dune.inject("status", path="/api/v1/query/*", times=2, **refusal)
    result = run("pull", "-o", "catalog.json")
    assert result.exit_code == 0
    assert re.search(r"Dune's rate limit is reached: waiting 1 s, until \d\d:\d\d:\d\d UTC\.", result.stderr)


def test_a_pull_that_failed_goes_on_where_it_was(run, dune, tmp_path):
    dune.inject("status", path="/api/v1/query/3", times=None, status=401, body={"error": "invalid API Key"})
    failed = run("pull", "-o", "catalog.json", "--concurrency", "1")
    assert failed.exit_code == 1
    assert "2 queries that were read are kept in catalog.partial.json" in failed.stderr
    assert not (tmp_path / "catalog.json").exists()
    dune.clear_faults()
    before = len(queries_read(dune))
    done = run("pull", "-o", "catalog.json")
    assert (done.exit_code, queries_read(dune)[before:]) == (0, ["/api/v1/query/3"])
    assert "Going on with 2 queries that an earlier pull has read" in done.stderr
    assert not (tmp_path / "catalog.partial.json").exists()
    assert {obj.sql_name for obj in DuneCatalog.from_file("catalog.json")} == {
        "dune.acme.result_trades",
        "query_2",
        "query_3",
    }


def test_ctrl_c_ends_a_pull_at_once_and_keeps_what_was_read(run, dune, tmp_path):
    dune.inject("delay", path="/api/v1/query/3", times=None, seconds=600)
    command = [Path(sys.executable).with_name("dagster-dune"), "catalog", "pull", "-o", "catalog.json"]
    command += ["--concurrency", "1"]  # what was asked for before the last has been read
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as pull:
        wait_until(lambda: len(queries_read(dune)) == 3 and answered(dune) == 2)
        pull.send_signal(signal.SIGINT)
        _, told = pull.communicate(timeout=PATIENCE)
    assert pull.returncode == 130, told
    assert "Interrupted." in told
    assert "Traceback" not in told
    assert re.search(r"[12] queries that were read are kept in", told)
    dune.clear_faults()
    before = len(queries_read(dune))
    assert run("pull", "-o", "catalog.json").exit_code == 0
    assert len(queries_read(dune)[before:]) < 3


def answered(dune):
    return sum(entry["path"].startswith("/api/v1/query/") and entry["status"] == 200 for entry in dune.journal())


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_titles_that_the_terminal_cannot_show_end_no_command(tmp_path, options, encoding):
    (tmp_path / "one_4100001.sql").write_text('/* dune\nname: "🔥 é"\n*/\nSELECT 1', encoding="utf-8")
    result = CliRunner(charset=encoding).invoke(
        app, ["catalog", "show", *options, str(tmp_path)], catch_exceptions=False
    )
    assert result.exit_code == 0
    if options:
        assert "🔥 é" in {obj["title"] for obj in json.loads(result.stdout)["objects"]}
    else:
        assert "query_4100001 \\U0001f525" in result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["catalog", "show"], ["catalog", "show", "--json"]])
def test_what_cannot_be_printed_is_said_in_one_line(tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "one_4100001.sql").write_text("SELECT 1")
    words = [*arguments, *([str(tmp_path)] if "show" in arguments else [])]
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            app(words)
    assert ended.value.code == 1
    assert capsys.readouterr().err.strip() == (
        "What the command prints or writes cannot be stored: No space left on device. Make room, or write elsewhere."
    )


def test_show_takes_a_folder_of_any_name(run, tmp_path):
    folder = tmp_path / "[bold]new[" / "nope]" / ("long" * 30)
    folder.mkdir(parents=True)
    (folder / "one_4100001.sql").write_text("SELECT 1")
    result = run("show", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == str(folder)
    result = run("pull", "-o", folder / "catalog.json")
    assert f"{folder}/catalog.json: 1 materialized view," in result.stderr


def test_a_warning_is_one_line_where_there_is_no_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "x_4100001.sql").write_text("SELECT 1")
    (tmp_path / "queries" / "y_4100002.sql").write_text("/* dune\ntagz: x\n*/\nSELECT 2")
    (tmp_path / "queries" / "nameless.sql").write_text("SELECT 3")
    done = CliRunner().invoke(app, ["catalog", "show", "queries"])
    warnings = [line for line in done.stderr.splitlines() if line]
    assert [line.startswith("WARNING Left out of the catalog: ") for line in warnings] == [True, True]
    assert "'tagz'. Did you mean 'tags'? The keys are: id, name, matview, description" in warnings[0]
    assert "queries/nameless.sql: nothing says which query this is" in warnings[1]
