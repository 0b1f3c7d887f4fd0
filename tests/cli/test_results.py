"""``dagster-dune results``: a result as a file, from an execution or a query."""

import csv
import json
import os
import subprocess
import sys

import fsspec
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dagster_dune import DuneApiClient
from dagster_dune.cli import app
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.frames.results import run_query

SQL = "SELECT n, CASE WHEN n = 2 THEN NULL ELSE '' END AS t, from_hex('ab') AS b, CAST(n AS decimal(5,1)) AS d "
SQL += "FROM UNNEST(sequence(1, 3)) AS s(n)"


@pytest.fixture
def run(dune, monkeypatch, client, finish):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    dune.load_query(5, "five", SQL)
    execution = client.execute_query(5).execution_id
    finish(client, execution)
    return lambda *words: CliRunner().invoke(app, ["results", *(execution if w == "EXECUTION" else w for w in words)])


def test_a_file_of_each_kind(run, tmp_path):
    for kind, source in (("parquet", "EXECUTION"), ("csv", "5"), ("ndjson", "5")):
        done = run(source, "-o", str(tmp_path / f"out.{kind}"))
        words = " ".join(done.output.split())  # a long path is broken wherever the console ends
        assert (done.exit_code, "3 rows" in words) == (0, True), done.output
    assert pq.read_table(tmp_path / "out.parquet").column("b").to_pylist() == [b"\xab"] * 3
    text = (tmp_path / "out.csv").read_text()
    assert text.splitlines()[2:] == ['2,,"0xab",2.0', '3,"","0xab",3.0']
    assert next(csv.reader(text.splitlines())) == ["n", "t", "b", "d"]
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert lines[1] == {"n": 2, "t": None, "b": "0xab", "d": "2.0"}


def test_columns_rows_and_their_number_are_chosen(run, tmp_path):
    words = ("--columns", "n,d", "--filter", "n > 1", "--limit", "1")
    assert run("EXECUTION", "-o", str(tmp_path / "out.csv"), *words).exit_code == 0
    assert (tmp_path / "out.csv").read_text() == '"n","d"\n2,2.0\n'


def test_a_column_with_a_comma_in_its_name_is_chosen_in_double_quotes(run, dune, client, tmp_path):
    dune.load_query(7, "commas", 'SELECT 1 AS "a,b", 2 AS c, 3 AS "d""e"')
    run_query(client, 7)
    assert run("7", "-o", str(tmp_path / "out.csv"), "--columns", '"d""e", "a,b",c').exit_code == 0
    assert (tmp_path / "out.csv").read_text() == '"d""e","a,b","c"\n3,1,2\n'


