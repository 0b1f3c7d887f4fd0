"""One id an assumption: the table of the documentation, the registry and the comments in the code name the same."""

import ast
import inspect
import re
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from dagster_dune import DuneResource, QueryPartitions, build_dune_assets
from dagster_dune.doctor.assumptions import ASSUMPTIONS
from dagster_dune.paging.options import ReadOptions

OPTIONS = {
    "DuneResource": set(DuneResource.model_fields),
    "QueryPartitions": set(QueryPartitions.model_fields),
    "build_dune_assets": set(inspect.signature(build_dune_assets).parameters),
    "get_result": {*inspect.signature(DuneResource.get_result).parameters, *ReadOptions.__dataclass_fields__},
}
CALLS = {"build_dune_assets": build_dune_assets, "get_result": partial(DuneResource.get_result, None)}
ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dagster_dune"
COMMENT = re.compile(r"^\s*(?:#|--) Assumptions?: ([a-z0-9, -]+)\.$", re.MULTILINE)
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$")


def table(title):
    """The rows under a heading of docs/assumptions.md: the places in the code that each id names."""
    text = (ROOT / "docs" / "assumptions.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows
    unnamed = [row for row in rows if not ROW.match(row)]
    assert unnamed == [], "a row without an id, or without five columns"
    found = [ROW.match(row).groups() for row in rows]
    assert [id_ for id_, count in Counter(id_ for id_, *_ in found).items() if count > 1] == []
    return {id_: re.findall(r"`([\w/]+\.(?:py|sql))`", place) for id_, _, _, place, _ in found}


INTEGRATION, LOCAL = table("The integration"), table("The local Dune")


def comments():
    """The ids that each file's comments name."""
    files = [file for kind in ("*.py", "*.sql") for file in PACKAGE.rglob(kind)]
    found = {file: re.split(r", ", ", ".join(COMMENT.findall(file.read_text()))) for file in files}
    return {file.relative_to(PACKAGE).as_posix(): set(ids) - {""} for file, ids in found.items()}


COMMENTS = comments()


def test_the_registry_has_the_rows_of_the_integrations_table():
    ids = [assumption.id for assumption in ASSUMPTIONS]
    assert sorted(ids) == sorted(INTEGRATION)
    assert not set(INTEGRATION) & set(LOCAL)


@pytest.mark.parametrize("id_", [*INTEGRATION, *LOCAL])
def test_the_code_says_where_it_relies_on_an_assumption(id_):
    places = (INTEGRATION | LOCAL)[id_]
    assert places, "the row names no file"
    assert [place for place in places if id_ not in COMMENTS.get(place, ())] == []


def test_no_comment_names_what_is_in_no_table():
    known = set(INTEGRATION) | set(LOCAL)
    assert {file: ids - known for file, ids in COMMENTS.items() if ids - known} == {}


def test_what_does_not_hold_changes_something():
    for assumption in ASSUMPTIONS:
        assert assumption.says
        assert assumption.changes.endswith(".")


def test_settings_can_be_pasted():
    """Each names a class or function of ours, and options that it has."""
    for assumption in ASSUMPTIONS:
        if assumption.setting:
            call = ast.parse(assumption.setting, mode="eval").body
            name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
            options = {option.arg for option in call.keywords}
            assert options <= OPTIONS[name], assumption.setting
            if call.args:
                inspect.signature(CALLS[name]).bind(*call.args, **dict.fromkeys(options))
