"""docs/errors.md holds every message of the code, and nothing that the code does not say."""

import logging
import subprocess
import sys

import pytest
from reached_messages import noted

import dagster_dune
from dagster_dune.catalog.names import Reference
from dagster_dune.errors import DuneError
from scripts.document_errors import MARK, PAGE, error_classes, messages, told_apart, unreached, written


def test_the_page_is_that_of_the_code():
    assert PAGE.read_text(encoding="utf-8") == written(), "Run python -m scripts.document_errors"


def test_each_public_error_has_a_row():
    public = {name for name in dagster_dune.__all__ if isinstance(getattr(dagster_dune, name), type)}
    errors = {name for name in public if issubclass(getattr(dagster_dune, name), DuneError)}
    assert errors <= set(error_classes())
    page = PAGE.read_text(encoding="utf-8").partition(MARK)[2]
    assert all(f"| `{name}` |" in page for name in errors)


def test_the_messages_of_errors_are_found():
    found = messages()
    assert len({message.words for message in found if message.kind}) > 150
    assert any(message.advice for message in found)
    assert len({message.area for message in found}) > 8


def test_what_tests_reach_is_noted():
    lines = set()
    with noted(lines), pytest.raises(DuneError):
        Reference.parse("x")
    reached = {told_apart(message) for message in messages()} - {told_apart(message) for message in unreached(lines)}
    assert reached == {"DuneCatalogError: ... is no name that DuneSQL can read."}


def test_warnings_are_noted(tmp_path, caplog):
    (tmp_path / "x_4100001.sql").write_text("-- no SQL")
    (tmp_path / "y_4100002.sql").write_text("SELECT 1")
    lines = set()
    with noted(lines):
        dagster_dune.DuneCatalog.from_directory(tmp_path)
    reached = {told_apart(message) for message in messages()} - {told_apart(message) for message in unreached(lines)}
    assert "DuneCatalogError: ... holds no SQL." in reached
    assert "warning: Left out of the catalog: %s" in reached
    assert [record.module for record in caplog.records if record.levelno == logging.WARNING] == ["left_out"]


def test_what_no_test_reaches_is_told(tmp_path):
    """`make test-messages` ends so."""
    (tmp_path / "reached").write_text("catalog/names.py:1\n")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.document_errors", str(tmp_path / "reached")],
        check=False,
        capture_output=True,
        text=True,
        cwd=PAGE.parents[1],
    )
    assert done.returncode == 1
    assert "DuneCatalogError: ... is no name that DuneSQL can read." in done.stderr
