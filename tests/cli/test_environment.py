"""The account that the commands ask: the key and the address of the environment, read in one way by all of them."""

import json
import sys

import pytest
from typer.testing import CliRunner

from dagster_dune import DuneResource
from dagster_dune.api.address import DEFAULT_BASE_URL
from dagster_dune.cli import app
from dagster_dune.cli.environment import client_of_environment
from dagster_dune.doctor.account import described_address

NOTHING = [None, "", " ", "\t\n "]
WRONG = [
    ("dune", "is not an http(s) address"),
    ("ftp://dune", "is not an http(s) address"),
    ("http://dune.example", "would send the API key unencrypted"),
    ("https://dune.example?team=acme", "must be scheme, host, port and path alone"),
]
COMMANDS = {
    "pull": ["catalog", "pull", "-o", "catalog.json"],
    "diff": ["catalog", "diff", "queries"],
    "status": ["status", "01ABC"],
    "cancel": ["cancel", "01ABC"],
    "results of an execution": ["results", "01ABC", "-o", "out.csv"],
    "results of a query": ["results", "1", "-o", "out.csv"],
    "doctor": ["doctor"],
    "doctor, executing": ["doctor", "--execute", "--yes"],
}


@pytest.fixture
def named(monkeypatch):
    """A function that sets the address, or takes it away."""

    def set_(address):
        if address is None:
            monkeypatch.delenv("DUNE_API_BASE_URL", raising=False)
        else:
            monkeypatch.setenv("DUNE_API_BASE_URL", address)

    return set_


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A function that runs a command in a folder of its own, and returns its exit code and all that it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("DUNE_API_KEY", "")  # where the address is good, this is said before anything is asked
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "one_1.sql").write_text("SELECT 1")

    def go(words):
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, SystemExit | None), done.exc_info
        return done.exit_code, done.output

    return go


@pytest.mark.parametrize("address", NOTHING)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_without_an_address_a_command_asks_dune_itself(run, named, words, address):
    named(address)
    code, said = run(words)
    assert code == (2 if "doctor" in words else 1)
    assert "The Dune API key is empty" in said
    assert "base URL" not in said


@pytest.mark.parametrize(("address", "told"), WRONG)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_an_address_that_no_key_may_be_sent_to_is_refused(run, named, words, address, told):
    named(address)
    code, said = run(words)
    assert code == (2 if "doctor" in words else 1)
    assert told in said


@pytest.mark.parametrize(("address", "told"), [*((one, "No request came") for one in NOTHING), *WRONG])
def test_a_recording_stands_before_the_same_address(run, named, address, told):
    named(address)
    code, said = run(["record", "-o", "tape.json", "--", sys.executable, "-c", ""])
    assert (code, told in said) == (1, True), said


@pytest.mark.parametrize(
    ("address", "asked"),
    [*((one, DEFAULT_BASE_URL) for one in NOTHING), (" http://127.0.0.1:8787/\n", "http://127.0.0.1:8787")],
)
def test_commands_and_the_resource_ask_one_account(named, monkeypatch, address, asked):
    monkeypatch.setenv("DUNE_API_KEY", "some-key")
    named(address)
    with client_of_environment() as client, DuneResource(api_key="some-key").get_client() as of_resource:
        assert client.base_url == of_resource.base_url == asked
    said_by = "the default" if asked == DEFAULT_BASE_URL else "DUNE_API_BASE_URL"
    assert described_address(client.base_url) == f"{asked} ({said_by})"


def test_settings_of_a_command_are_its_own(named, monkeypatch, faulty):
    monkeypatch.setenv("DUNE_API_KEY", "some-key")
    named(faulty.url)
    faulty.replies = [(200, json.dumps({"customer_id": "team_7"}))]
    seen = []
    with client_of_environment(max_retries=0, observe=seen.append) as client:
        assert client.whoami().customer_id == "team_7"
    assert len(seen) == 1
