"""What the pages of Dagster's UI say of Dune assets, to someone who only looks."""

import re

from example import GROUPS, TABLES
from pages import AssetGraph, AssetPage, FoldedGraph
from playwright.sync_api import expect

TRADES, VOLUME = ("dune", "acme", "result_dex_trades_clean"), ("dune", "acme", "result_dex_daily_volume")
IN_ORDER = [
    "dagster-dune/result_size",
    "dagster-dune/result_bytes",
    "dagster-dune/credits",
    "dagster-dune/execution_time",
    "dagster-dune/execution_seconds",
    "dagster-dune/url",
    "dagster-dune/execution_id",
    "dagster-dune/pipeline_execution_id",
]


def test_the_graph_reads_from_left_to_right_folded_and_open(page, project, picture):
    folded = FoldedGraph(page, project.url)
    assert folded.left_edges() == sorted(folded.left_edges())
    expect(page.get_by_role("dialog")).to_have_count(0)
    picture(page, "asset-graph-folded", 420, top=560)
    graph = AssetGraph(page, project.url)
    assert graph.left_edges() == sorted(graph.left_edges())
    for table in TABLES:
        expect(graph.name(table.rpartition("/")[2])).to_be_visible()
    assert len(GROUPS) == 4


def test_an_assets_page_tells_what_it_is_what_it_holds_and_where_it_stands(page, project, picture):
    project.finish(project.launch(TRADES, VOLUME))
    asset = AssetPage(page, project.url, "/".join(VOLUME))
    for text in ("DEX volume by day, chain and project.", "acme", "View", "dune.acme.result_dex_daily_volume", "1,374"):
        expect(asset.says(text)).to_be_visible()
    expect(page.locator("code").filter(has_text="FROM dune.acme.result_dex_trades_clean")).to_be_visible()
    file = re.compile(r"dex_daily_volume_4100011\.sql.* in editor")
    expect(page.get_by_role("link", name=file)).to_be_visible()
    expect(page.get_by_text("GitLab")).to_have_count(0)
    expect(page.get_by_text("Fails if more than 26 hours since last materialization")).to_be_visible()
    keys = [key for key in asset.metadata_keys() if key in IN_ORDER]
    assert keys == IN_ORDER
    expect(asset.metadata("dagster-dune/execution_time")).to_contain_text(re.compile(r"\d s"))
    expect(asset.metadata("dagster-dune/execution_seconds")).to_contain_text(re.compile(r"\d\.\d+"))
    expect(asset.metadata("dagster-dune/result_size")).to_contain_text("kB")
    expect(asset.metadata("dagster-dune/url").get_by_role("link").first).to_have_attribute(
        "href", "https://dune.com/data/dune.acme.result_dex_daily_volume"
    )
    picture(page, "asset")


def test_a_raw_tables_page_says_what_is_in_it(page, project):
    page.goto(f"{project.url}/assets/dune/dex/trades?view=overview")
    expect(page.get_by_text("One row a swap on a decentralised exchange, whichever chain and project.")).to_be_visible()
