"""What users do in Dagster's UI with the example project, and what they see."""

import pytest
from example import ALL, BY_DAY, WHOLE, kinds
from pages import WINDOW, AssetGraph
from playwright.sync_api import expect
from waiting import wait_until

DAY = "2026-06-01"
CONFIG = """ops:
  dune_assets:
    config:
      performance: large
      query_parameters:
        dune/top_pairs_4100032: {blockchain: base, limit: 5}
"""


@pytest.fixture
def graph(page, project):
    return AssetGraph(page, project.url)


def test_one_button_materializes_the_whole_graph_in_one_call(graph, calls, project, picture):
    assert len(ALL) == 16
    for asset in WHOLE:
        expect(graph.box(asset)).to_contain_text("Never materialized")
    expect(graph.box(BY_DAY.path[-1])).to_contain_text("partitions")
    graph.materialize("Materialize all", DAY)
    for asset in WHOLE:
        expect(graph.box(asset)).to_contain_text("Materialized")
    (body,) = calls()
    assert len(kinds(body)) == 15 + 3  # three of its checks are queries
    assert project.instance.get_materialized_partitions(BY_DAY) == {DAY}
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
    launchpad.wait_until_it_says('unexpected config entry "performanse"')
    launchpad.configure(CONFIG)
    launchpad.wait_until_it_says("No errors")
    picture(graph.page, "launchpad")
    run = launchpad.launch()
    expect(run.state("Success")).to_be_visible()
    (body,) = calls()
    assert [kind["performance"] for kind in kinds(body)] == ["large", "large"]
    (query,) = [kind for kind in kinds(body) if "query_id" in kind]
    assert query["query_parameters"].items() >= {"blockchain": "base", "limit": "5"}.items()


def test_the_launchpads_own_defaults_are_launched_with_one_change(graph, calls):
    graph.select("result_dex_trades_clean", "result_gas_daily")
    launchpad = graph.open_launchpad("Materialize selected (2)")
    expect(launchpad.line("asset_performance: {}")).to_be_visible()
    for setting in ("api_key", "poll_interval"):  # the resource's settings are not those of one run
        expect(launchpad.line(setting)).to_have_count(0)
    launchpad.insert_after("asset_performance: {}", "performance: large")
    launchpad.wait_until_it_says("No errors")
    run = launchpad.launch()
    expect(run.state("Success")).to_be_visible()
    (body,) = calls()
    assert [kind["performance"] for kind in kinds(body)] == ["large", "large"]


def test_events_arrive_while_later_nodes_run(graph, dune, picture):
    dune.hold(4100041)
    graph.materialize("Materialize all", DAY)
    run = graph.follow()
    expect(run.event("ASSET_MATERIALIZATION", "result_dex_trades_clean")).to_be_visible()
    expect(run.says("executing 1: dune/weekly_summary_4100041")).to_be_visible()
    picture(run.page, "run", window=WINDOW)
    completed = [execution["state"] for execution in dune.executions()].count("QUERY_STATE_COMPLETED")
    assert 0 < completed < 15 + 3
    dune.release()
    expect(run.state("Success")).to_be_visible()


def test_a_failed_node_says_why_and_stops_only_what_reads_it(graph, dune, project, picture):
    dune.load_query(4100013, "broken", "SELECT CAST('x' AS BIGINT) AS n FROM dune.acme.result_dex_trades_clean")
    graph.materialize("Materialize all", DAY)
    run = graph.follow()
    expect(run.state("Failure")).to_be_visible()
    told = run.words("STEP_FAILURE")
    in_order = [
        "1 of 15 assets failed on Dune and 2 were skipped because of that:",
        "- dune/acme/result_traders_daily: Cannot cast",
        "On Dune: https://dune.com/queries/4100013",
        "Put right what failed, and re-execute the run from failure",
        "Skipped. Not started, because dune.acme.result_traders_daily failed.",
        "Stack Trace:",
    ]
    places = [told.find(words) for words in in_order]
    assert -1 not in places
    assert places == sorted(places)
    picture(run.page, "failed-run", 172, at=run.event("STEP_FAILURE"), window=WINDOW)  # all but the stack trace
    graph = AssetGraph(graph.page, project.url)
    failed = {"result_traders_daily", "chain_overview_4100033", "weekly_summary_4100041", "weekly_report"}
    for asset in WHOLE:
        expect(graph.box(asset)).to_contain_text("Failed" if asset in failed else "Materialized")
    picture(graph.page, "failed-node")


def test_terminating_a_run_cancels_it_on_dune(graph, dune):
    dune.hold("dune.acme.result_traders_daily")
    graph.materialize("Materialize all", DAY)
    run = graph.follow()
    expect(run.event("ASSET_MATERIALIZATION", "result_dex_trades_clean")).to_be_visible()
    run.terminate()
    expect(run.state("Canceled")).to_be_visible()
    wait_until(lambda: any(entry["path"].endswith("/cancel") for entry in dune.journal()))
    wait_until(lambda: "QUERY_STATE_CANCELLED" in {execution["state"] for execution in dune.executions()})
