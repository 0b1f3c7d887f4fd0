"""What users do in Dagster's UI with the example project, and what they see."""

import pytest
from pages import AssetGraph
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
    return open_graph(page, project)


def open_graph(page, project):
    return AssetGraph(page, project.url, sorted(set(ALL.values())))


def kinds(body):
    """What the nodes of a request do."""
    return [node.get("materialized_view_refresh") or node["query_execution"] for node in body["pipeline"]["nodes"]]


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
    graph.select("result_dex_trades_clean", "result_traders_daily")
    graph.materialize("Materialize selected (2)")
    expect(graph.box("result_dex_trades_clean")).to_contain_text("Materialized")
    expect(graph.box("result_traders_daily")).to_contain_text("Materialized")
    expect(graph.box("result_dex_daily_volume")).to_contain_text("Never materialized")
    (body,) = calls()
    assert {kind["name"] for kind in kinds(body)} == {
        "dune.acme.result_dex_trades_clean",
        "dune.acme.result_traders_daily",
    }


def test_a_run_is_configured_in_the_launchpad(graph, calls, picture):
    graph.select("result_dex_trades_clean", "top_pairs_4100032")
    launchpad = graph.open_launchpad("Materialize selected (2)")
    launchpad.configure(CONFIG.replace("performance", "performanse"))
    expect(launchpad.errors('unexpected config entry "performanse"')).to_be_visible()
    launchpad.configure(CONFIG)
    expect(launchpad.errors("No errors")).to_be_visible()
    picture(graph.page, "launchpad")
    run = launchpad.launch()
    expect(run.state("Success")).to_be_visible()
    (body,) = calls()
    assert [kind["performance"] for kind in kinds(body)] == ["large", "large"]
    (query,) = [kind for kind in kinds(body) if "query_id" in kind]
    assert query["query_parameters"].items() >= {"blockchain": "base", "limit": "5"}.items()


def test_events_arrive_while_later_nodes_run(graph, dune):
    graph.materialize("Materialize all")
    run = graph.follow()
    expect(run.event("ASSET_MATERIALIZATION", "result_dex_trades_clean")).to_be_visible()
    completed = [execution["state"] for execution in dune.executions()].count("QUERY_STATE_COMPLETED")
    assert 0 < completed < 14
    expect(run.state("Success")).to_be_visible()


def test_a_failed_node_says_why_and_stops_only_what_reads_it(graph, dune, project, picture):
    dune.load_query(4100013, "broken", "SELECT CAST('x' AS BIGINT) AS n FROM dune.acme.result_dex_trades_clean")
    graph.materialize("Materialize all")
    run = graph.follow()
    expect(run.state("Failure")).to_be_visible()
    failure = run.event("STEP_FAILURE")
    expect(failure).to_contain_text("1 of 14 assets failed on Dune and 2 were skipped")
    expect(failure).to_contain_text("result_traders_daily")
    graph = open_graph(graph.page, project)
    failed = {"result_traders_daily", "chain_overview_4100033", "weekly_summary_4100041", "weekly_report"}
    for asset in ALL:
        expect(graph.box(asset)).to_contain_text("Failed" if asset in failed else "Materialized")
    picture(graph.page, "failed-node")


def test_terminating_a_run_cancels_it_on_dune(graph, dune):
    graph.materialize("Materialize all")
    run = graph.follow()
    expect(run.event("ASSET_MATERIALIZATION", "result_dex_trades_clean")).to_be_visible()
    run.terminate()
    expect(run.state("Canceled")).to_be_visible()
    assert any(entry["path"].endswith("/cancel") for entry in dune.journal())


def test_a_schedule_ticks_once_it_is_switched_on(page, project, calls):
    page.goto(f"{project.url}/locations/{project.location_name}/schedules/every_minute")
    switch = page.get_by_role("row", name="Running").get_by_role("checkbox")
    expect(switch).not_to_be_checked()
    switch.locator("xpath=..").click()
    expect(switch).to_be_checked()
    project.wait_until(project.instance.get_runs, 90)
    switch.locator("xpath=..").click()
    expect(switch).not_to_be_checked()
    page.goto(f"{project.url}/runs")
    expect(page.get_by_role("link", name="every_minute")).to_be_visible()
    project.finish(project.instance.get_runs()[0].run_id)
    assert len(calls()) == 1
