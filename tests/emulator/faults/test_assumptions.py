"""Which assumptions a local Dune can break, and how it is told to."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_dune.cli import app
from dagster_dune.emulator.faults.assumptions import OTHERS
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"


@pytest.mark.parametrize("assume", [{"csv-nul": "empty"}, {"csv-null": "full"}])
def test_what_cannot_be_broken_is_an_error(assume):
    with pytest.raises(DuneConfigurationError, match="csv-nul"):
        DuneEmulator(assume=assume)


@pytest.mark.parametrize("text", ["csv-null", "csv-null=full"])
def test_so_it_is_on_the_shell(text):
    done = CliRunner().invoke(app, ["emulator", "exec", "--assume", text, "--", "true"])
    assert done.exit_code != 0
    assert "csv-null" in done.output


def test_the_page_names_all_others():
    rows = re.findall(r"^\| `([a-z0-9-]+)=([a-z]+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(id_, other, what) for id_, others in OTHERS.items() for other, what in others.items()]
