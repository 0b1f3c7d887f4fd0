"""Each option of a command, and each argument of what builds definitions, stands on a page that people read."""

import inspect
from pathlib import Path

import pytest
import typer.main

import dagster_dune
from dagster_dune.cli import app

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(
    page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if page.name != "errors.md"
)
COMMON = {"--help", "--output", "--version", "--install-completion", "--show-completion"}


def options(command, name=""):
    """The options of a command and of those below it, with the words that the command is called by."""
    for parameter in command.params:
        yield from ((name, option) for option in parameter.opts if option.startswith("--") and option not in COMMON)
    for word, below in getattr(command, "commands", {}).items():
        yield from options(below, f"{name} {word}".strip())


def test_each_option_of_a_command_is_on_a_page():
    found = list(options(typer.main.get_command(app)))
    assert len(found) > 40
    assert [(name, option) for name, option in found if f"{option} " not in PAGES and f"{option}`" not in PAGES] == []


@pytest.mark.parametrize("name", [name for name in dagster_dune.__all__ if name.startswith(("build_", "merge_"))])
def test_each_argument_of_what_builds_definitions_is_on_a_page(name):
    parameters = inspect.signature(getattr(dagster_dune, name)).parameters
    named = [one.name for one in parameters.values() if one.kind is not one.VAR_POSITIONAL]
    assert [one for one in named if one not in PAGES] == []
