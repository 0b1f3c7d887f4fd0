"""What is said of a value that a setting cannot have, wherever it was written."""

import logging

import pytest

from dagster_dune import DuneCatalog, DuneCatalogError


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("slug: A B!", "slug in the header is wrong: it may hold letters, digits and _ alone, not 'A B!'."),
        ("group: a b", "group in the header is wrong: it may hold letters, digits and _ alone, not 'a b'."),
        ("performance: very large", "is wrong: it may hold letters, digits, _, . and - alone, not 'very large'."),
        ("automation: eagr", "or 'on_cron', not 'eagr'. Did you mean 'eager'?"),
        ("id: -5", "id in the header is wrong: Input should be greater than 0, not '-5'."),
        (
            "partitions: {kind: dayly, start: 2026-01-01, parameters: {a: x}}",
            "'static' or 'dynamic', not 'dayly'. Did you mean 'daily'?",
        ),
        (
            "partitions: {kind: daily, start: yesterday, parameters: {a: x}}",
            "partitions.start in the header is wrong: Input should be a valid datetime or date, input is too short",
        ),
        ("checks: {a: {kind: row_cuont}}", "not 'row_cuont'. Did you mean 'row_count'?"),
    ],
)
def test_the_value_and_what_it_may_be_are_told(tmp_path, header, words):
    (tmp_path / "x_4100001.sql").write_text(f"/* dune\n{header}\n*/\nSELECT {{{{a}}}}")
    with pytest.raises(DuneCatalogError) as error:
        DuneCatalog.from_directory(tmp_path, strict=True)
    assert "x_4100001.sql, line 2: " in str(error.value)
    assert words in str(error.value)
    assert "pattern" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "key"), [("freshness: {max: 1}", "freshness.max"), ("automation: {on: x}", "automation.on")]
)
def test_a_key_that_is_not_known_is_told_before_one_that_lacks(tmp_path, caplog, header, key):
    (tmp_path / "x_4100001.sql").write_text(f"/* dune\n{header}\n*/\nSELECT 1")
    with caplog.at_level(logging.WARNING):
        DuneCatalog.from_directory(tmp_path)
    assert f"the header has no key {key!r}." in caplog.text


def test_a_word_of_the_folder_is_told_too(tmp_path):
    (tmp_path / "x_4100001.sql").write_text("SELECT 1")
    (tmp_path / "dune.yml").write_text("ids: sufix")
    with pytest.raises(DuneCatalogError, match=r"dune\.yml, line 1: ids .* not 'sufix'\. Did you mean 'suffix'\?"):
        DuneCatalog.from_directory(tmp_path)