def test_a_result_that_was_cut_short_is_read_where_that_is_said(database, monkeypatch, tmp_path):
    with DuneEmulator(database=database, max_result_bytes=20) as dune, DuneApiClient(dune.api_key, dune.url) as client:
        monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
        monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
        dune.load_query(6, "six", SQL)
        run_query(client, 6)
        words = ["results", "6", "-o", str(tmp_path / "out.csv")]
        refused = CliRunner().invoke(app, words)
        assert (refused.exit_code, "QUERY_STATE_COMPLETED_PARTIAL" in refused.output) == (1, True)
        assert CliRunner().invoke(app, [*words, "--allow-partial-results"]).exit_code == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) in (2, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("5", "-o", "out.xlsx"), "none of .parquet, .csv"),
        (("5", "-o", "out.csv.gz"), "out.csv.gz ends with none of"),
        (("5", "-o", "out"), "out ends with none of"),
        (("5", "-o", "out.csv", "--columns", "x"), "has no column 'x'"),
        (("5", "-o", "out.csv", "--columns", ""), "has no column ''"),
        (("5", "-o", "out.csv", "--columns", '"n,d'), "--columns is no line of CSV: '\"n,d' (unexpected end of data)"),
        (("5", "-o", "out.csv", "--max-bytes", "1"), "more than max_bytes=1"),
        (("99", "-o", "out.csv"), "99"),
        (("five", "-o", "out.csv"), "is invalid. What was asked for cannot be given: correct it, and ask again."),
        (("9" * 19, "-o", "out.csv"), "A number of 19 digits is none of a query."),
        (("9" * 5_000, "-o", "out.csv"), "A number of 5,000 digits is none of a query."),
        (("5", "-o", "in_the_way.csv/out.csv"), "in_the_way.csv/out.csv cannot be written"),
        (("5", "-o", "folder.parquet"), "folder.parquet cannot be written"),
        (("5", "-o", "nosuch://bucket/out.csv"), "The file system of 'nosuch://bucket/out.csv' cannot be used"),
    ],
)
def test_what_cannot_be_done_is_said(run, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in_the_way.csv").touch()
    (tmp_path / "folder.parquet").mkdir()
    done = run(*words)
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder.parquet", "in_the_way.csv"]


@pytest.mark.parametrize("name", ["in_the_way/out.csv", f"{'x' * 300}.csv"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(run, dune, tmp_path, name):
    (tmp_path / "in_the_way").touch()
    before = len(dune.journal())
    done = run("5", "-o", str(tmp_path / name))
    assert (done.exit_code, "cannot be written" in done.output) == (1, True)
    assert len(dune.journal()) == before


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
def test_a_file_can_be_a_url(run, kind):
    url = f"memory://results/out.{kind}"
    done = run("5", "-o", url)
    assert done.exit_code == 0, done.output
    assert fsspec.filesystem("memory").size(url) > 0


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_the_password_of_a_url_is_printed_nowhere(run, kind):
    done = run("5", "-o", f"memory://user:pa55word@host/out.{kind}")
    assert f"memory://user:***@host/out.{kind}" in done.output


def test_no_bar_is_drawn_where_there_is_no_terminal(run, tmp_path):
    done = run("5", "-o", str(tmp_path / "a-long-name-so-that-the-line-is-longer-than-any-console.csv"))
    (line,) = done.output.splitlines()
    assert line.partition("console.csv: ")[2].startswith("3 rows, ")
    refused = run("5", "-o", str(tmp_path / "x.csv"), "--columns", "nope")
    assert refused.output == "The result has no column 'nope'. It has n, t, b, d.\n"


def test_a_query_that_was_never_executed_is_told_what_to_do(run, dune, tmp_path):
    dune.load_query(8, "eight", "SELECT 1 AS n")
    done = run("8", "-o", str(tmp_path / "x.csv"))
    assert done.exit_code == 1
    assert "Query 8 has no result: it was not executed since its SQL was saved. Execute it" in done.output
    assert "belongs to the team" in run("9", "-o", str(tmp_path / "x.csv")).output


def test_a_query_may_be_named_as_sql_names_it(run, tmp_path):
    for source in ("query_5", '"QUERY_5"'):
        assert "3 rows" in run(source, "-o", str(tmp_path / "x.csv")).output


@pytest.mark.parametrize(
    "source", ["dune.acme.result_daily", "dune/five_5", "five_5", "result_daily", "https://dune.com/queries/5"]
)
def test_a_name_that_is_no_id_is_refused_before_anything_is_asked(run, dune, tmp_path, source):
    asked = len(dune.journal())
    done = run(source, "-o", str(tmp_path / "x.csv"))
    assert done.exit_code == 1
    words = f"'{source}' is neither the id of an execution nor the number of a query. Of an asset, the id stands in the"
    assert f"{words} metadata of its last materialization (dagster-dune/execution_id)." in done.output
    assert len(dune.journal()) == asked


def test_without_arrow_the_extra_is_named_in_one_line(tmp_path):
    program = f"""
import sys
sys.modules["pyarrow"] = None
sys.argv = ["dagster-dune", "results", "5", "-o", {str(tmp_path / "out.csv")!r}]
from dagster_dune.cli import app
app()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "DUNE_API_KEY": "a-very-secret-key"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "This needs pyarrow, which is not installed. Run: pip install 'dagster-dune[dataframe]'.\n"
