"""Checks as the UI shows them: one that failed, with its rows, and a gate that kept readers from running."""

import pytest
from example import kinds
from pages import AssetGraph, ChecksPage
from playwright.sync_api import expect

PRICES, VOLUMES = "result_prices_daily", "result_token_daily_volume"
READERS = ("token_movers_4100034", "stablecoin_volume_4100031")
STABLECOINS = "stablecoins_4100030"
BAD_PRICES = (
    "SELECT CAST(timestamp AS DATE) AS block_date, symbol, IF(symbol = 'DAI', 0e0, AVG(price)) AS price_usd, "
    "0.1 AS change FROM prices.day WHERE CAST(timestamp AS DATE) >= DATE '2026-06-01' GROUP BY 1, 2"
)
BAD_VOLUMES = (
    "SELECT block_date, token_bought_symbol AS symbol, COUNT(*) AS trades, "
    "IF(token_bought_symbol = 'DAI', NULL, SUM(amount_usd)) AS volume_usd "
    "FROM dune.acme.result_dex_trades_clean GROUP BY 1, 2"
)


@pytest.fixture
def bad_data(project, dune):
    dune.load_query(4100003, "prices", BAD_PRICES)
    dune.load_query(4100012, "volumes", BAD_VOLUMES)
    return project


def test_a_failing_check_shows_its_rows_and_a_gate_what_it_has_held_back(page, bad_data, dune, calls, picture):
    graph = AssetGraph(page, bad_data.url)
    graph.select("result_dex_trades_clean", PRICES, VOLUMES, STABLECOINS, *READERS)
    graph.materialize("Materialize selected (6)")
    run = graph.follow()
    expect(run.state("Failure")).to_be_visible()
    failure = run.event("STEP_FAILURE")
    expect(failure).to_contain_text("2 were skipped because of check volumes_are_known")
    expect(failure).to_contain_text("volumes are missing")
    (body,) = calls()
    assert len(kinds(body)) == 6 + 2  # the check of prices, and the gate
    executed = [execution["query_id"] for execution in dune.executions()]
    assert {4100061, 4100063} <= set(executed)
    assert not {4100031, 4100034} & set(executed)

    checks = ChecksPage(page, bad_data.url, f"dune/acme/{PRICES}")
    checks.open("prices_are_positive")
    expect(checks.metadata("dagster-dune/offending_rows").first).to_be_visible()
    expect(checks.metadata("dagster-dune/offending_rows_sample").get_by_text("DAI").first).to_be_visible()
    picture(page, "check-rows", height=900)

    graph = AssetGraph(page, bad_data.url)
    for reader in READERS:
        expect(graph.box(reader)).to_contain_text("Failed")
    for made in (PRICES, VOLUMES, STABLECOINS):
        expect(graph.box(made)).to_contain_text("Materialized")

    checks = ChecksPage(page, bad_data.url, f"dune/acme/{VOLUMES}")
    checks.open("volumes_are_known")
    expect(page.get_by_text("The gate is closed").first).to_be_visible()
    picture(page, "gate", height=900)
