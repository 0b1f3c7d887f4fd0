"""The examples in docstrings run, and say what they say."""

import doctest
import importlib
import pkgutil

import pytest

import dagster_dune

MODULES = ["dagster_dune", *(module.name for module in pkgutil.walk_packages(dagster_dune.__path__, "dagster_dune."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    catalog = [name for name in MODULES if name.startswith("dagster_dune.catalog")]
    examples = [test for name in catalog for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 10
