"""docs/errors.md holds every message of the code, and nothing that the code does not say."""

import logging
import re

import pytest
import reached_messages
from reached_messages import noted

import dagster_dune
from dagster_dune.catalog.names import Reference
from dagster_dune.errors import DuneError
from scripts.document_errors import MARK, PAGE, error_classes, messages, one_line, unreached, written

pytest_plugins = ["pytester"]


def test_the_page_is_that_of_the_code():
    assert PAGE.read_text(encoding="utf-8") == written(), "Run python -m scripts.document_errors"


def test_every_message_has_words_of_its_own():
    """What is put together of values alone says nothing on the page, and two of them in a row no more than one."""
    assert [message for message in messages() if not re.search("[a-z]{2}", message.words)] == []
    assert [message for message in messages() if re.search(r"(?<!\.)\.\.\. \.\.\.", message.words)] == []


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


def test_no_message_puts_an_article_before_what_only_the_code_knows():
    """It could be an int as well as a str: `with_article` of `_formatting` knows."""
    texts = {text for message in messages() for text in (message.words, message.advice)}
    blind = {text for text in texts if re.search(r"\b[Aa]n? \.\.\.", text)}
    assert {text for text in blind if "is no frame" not in text} == set()  # frames of other libraries: a DataFrame


def test_what_tests_reach_is_noted():
    lines = set()
    with noted(lines), pytest.raises(DuneError):
        Reference.parse("x")
    reached = {one_line(message) for message in messages()} - {one_line(message) for message in unreached(lines)}
    assert reached == {"DuneCatalogError: ... is no name that DuneSQL can read."}


def test_warnings_are_noted(tmp_path, caplog):
    (tmp_path / "x_4100001.sql").write_text("-- no SQL")
    (tmp_path / "y_4100002.sql").write_text("SELECT 1")
    lines = set()
    with noted(lines):
        dagster_dune.DuneCatalog.from_directory(tmp_path)
    reached = {one_line(message) for message in messages()} - {one_line(message) for message in unreached(lines)}
    assert "DuneCatalogError: ... holds no SQL." in reached
    assert "warning: Left out of the catalog: %s" in reached
    assert [record.module for record in caplog.records if record.levelno == logging.WARNING] == ["left_out"]


# --- `make test` fails where a message is reached by no test ---

USE = """
import pytest
from dagster_dune.catalog.names import Reference
from dagster_dune.errors import DuneError

@pytest.mark.parametrize("name", ["x", "y"])
def test_message(name):
    with pytest.raises(DuneError):
        Reference.parse(name)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """A function that runs tests of their own with pytest, as `make test` does."""
    monkeypatch.setenv("PYTHONPATH", str(PAGE.parents[1] / "tests" / "support"))
    pytester.makeconftest('pytest_plugins = ["reached_messages"]')

    def go(tests, *options, run=pytester.runpytest_inprocess):
        pytester.makepyfile(tests)
        return run("-p", "no:cacheprovider", "--every-message", *options)

    return go


@pytest.mark.processes
@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_no_test_reaches_is_told(run, pytester, processes):
    done = run(USE, "-n", processes, run=pytester.runpytest_subprocess)
    done.assert_outcomes(passed=2)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    count = len(messages())
    done.stdout.fnmatch_lines([f"1 of {count} messages were reached by tests.", "No test reaches these:"])
    assert sum(line.startswith(("Dune", "warning: ")) for line in done.outlines) > count / 2
    done.stdout.no_fnmatch_line("DuneCatalogError: * is no name that DuneSQL can read.")


def test_a_run_that_reaches_all_of_them_passes(run, monkeypatch):
    reached = []
    monkeypatch.setattr(reached_messages, "unreached", lambda lines: reached.extend(lines) or [])
    done = run(USE)
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines([f"{len(messages())} of {len(messages())} messages were reached by tests."])
    assert any(line.startswith("catalog/names.py:") for line in reached)


def test_a_run_that_fails_is_not_judged(run):
    done = run("def test_fails(): assert False")
    done.assert_outcomes(failed=1)
    done.stdout.no_fnmatch_line("*messages were reached*")
