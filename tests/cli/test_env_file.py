"""The file `.env` of the working directory: what it says holds for our commands as it does for dg's."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

from dagster_dune.cli.env_file import check_env_file
from dagster_dune.errors import DuneConfigurationError

BIN = Path(sys.executable).parent
SHOW = (
    "import json, os; print(json.dumps({k: os.environ.get(k) for k in ('DUNE_API_KEY', 'DUNE_API_BASE_URL', 'OWN')}))"
)
ASK = """
import os, httpx
from dotenv import dotenv_values
key = dotenv_values(".env")["DUNE_API_KEY"]  # as dg does
print(httpx.get(os.environ["DUNE_API_BASE_URL"] + "/api/v1/queries", headers={"X-Dune-Api-Key": key}).status_code)
"""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """A function that runs our command in a directory with a file .env."""
    for name in ("DUNE_API_KEY", "DUNE_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(env_file, *args):
        if env_file is not None:
            (tmp_path / ".env").write_bytes(env_file.encode() if isinstance(env_file, str) else env_file)
        command = [BIN / "dagster-dune", *map(str, args)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)

    return run


def test_the_key_and_the_address_are_read(cli, dune, tmp_path):
    dune.load_query(7, "Mine", "SELECT 1 AS n")
    said = f"DUNE_API_KEY='{dune.api_key}'\nexport DUNE_API_BASE_URL={dune.url} # the local Dune\n"
    done = cli(said, "catalog", "pull", "-o", "catalog.json")
    assert done.returncode == 0, done.stderr
    assert '"query_id": 7' in (tmp_path / "catalog.json").read_text()


def test_it_wins_over_the_environment_as_it_does_for_dg(cli, dune, monkeypatch):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    done = cli("DUNE_API_KEY=another\n", "catalog", "pull", "-o", "catalog.json")
    assert done.returncode == 1
    assert "401" in done.stderr + done.stdout


@pytest.mark.processes
def test_a_command_that_reads_it_again_reaches_the_local_dune(cli):
    done = cli("DUNE_API_KEY=a-key-of-the-real-dune\nOWN=1\n", "emulator", "exec", "--", sys.executable, "-c", ASK)
    assert (done.returncode, done.stdout.strip()) == (0, "200"), done.stderr
    assert "a-key-of-the-real-dune" not in done.stderr
    shown = json.loads(cli(None, "emulator", "exec", "--", sys.executable, "-c", SHOW).stdout)
    assert (shown["DUNE_API_KEY"], shown["OWN"]) == ("a-key-of-the-real-dune", "1")
    assert shown["DUNE_API_BASE_URL"].startswith("http://127.0.0.1:")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("said", "options", "name"),
    [
        ("DUNE_API_BASE_URL=https://api.dune.com/api/v1", [], "DUNE_API_BASE_URL"),
        ("DUNE_API_KEY=real", ["--api-key", "mine"], "DUNE_API_KEY"),
    ],
)
def test_what_would_lead_a_command_past_the_local_dune_is_refused(cli, said, options, name):
    done = cli(said, "emulator", "exec", *options, "--", sys.executable, "-c", "print('it ran')")
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"sets {name}, and dg and dagster would take that in place of ours. Take {name} out of it" in done.stderr


def test_a_file_that_is_no_text_is_told(cli):
    done = cli(b"DUNE_API_KEY=\xff\xfe\n", "catalog", "pull", "-o", "catalog.json")
    assert done.returncode == 1
    assert "The file .env of this directory cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.processes
def test_without_one_nothing_is_set(cli):
    shown = json.loads(cli(None, "emulator", "exec", "--", sys.executable, "-c", SHOW).stdout)
    assert shown["DUNE_API_KEY"] == "emulator-key"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\xff\xfe", "The file .env of this directory cannot be read: 'utf-8' codec"),
        (
            b"DUNE_API_BASE_URL=https://api.dune.com",
            "The file .env of this directory sets DUNE_API_BASE_URL, and dg and",
        ),
    ],
)
def test_a_file_that_is_in_the_way_is_named(tmp_path, monkeypatch, said, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUNE_API_BASE_URL", "")
    (tmp_path / ".env").write_bytes(said)
    with pytest.raises(DuneConfigurationError, match=re.escape(words)):
        check_env_file({"DUNE_API_BASE_URL": "http://127.0.0.1:1"})
