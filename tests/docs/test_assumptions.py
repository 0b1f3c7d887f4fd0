"""The table of what is newer than the OpenAPI document names every test of it, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "emulator" / "http" / "test_newer_than_the_document.py"
NO_ANSWERS_OF_DUNE = {"test_nothing_is_answered_before_a_folder_is_loaded"}


def test_the_table_names_each_test_of_todays_api():
    table = (ROOT / "docs" / "assumptions.md").read_text("utf-8").partition("## Newer than the OpenAPI document")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if not re.search(r"`test_\w+`", row)] == []
    named = set(re.findall(r"`(test_\w+)`", "\n".join(rows)))
    there = set(re.findall(r"^def (test_\w+)", TESTS.read_text("utf-8"), re.MULTILINE))
    assert named == there - NO_ANSWERS_OF_DUNE
