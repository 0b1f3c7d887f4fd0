"""Tables of the documentation that list settings have a row for each setting that there is, and for no other."""

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
import typer

from dagster_dune import DuneComponent, DuneResource, DuneRunConfig, QueryPartitions, build_dune_assets, dune_assets
from dagster_dune.api.models.base import KNOWN_TIERS
from dagster_dune.catalog.settings.automation import Automation
from dagster_dune.catalog.settings.checks import SETTINGS_OF_KIND, DuneCheck
from dagster_dune.catalog.settings.partitions import PartitionsKind
from dagster_dune.catalog.sources.files.header import Header, HeaderParameter
from dagster_dune.cli import app
from dagster_dune.components.scaffolder import ScaffoldParams
from dagster_dune.definitions import DuneAssetsOptions
from dagster_dune.emulator.faults import kinds

DOCS = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"`([^`]+)`")


def table(page, first_heading, second_heading=None):
    """The rows of the one table of a page that has these headings, each as its cells."""
    head = f"| {first_heading} |" + (f" {second_heading} |" if second_heading else "")
    found = [
        rows
        for block in re.findall(r"(?:^\|.*\n)+", (DOCS / page).read_text("utf-8"), re.MULTILINE)
        if (rows := block.splitlines())[0].startswith(head)
    ]
    assert len(found) == 1, f"{page} has {len(found)} tables with the heading {head}"
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in found[0][2:]]


def words(cell):
    """The names in a cell, without the values that some are shown with."""
    return [re.match(r"[-\w]+", code)[0] for code in CODE.findall(cell) if re.match(r"[-\w]", code)]


def names(rows):
    """The names in the first cells, each of which stands in one row."""
    found = [name for row in rows for name in words(row[0])]
    assert len(found) == len(set(found)), found
    return set(found)


def fields(model):
    return set(model.model_fields)


def parameters(function, *without):
    return set(inspect.signature(function).parameters) - set(without)


def options(*path):
    """The options of a command, as they are typed."""
    command = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    return {option.opts[0] for option in command.params if option.param_type_name == "option"}


def literals(model, field):
    return set(get_args(model.model_fields[field].annotation))


FAULTS = {
    kind.model_fields["kind"].annotation.__args__[0]: kind
    for union in (kinds.RequestFault, kinds.ExecutionFault)
    for kind in get_args(union)
}


@pytest.mark.parametrize(
    ("page", "headings", "settings"),
    [
        ("assets.md", ("Option", "Default"), parameters(build_dune_assets, "catalog")),
        ("component.md", ("Field", "Default"), fields(DuneComponent)),
        ("component.md", ("Option", "What the component reads"), {f"--{name}" for name in fields(ScaffoldParams)}),
        ("emulator.md", ("Option", "Default"), options("emulator", "start")),
        ("emulator.md", ("Option", "Default"), options("emulator", "exec")),
        ("emulator.md", ("Kind", "Settings"), set(FAULTS)),
        ("catalog.md", ("Key",), fields(Header)),
        ("resource.md", ("Field",), fields(DuneResource)),
        ("launchpad.md", ("Field",), fields(DuneRunConfig)),
        ("partitions.md", ("Key",), fields(QueryPartitions)),
        ("checks.md", ("`kind`",), set(SETTINGS_OF_KIND)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "" if isinstance(value, set) else value,
)
def test_each_setting_has_a_row(page, headings, settings):
    told = names(table(page, *headings))
    told -= {"--format"} if page == "component.md" else set()  # of dg scaffold itself
    assert told == settings


def test_what_a_function_of_ones_own_takes_is_told():
    shared = names(table("assets.md", "Option", "Default"))
    section = (DOCS / "assets.md").read_text("utf-8").partition("## Your own function around it")[2].partition("```")[0]
    first, _, second = section.partition("what your function decides.")
    own = parameters(dune_assets, "catalog")
    assert shared - own == set(words(first)) - {"dune_assets"}
    assert own - shared == {"required_resource_keys"} <= set(words(second))


def test_definitions_take_the_options_of_assets():
    assert set(DuneAssetsOptions.__annotations__) == parameters(build_dune_assets, "catalog", "resource_key")


def test_a_parameters_own_settings_are_told():
    (row,) = [row for row in table("catalog.md", "Key") if words(row[0]) == ["parameters"]]
    assert set(words(row[1])) == fields(HeaderParameter)


def test_every_tier_is_told():
    (row,) = [row for row in table("catalog.md", "Key") if words(row[0]) == ["performance"]]
    assert words(row[1]) == KNOWN_TIERS.split(", ")


def test_every_kind_of_partitions_is_told():
    (row,) = [row for row in table("partitions.md", "Key") if words(row[0]) == ["kind"]]
    assert set(words(row[1])) == set(get_args(PartitionsKind))


def test_every_condition_is_told():
    told = " ".join(row[0] for row in table("automation.md", "`automation`"))
    assert {word for word in literals(Automation, "condition") if word not in told} == set()


def test_each_kind_of_checks_has_its_settings():
    rows = table("checks.md", "`kind`")
    assert {kind: set(words(row[2])) for row in rows for kind in words(row[0])} == {
        kind: set(settings) for kind, settings in SETTINGS_OF_KIND.items()
    }
    shared = fields(DuneCheck) - {name for settings in SETTINGS_OF_KIND.values() for name in settings}
    text = (DOCS / "checks.md").read_text("utf-8").partition("All take ")[2].partition(". ")[0]
    assert shared - {"asset", "kind", "query_id"} == set(words(text)) - {"ERROR", "WARN"}


def test_each_fault_has_its_settings():
    rows = table("emulator.md", "Kind", "Settings")
    assert {kind: set(words(row[1])) for row in rows for kind in words(row[0])} == {
        kind: fields(fault) - {"kind"} for kind, fault in FAULTS.items()
    }
