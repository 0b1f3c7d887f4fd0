"""Patterns that select objects of a catalog."""

import pytest
from counted_calls import growth_of
from dagster import AssetKey, AssetSelection

from dagster_dune import build_dune_asset_selection, build_dune_assets
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.selection import check_selection, select
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError

CATALOG = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.acme.result_dex_Daily", query_id=7, tags=["DEX", "daily"]),
        MaterializedView(name="dune.21co.result_nft", tags=["nft"]),
    ],
    queries=[
        Query(query_id=1234, slug="Top_traders", tags=["dex"]),
        Query(query_id=12345, slug="top_pools"),
        Query(query_id=9),
    ],
)
DAILY, NFT = "dune.acme.result_dex_daily", "dune.21co.result_nft"


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], set()),
        (["query_9"], {"query_9"}),
        (["QUERY_9"], {"query_9"}),
        (["1234"], {"query_1234"}),
        ([1234, "9"], {"query_1234", "query_9"}),
        (12345, {"query_12345"}),
        (["1234*"], {"query_1234", "query_12345"}),
        (["query_*"], {"query_9", "query_1234", "query_12345"}),
        ([DAILY], {DAILY}),
        (['dune."21co".result_nft'], {NFT}),
        (["dune.acme.*"], {DAILY}),
        (["result_*"], {DAILY, NFT}),
        (["result_nft", "9"], {NFT, "query_9"}),
        (["top_*"], {"query_1234", "query_12345"}),
        (["top_pools"], {"query_12345"}),
        (["top_pools_12345"], {"query_12345"}),
        (["top_[a-q]*"], {"query_12345"}),
        (["tag:dex"], {DAILY, "query_1234"}),
        (["tag:d*"], {DAILY, "query_1234"}),
        (["kind:query"], {"query_9", "query_1234", "query_12345"}),
        (["kind:materialized_view"], {DAILY, NFT}),
        (["kind:view"], {DAILY, NFT}),
        (["*"], {DAILY, NFT, "query_9", "query_1234", "query_12345"}),
        ([" 9 ", "9"], {"query_9"}),
        (["dune/acme/result_dex_daily"], {DAILY}),
        (["dune/21co/*", "dune/query_9"], {NFT, "query_9"}),
        (["dune/top_*"], {"query_1234", "query_12345"}),
        (["dune*"], {DAILY, NFT}),
        ({"query_9"}, {"query_9"}),
        (["dune/query_1234", "dune/top_pools_12345"], {"query_1234", "query_12345"}),
    ],
)
def test_patterns(patterns, names):
    assert select(CATALOG, patterns) == names


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("top_pool", "Close matches: top_pools"),
        ("dune.acme.result_dex_dayly", "Close matches: dune.acme.result_dex_daily"),
        ("tag:dexx", "Close matches: tag:dex"),
        ("kind:matview", "Close matches: kind:view, kind:materialized_view"),
        ("kind:dashboard", "There are kind:materialized_view, kind:query, kind:view."),
        ("tag:production", "There are tag:daily, tag:dex, tag:nft."),
        ("dune/top_pools_1234", "Close matches: dune/top_pools_12345, "),
        ("top_pools_1234", "Close matches: top_pools_12345, top_pools, top_traders_1234."),
        ("7", "Write a name in SQL"),
        ("k*", "Write a name in SQL"),
        ("", "Write a name in SQL"),
        ("dune/top_pools_1234", "Asset keys that a translator gives are not known here"),
        ("acme/x", "Asset keys that a translator gives are not known here"),
        ("zzz", "Asset keys that a translator gives are not known here"),
    ],
)
def test_a_pattern_that_matches_nothing(pattern, hint):
    with pytest.raises(
        DuneCatalogError, match=f"The pattern {pattern!r} matches nothing".replace("*", r"\*")
    ) as caught:
        select(CATALOG, ["query_9", pattern])
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "patterns",
    [
        None,
        True,
        1.5,
        {"tag": "dex"},
        b"query_9",
        AssetKey("x"),
        AssetSelection.all(),
        ["query_9", AssetKey("x")],
        [["9"]],
    ],
    ids=repr,
)
def test_what_is_no_pattern_is_refused_by_what_it_is(patterns):
    asked = [
        lambda: select(CATALOG, patterns),
        lambda: check_selection([CATALOG], "*", patterns),
        lambda: build_dune_assets(CATALOG, select=[] if patterns is None else patterns),
        lambda: build_dune_asset_selection([build_dune_assets(CATALOG)], patterns),
    ]
    for ask in asked[:2] if patterns is None else asked:
        with pytest.raises(
            DuneConfigurationError, match="Objects are selected by a text or a list of texts, not by"
        ) as caught:
            ask()
        assert "Write a name in SQL" in caught.value.hint


def test_a_name_in_sql_is_of_its_object_alone():
    catalog = DuneCatalog(queries=[Query(query_id=1, slug="query_2"), Query(query_id=2)])
    assert select(catalog, "query_2") == {"query_2"}
    assert select(catalog, "query_2*") == {"query_1", "query_2"}


def test_a_tag_where_there_are_none():
    with pytest.raises(DuneCatalogError, match=r"'tag:prod' matches nothing in the catalog\. Nothing in it has a tag"):
        select(DuneCatalog(queries=[Query(query_id=1)]), "tag:prod")


def test_a_pattern_must_match_somewhere_not_everywhere(caplog):
    first = DuneCatalog(queries=[Query(query_id=1, tags=["dex"])])
    second = DuneCatalog(queries=[Query(query_id=2, tags=["nft"])])
    check_selection([first, second], ["tag:dex", "2"], "tag:nft")
    with pytest.raises(DuneCatalogError, match=r"'tag:dax' matches nothing.*tag:dex"):
        check_selection([first, second], ["tag:dax"])
    definitions = [build_dune_assets(catalog, name=f"d{at}") for at, catalog in enumerate((first, second))]
    assert build_dune_asset_selection(definitions, "tag:dex").resolve(definitions) == {AssetKey(["dune", "query_1"])}
    assert len(build_dune_asset_selection(definitions, "*", exclude=["nope", "1"]).resolve(definitions)) == 1
    assert [text.partition(" in ")[0] for text in caplog.messages] == ["exclude: The pattern 'nope' matches nothing"]


def test_names_are_looked_up_however_many_there_are():
    """A component with an `exclude` selects all that is left by its names."""

    def selecting(count):
        catalog = DuneCatalog(queries=[Query(query_id=number) for number in range(1, count + 1)])
        names = [obj.sql_name for obj in catalog]
        return lambda: select(catalog, names)

    assert growth_of(selecting, few=50, many=400) < 16  # 8 times as many
