"""Every method of the client is told of: in its docstring, and in a row of docs/client.md."""

import inspect
import re
from pathlib import Path

import pytest

from dagster_dune.api.client import DuneApiClient

PAGE = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
ROWS = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
METHODS = {
    name: method
    for name, method in inspect.getmembers(DuneApiClient, inspect.isfunction)
    if not name.startswith("_") and name != "close"
}


def test_each_method_has_a_row():
    assert METHODS.keys() == ROWS


@pytest.mark.parametrize("name", METHODS)
def test_each_docstring_names_endpoint_errors_and_credits(name):
    text = inspect.getdoc(METHODS[name])
    module = inspect.getdoc(inspect.getmodule(METHODS[name]))
    assert re.search(r"``(GET|POST|PATCH|DELETE) /|see `get_execution_results`", text)
    assert "Raises:" in text
    assert "redits" in text + module or "charged" in text
