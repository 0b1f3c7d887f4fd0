"""What ``--help`` says."""

import re
import runpy
import sys

import pytest
from typer.testing import CliRunner

from dagster_dune.cli import app
from dagster_dune.version import __version__


def test_a_paragraph_is_broken_where_the_terminal_ends_and_not_where_the_source_does():
    wide = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    said = {
        words: CliRunner().invoke(app, [*words.split(), "--help"], env=wide).output
        for words in ("catalog pull", "doctor")
    }
    assert "the names of assets stay as they are. What an interrupted pull has read is kept" in said["catalog pull"]
    assert "Exits with 0 where all that was tried holds" in said["doctor"]
    assert not any(re.search(r"[a-z]\n +[a-z]", text.split("╭")[0]) for text in said.values())


def test_arguments_are_described():
    said = CliRunner().invoke(app, ["status", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).output
    assert re.search(r"pipeline +\S+ +The execution id of a pipeline\.", said)


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dagster-dune", "--version"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_module("dagster_dune", run_name="__main__", alter_sys=True)
    assert capsys.readouterr().out == f"dagster-dune {__version__}\n"
