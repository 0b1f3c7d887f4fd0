"""The catalog in a file."""

import json

import pytest

from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.document import read_document, write_document
from dagster_dune.errors import DuneCatalogError


@pytest.fixture
def folder(tmp_path):
    """A folder with a query, and one whose id is not known."""
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "volume_1.sql").write_text("/* dune\nowners: [team:dex]\n*/\nSELECT '{{day}}' FROM dex.trades")
    (queries / "nameless.sql").write_text("SELECT 1")
    return queries


def test_a_catalog_survives_a_file(folder, tmp_path):
    catalog = DuneCatalog.from_directory(folder)
    write_document(catalog, tmp_path / "deep" / "catalog.json")
    assert DuneCatalog.of(read_document(tmp_path / "deep" / "catalog.json")) == catalog
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["catalog.json"]


def test_paths_follow_the_file(folder, tmp_path):
    write_document(DuneCatalog.from_directory(folder), tmp_path / "catalog.json")
    document = json.loads((tmp_path / "catalog.json").read_text())
    assert document["queries"][0]["source"] == {"path": "queries/volume_1.sql", "line": 4}
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "catalog.json").rename(moved / "catalog.json")
    assert DuneCatalog.from_file(moved / "catalog.json")["query_1"].source.path == str(moved / "queries/volume_1.sql")


def test_the_hash_does_not_depend_on_the_place(folder, tmp_path):
    before = DuneCatalog.from_directory(folder).content_hash
    folder.rename(tmp_path / "moved")
    assert DuneCatalog.from_directory(tmp_path / "moved").content_hash == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ('{"queries": []}', "says no version"),
        (
            '{"version": 99}',
            "is of version 99; this dagster-dune reads version 1. Write it again: dagster-dune catalog",
        ),
        ('{"version": 1, "queries": [{"query_id": 0}]}', "queries.0.query_id"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, words):
    file = tmp_path / "catalog.json"
    file.write_text(text)
    with pytest.raises(DuneCatalogError) as error:
        DuneCatalog.from_file(file)
    assert str(error.value).startswith(f"{file}: ")
    assert words in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(DuneCatalogError, match=r"no catalog file .*x\.json\. Write it: dagster-dune catalog pull -o"):
        DuneCatalog.from_file(str(tmp_path / "x.json"))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DuneCatalogError, match="cannot be read: Is a directory"):
        DuneCatalog.from_file(tmp_path)
    with pytest.raises(DuneCatalogError, match="cannot be written: "):
        write_document(DuneCatalog(), tmp_path)
