"""Python -> Dune -> Python in the UI: one button uploads labels, makes one call, and draws a chart of its result."""

import pytest
from deployment import ROOT, Deployment
from example import kinds
from pages import AssetGraph, AssetPage
from playwright.sync_api import expect

from dagster_dune.cli import load_folder
from dune_project.labels import defs

MODULE = "dune_project.labels"
WINDOW = {"width": 1400, "height": 760}
GRAPH = defs.resolve_asset_graph()
ASSETS = {key.path[-1] for key in GRAPH.materializable_asset_keys}
GROUPS = sorted({GRAPH.get(key).group_name for key in GRAPH.materializable_asset_keys})


@pytest.fixture
def labels(dune, tmp_path, monkeypatch):
    """The example of labels before a browser, with nothing uploaded yet."""
    load_folder(dune, ROOT / "dune_project" / "label_queries")
    monkeypatch.setenv("DUNE_PROJECT_DATA", str(tmp_path / "data"))
    with Deployment(tmp_path / "home", dune, ["-m", MODULE], MODULE, forks=False) as started:
        started.start("dagster-daemon", "run")
        started.start_webserver()
        started.graphql("mutation { setNuxSeen }")
        yield started


def test_labels_go_up_and_a_chart_comes_back(page, labels, calls, picture, tmp_path):
    graph = AssetGraph(page, labels.url, GROUPS)
    graph.materialize("Materialize all")
    for asset in ASSETS:
        expect(graph.box(asset)).to_contain_text("Materialized")
    (body,) = calls()
    assert len(kinds(body)) == 2
    AssetGraph(page, labels.url, GROUPS, WINDOW)
    expect(page.get_by_text("volume_chart", exact=True).first).to_be_visible()  # small boxes have names alone
    picture(page, "labels-graph", 700)

    asset = AssetPage(page, labels.url, "volume_chart")
    expect(asset.metadata("volume_usd")).to_be_visible()
    chart = asset.open_markdown("chart").get_by_role("img", name="Shares of the volume")
    expect(chart).to_be_visible()
    assert chart.evaluate("image => image.naturalWidth") > 500
    picture(page, "labels-chart")
    assert (tmp_path / "data" / "volume_shares.parquet").exists()
