"""Which query a file is."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_dune.catalog.catalog import DuneCatalog, Query
from dagster_dune.catalog.sources.file_ids import identify
from dagster_dune.catalog.sources.title_numbers import is_date
from dagster_dune.errors import DuneCatalogError

NAMES = {
    "name_4100001": (4100001, "name"),
    "name___4100001": (4100001, "name"),
    "name-4100001": (4100001, "name"),
    "name 4100001": (4100001, "name"),
    "name (4100001)": (4100001, "name"),
    "name [4100001]": (4100001, "name"),
    "4100001_name": (4100001, "name"),
    "4100001 - name": (4100001, "name"),
    "22258_volume_by_token_monthly_top_5": (22258, "volume_by_token_monthly_top_5"),
    "query_4100001": (4100001, "query"),
    "query_4100001_name": (4100001, "name"),
    "4100001": (4100001, ""),
    "4100001_volume_2024": (4100001, "volume_2024"),
    "20240131_volume_4100001": (4100001, "20240131_volume"),
    "4100001_name_4100001": (4100001, "name_4100001"),
    "20240131_120001_4100001": (4100001, "20240131_120001"),
    "20240131_126000": (126000, "20240131"),
    "12345678_120001": (None, "12345678_120001"),  # two that could be it
    # around it may stand anything but signs of amounts
    "[4100001] name": (4100001, "name"),
    "(4100001)_name": (4100001, "name"),
    "name {4100001}": (4100001, "name"),
    "name #4100001": (4100001, "name"),
    "#4100001 name": (4100001, "name"),
    "name \u2013 4100001": (4100001, "name"),
    "name\u20144100001": (4100001, "name"),
    "name\u00a04100001": (4100001, "name"),
    "🔥 4100001 name": (4100001, "name"),
    "name 4100001 🔥": (4100001, "name"),
    " 4100001_name": (4100001, "name"),
    "_4100001_name": (4100001, "name"),
    "name_4100001 ": (4100001, "name"),
    "name (query 4100001)": (4100001, "name (query"),
    "query_id_4100001_name": (4100001, "name"),
    "id_4100001_name": (4100001, "name"),
    "dune_4100001_name": (4100001, "name"),
    "query4100001": (4100001, ""),
    "name_q4100001": (4100001, "name"),
    "query_100000": (100000, "query"),
    "revenue_by_solver_per_chain_4515000": (4515000, "revenue_by_solver_per_chain"),
    "volume_by_chain_4100001": (4100001, "volume_by_chain"),
    "swaps_per_block_4100001": (4100001, "swaps_per_block"),
    "votes_by_proposal_4100001": (4100001, "votes_by_proposal"),
    "prices_over_time_4100001": (4100001, "prices_over_time"),
    "22258_since_20500": (None, "22258_since_20500"),
    "4100001_block_42161": (4100001, "block_42161"),
    "query_id_42161": (42161, "query_id"),
    "top_10000_4100001": (4100001, "top_10000"),
    # what belongs to the title, or may be a date
    "top_10000": (None, "top_10000"),
    "10000_holders": (None, "10000_holders"),
    "volume_over_1000000": (None, "volume_over_1000000"),
    "whales >4100001": (None, "whales >4100001"),
    "4100001+ holders": (None, "4100001+ holders"),
    "rate_0.123456": (None, "rate_0.123456"),
    "12345.6_fee": (None, "12345.6_fee"),
    "550e8400-e29b-41d4-a716-446655440000": (None, "550e8400-e29b-41d4-a716-446655440000"),
    "12345678-1234-1234-1234-123456789012_name": (None, "12345678-1234-1234-1234-123456789012_name"),
    "token_id_4100001_holders": (None, "token_id_4100001_holders"),
    "name_4100001_v2": (None, "name_4100001_v2"),
    "holders_over_25000": (None, "holders_over_25000"),
    "whales_150000": (None, "whales_150000"),
    "1500000_usd_trades": (None, "1500000_usd_trades"),
    "arbitrum_42161": (None, "arbitrum_42161"),
    "11155111_sepolia_faucet": (None, "11155111_sepolia_faucet"),
    "swaps_since_19426587": (None, "swaps_since_19426587"),
    "swaps since block 19426587": (None, "swaps since block 19426587"),
    "trades-block-number-19426587": (None, "trades-block-number-19426587"),
    "token_id_4100001": (None, "token_id_4100001"),
    "chainid_4100001": (None, "chainid_4100001"),
    "proposal_41001": (None, "proposal_41001"),
    "name_4100001.dune": (4100001, "name"),
    "4100001_name.SQL": (4100001, "name"),
    "name_4100001_4100002": (None, "name_4100001_4100002"),  # two that could be it
    "swaps_19426587_19500001": (None, "swaps_19426587_19500001"),
    "4100001_by_pool_4100002_x": (None, "4100001_by_pool_4100002_x"),
    "block_19426587": (None, "block_19426587"),
    "validator-123456": (None, "validator-123456"),
    "version_10203": (None, "version_10203"),
    "pr_41001": (None, "pr_41001"),
    "balances_block_20793904_4100001": (4100001, "balances_block_20793904"),
    "season_202324": (None, "season_202324"),
    "volume_202452": (None, "volume_202452"),
    "revenue_20242025": (None, "revenue_20242025"),
    "name": (None, "name"),
    "report_2024": (None, "report_2024"),
    "top_100": (None, "top_100"),
    "query_4711": (None, "query_4711"),
    "volume_20240131": (None, "volume_20240131"),
    "volume_31012024": (None, "volume_31012024"),
    "202401_volume": (None, "202401_volume"),
    "20240131_120001": (None, "20240131_120001"),
    "export_2024-01-31_235959": (None, "export_2024-01-31_235959"),
    "export_1706659200": (None, "export_1706659200"),
    "v4100001": (None, "v4100001"),
    "name_0041000": (None, "name_0041000"),
    "name_4100001x": (None, "name_4100001x"),
    "since_4100001_by_day": (None, "since_4100001_by_day"),
    "4100001_name_4100002": (None, "4100001_name_4100002"),
    "name_" + "9" * 200: (None, "name_" + "9" * 200),
}


@pytest.mark.parametrize(("stem", "expected"), NAMES.items(), ids=[name[:40] for name in NAMES])
def test_the_id_in_a_name(stem, expected):
    assert identify(stem, None, [])[:2] == expected


def test_what_is_not_taken_is_a_candidate_and_told():
    assert identify("volume_20240131", None, []).candidates == (20240131,)
    found = identify("4100001_name_4100002", None, [4100003])
    assert found.candidates == (4100001, 4100002, 4100003)
    assert "4100001 in its name or 4100002 in its name or 4100003 in a comment" in found.why
    assert identify("top_100", None, []).candidates == ()
    assert "100 in its name is too short" in identify("top_100", None, []).why
    assert identify("2024-01-31", None, []).why == "2024 and 31 in its name are too short for an id"
    assert identify("name", None, []).why == ""
    assert identify("top_10000", None, [])[2:] == ((10000,), "10000 in its name may be a count")
    assert identify("top_10000", None, [4711]).id == 4711
    assert identify("name_4100001_v2", None, [])[2:] == ((4100001,), "4100001 stands in the middle of its name")
    assert identify("x_42161", None, []).why == "42161 in its name may be the id of a chain"
    assert identify("since_4100001", None, []).why == "4100001 in its name may be a limit, or an id of something else"
    assert identify("20240131_4100001_x", None, [])[2:] == (
        (20240131, 4100001),
        "20240131 in its name may be a date and 4100001 stands in the middle of its name",
    )
    assert identify("2024-01-31_4100001_x", None, []).why == "4100001 stands in the middle of its name"


def test_the_order():
    assert identify("name_4100001", 7, [8]).id == 7
    assert identify("name_4100001", None, [4100001]).id == 4100001
    assert identify("name_2023", None, [4711])[:2] == (4711, "name_2023")
    assert identify("name_20240131", None, [4711])[:2] == (4711, "name_20240131")
    assert identify("name_4100001", None, [4711]).id is None
    assert identify("name", None, [4711, 4712]).id is None
    assert identify("since_4100001", None, [4711]).id == 4711
    # the one that its name and a comment agree on
    assert identify("lbps_2836724", None, [2836724, 2452021])[:2] == (2836724, "lbps")
    assert identify("4100001_name_4100002", None, [4100002])[:2] == (4100002, "4100001_name")
    assert identify("4100001_name_4100002", None, [4100002, 4100001]).id is None


@pytest.mark.parametrize(
    ("stem", "linked", "allowed", "query_id"),
    [
        ("12_top_5", [], ["prefix"], 12),
        ("12_top_5", [], ["suffix"], 5),
        ("12_top_5", [], ["suffix", "prefix"], 5),
        ("12_top", [], ["suffix", "prefix"], 12),
        ("volume_20240131", [], ["suffix"], 20240131),
        ("22258_since_20001", [], ["prefix"], 22258),
        ("22258_since_20001", [], ["suffix"], 20001),
        ("volume_4100001", [4100002], ["suffix"], 4100001),
        ("volume_4100001", [4100002], ["header"], 4100002),
        ("volume_4100001", [], ["header"], None),
        ("top_5", [4711], ["suffix"], 4711),
        ("volume_4100001", [], ["prefix"], 4100001),
    ],
)
def test_what_the_settings_allow(stem, linked, allowed, query_id):
    assert identify(stem, None, linked, allowed).id == query_id


@given(st.text(max_size=300), st.lists(st.integers(1, 10**18 - 1), max_size=3))
def test_any_name_is_told_or_not(stem, linked):
    found = identify(stem, None, linked)
    assert (found.id is None) or not found.candidates
    assert found.id is None or found.id in linked or str(found.id) in stem


@given(st.dates(date(1990, 1, 1), date(2099, 12, 31)))
def test_dates_are_no_ids(day):
    assert is_date(int(day.strftime("%Y%m%d")))
    assert is_date(int(day.strftime("%Y%m")))


def test_a_folder_says_what_it_leaves_out(tmp_path, caplog):
    (tmp_path / "top_100.sql").write_text("SELECT 1")
    (tmp_path / "one.sql").write_text("SELECT 2")
    (tmp_path / "volume_4100001.sql").write_text("-- https://dune.com/queries/4100002\nSELECT 3")
    assert len(DuneCatalog.from_directory(tmp_path)) == 0
    top, volume = (next(text for text in caplog.messages if name in text) for name in ("top_100", "volume_41"))
    for message in caplog.messages:
        assert "ids: prefix, suffix or header" in message
    assert "100 in its name is too short for an id" in top
    assert "4100001 in its name or 4100002 in a comment at its start" in volume
    with pytest.raises(DuneCatalogError, match="3 things are wrong"):
        DuneCatalog.from_directory(tmp_path, strict=True)


def test_settings_say_where_ids_stand_in_folders(tmp_path):
    for folder, setting in (("a", "ids: suffix"), ("b", "ids: [prefix]"), ("b/c", "ids: header")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "dune.yml").write_text(setting)
        (tmp_path / folder / "10_x_20.sql").write_text(f"SELECT '{folder}'")
    catalog = DuneCatalog.from_directory(tmp_path)
    assert [obj.sql_name for obj in catalog] == ["query_20", "query_10"]
    assert len(catalog.unidentified) == 1


def test_the_account_confirms_a_date_and_one_of_two(tmp_path, caplog):
    (tmp_path / "volume_202401.sql").write_text("SELECT 1")
    (tmp_path / "volume_4100001.sql").write_text("-- https://dune.com/queries/4100002\nSELECT 3")
    (tmp_path / "both_4100003.sql").write_text("-- https://dune.com/queries/4100004\nSELECT 5")
    account = DuneCatalog(
        queries=[Query(query_id=number, sql=f"SELECT {number}") for number in (202401, 4100002, 4100003)],
        not_taken=[4100004],
    )
    catalog = DuneCatalog.merge(DuneCatalog.from_directory(tmp_path), account)
    assert {obj.sql_name: obj.slug for obj in catalog if obj.source} == {
        "query_202401": "volume_202401",
        "query_4100002": "volume_4100001",
    }
    assert [query.candidates for query in catalog.unidentified] == [(4100003, 4100004)]


def test_an_id_that_the_account_does_not_own_is_told(tmp_path, caplog):
    (tmp_path / "mine_4100001.sql").write_text("SELECT 1")
    (tmp_path / "archived_4100002.sql").write_text("SELECT 2")
    file = tmp_path / "strangers_4100003.sql"
    file.write_text("SELECT 3")
    folder = DuneCatalog.from_directory(tmp_path)
    account = DuneCatalog(queries=[Query(query_id=4100001, sql="SELECT 1")], not_taken=[4100002])
    caplog.clear()
    merged = DuneCatalog.merge(folder, account)
    (message,) = caplog.messages
    assert message.startswith(f"{file}, line 1 is taken for query 4100003, which is not among the queries of the acc")
    caplog.clear()
    DuneCatalog.merge(folder, DuneCatalog.from_json(merged.to_json()))  # what was merged once owns no more than before
    assert len(caplog.messages) == 1
    caplog.clear()
    DuneCatalog.merge(folder, DuneCatalog(queries=[Query(query_id=4100001, sql="SELECT 1")]))
    assert caplog.messages == []
