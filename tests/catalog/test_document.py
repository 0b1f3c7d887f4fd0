"""The catalog in a file."""

import json
import shutil
from pathlib import Path

import pytest

from dagster_dune import build_dune_assets
from dagster_dune.catalog.catalog import DuneCatalog
from dagster_dune.catalog.document import read_document, write_document
from dagster_dune.errors import DuneCatalogError

# What `dagster-dune catalog pull --queries` of the commit 4f3d6a2 wrote, of an account and a folder with one of each.
STORED = Path(__file__).with_name("stored") / "catalog_0_1_0.json"


@pytest.fixture
def folder(tmp_path):
    """A folder with a query, and one whose id is not known."""
    queries = tmp_path / "queries"
    queries.mkdir()
    (queries / "volume_4100001.sql").write_text("/* dune\nowners: [team:dex]\n*/\nSELECT '{{day}}' FROM dex.trades")
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
    assert document["queries"][0]["source"] == {"path": "queries/volume_4100001.sql", "line": 4, "code_line": 4}
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "catalog.json").rename(moved / "catalog.json")
    assert DuneCatalog.from_file(moved / "catalog.json")["query_4100001"].source.path == str(
        moved / "queries/volume_4100001.sql"
    )


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


def test_a_document_of_an_older_version_keeps_every_word(tmp_path):
    before = json.loads(STORED.read_text())
    copy = tmp_path / STORED.name
    shutil.copy(STORED, copy)
    write_document(DuneCatalog.from_file(copy), copy)
    assert_holds(json.loads(copy.read_text()), before)


def assert_holds(after, before):
    """Each value of `before` is in `after`, in its place; `after` may say more."""
    if isinstance(before, dict):
        assert before.keys() <= after.keys()
        for key, value in before.items():
            assert_holds(after[key], value)
    elif isinstance(before, list):
        assert len(before) == len(after)
        for new, old in zip(after, before, strict=True):
            assert_holds(new, old)
    else:
        assert after == before


def test_a_document_of_an_older_version_gives_the_assets_that_it_gave():
    catalog = DuneCatalog.from_file(STORED)
    alone = [query for query in catalog.queries if query.query_id != 11]  # of other partitions than query 10
    rest = DuneCatalog(
        materialized_views=catalog.materialized_views,
        queries=[query for query in catalog.queries if query.query_id == 11],
        external=[*catalog.external, "query_12"],
    )
    first = DuneCatalog(materialized_views=catalog.materialized_views, queries=alone, external=catalog.external)
    specs = [*build_dune_assets(first).specs, *build_dune_assets(rest, name="second").specs]
    assert {spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps} for spec in specs} == {
        "dune/acme/result_daily": {"dune/dex/trades"},
        "dune/of_a_day_10": {"dune/acme/result_daily"},
        "dune/above_the_least_e_12": {"dune/acme/result_daily"},
        "dune/nobody_s_13": {"dune/prices/usd"},
        "dune/by_chain_11": {"dune/query_12", "dune/other/result_labels"},
    }
