"""docs/errors.md holds every message of the code, and nothing that the code does not say."""

import dagster_dune
from dagster_dune.errors import DuneError
from scripts.document_errors import MARK, PAGE, error_classes, messages, written


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
