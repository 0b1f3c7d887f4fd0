"""What users do in Dagster's UI with the example project, and what they see."""

import pytest
from pages import AssetGraph, RunPage
from playwright.sync_api import expect

from dune_project.definitions import defs

GRAPH = defs.resolve_asset_graph()
ALL = {key.path[-1]: GRAPH.get(key).group_name for key in GRAPH.materializable_asset_keys}
CONFIG = """ops:
  dune_assets:
    config:
      performance: large
      query_parameters:
        dune/top_pairs_4100032: {blockchain: base, limit: 5}
"""


@pytest.fixture
def graph(page, project):
    return AssetGraph(page, project.url, sorted(set(ALL.values())))


def targets(body):
    """What a request runs, by SQL name."""
    nodes = [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]
    return {node.get("name") or f"query_{node['query_id']}" for node in nodes}


def test_one_button_materializes_the_whole_graph_in_one_call(graph, calls, picture):
    assert len(ALL) == 15
    for asset in ALL:
        expect(graph.box(asset)).to_contain_text("Never materialized")
    graph.materialize("Materialize all")
    for asset in ALL:
        expect(graph.box(asset)).to_contain_text("Materialized")
    assert len(calls()) == 1
    picture(graph.page, "asset-graph")


def test_only_what_is_selected_in_the_graph_is_sent(graph, calls):
    graph.select("chain_overview_4100033", "result_traders_daily")
    graph.materialize("Materialize selected (2)")
    expect(graph.box("chain_overview_4100033")).to_contain_text("Materialized")
    expect(graph.box("result_traders_daily")).to_contain_text("Materialized")
    expect(graph.box("result_dex_trades_clean")).to_contain_text("Never materialized")
    (body,) = calls()
    assert targets(body) == {"dune.acme.result_traders_daily", "query_4100033"}


def test_a_run_is_configured_in_the_launchpad(graph, calls, project, picture):
    graph.select("result_dex_trades_clean", "top_pairs_4100032")
    launchpad = graph.open_launchpad("Materialize selected (2)")
    launchpad.configure(CONFIG)
    expect(launchpad.dialog.get_by_text("No errors")).to_be_visible()
    picture(graph.page, "launchpad")
    run = launchpad.launch()
    expect(run.state).to_contain_text("Success")
    (body,) = calls()
    nodes = [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]
    assert [node["performance"] for node in nodes] == ["large"] * 2


def test_events_arrive_while_later_nodes_run(graph, project):
    run_id = graph.materialize("Materialize all")
    run = RunPage.open(graph.page, project.url, run_id)
    expect(run.event("ASSET_MATERIALIZATION", "result_dex_trades_clean")).to_be_visible()
    expect(run.state).to_contain_text("Started", timeout=100)
    expect(run.state).to_contain_text("Success")


def test_a_failed_node_says_why(graph, dune, project):
    dune.load_query(4100013, "broken", "SELECT CAST('x' AS BIGINT) AS n FROM dune.acme.result_dex_trades_clean")
    run_id = graph.materialize("Materialize all")
    expect(graph.box("result_traders_daily")).to_contain_text("Failed")
    expect(graph.box("chain_overview_4100033")).to_contain_text("Failed")
    expect(graph.box("top_pairs_4100032")).to_contain_text("Materialized")
    run = RunPage.open(graph.page, project.url, run_id)
    expect(run.state).to_contain_text("Failure")
    expect(run.event("STEP_FAILURE")).to_contain_text("result_traders_daily")
    print(run.event("STEP_FAILURE").inner_text())
    graph.page.screenshot(path="/tmp/ui-work/fail.png")


def test_terminating_a_run_cancels_it_on_dune(graph, dune, project):
    run_id = graph.materialize("Materialize all")
    run = RunPage.open(graph.page, project.url, run_id)
    expect(run.event("ASSET_MATERIALIZATION", "result_dex_trades_clean")).to_be_visible()
    run.terminate()
    expect(run.state).to_contain_text("Canceled")
    assert any(entry["path"].endswith("/cancel") for entry in dune.journal())


def test_a_schedule_ticks_once_it_is_switched_on(page, project, calls):
    page.goto(f"{project.url}/locations/{project.location_name}/schedules/every_minute")
    switch = page.get_by_role("row", name="Running").get_by_role("checkbox")
    expect(switch).not_to_be_checked()
    switch.click(force=True)
    expect(switch).to_be_checked()
    project.wait_until(lambda: project.instance.get_runs(), 90)
    switch.click(force=True)
    expect(switch).not_to_be_checked()
    page.goto(f"{project.url}/runs")
    expect(page.get_by_role("link", name="every_minute")).to_be_visible()
    project.finish(project.instance.get_runs()[0].run_id)
    assert len(calls()) == 1
