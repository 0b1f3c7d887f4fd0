"""What the daemon does once users have asked for it in Dagster's UI: backfills, schedules, sensors."""

from example import BY_DAY, kinds
from pages import AutomationPage, PartitionsPage
from playwright.sync_api import expect
from waiting import wait_until

TRADES, GAS = ("dune", "acme", "result_dex_trades_clean"), "dune.acme.result_gas_daily"
DAYS = [f"2026-06-0{day}" for day in range(1, 6)]


def test_a_backfill_is_one_call_with_a_node_a_day(page, project, calls, picture):
    project.finish(project.launch(TRADES))
    partitions = PartitionsPage(page, project.url, BY_DAY.to_user_string())
    backfill = partitions.backfill(f"[{DAYS[0]}...{DAYS[-1]}]")
    expect(backfill.state()).to_contain_text("Succeeded")
    _, body = calls()
    assert [kind["query_parameters"] for kind in kinds(body)] == [{"day": f"{day} 00:00:00"} for day in DAYS]
    assert len(project.instance.get_runs()) == 2

    partitions = PartitionsPage(page, project.url, BY_DAY.to_user_string())
    partitions.show("[2026-06-01...2026-06-07]")
    expect(partitions.count("Materialized (5)")).to_be_visible()
    expect(partitions.count("Missing (2)")).to_be_visible()
    partitions.open(DAYS[-1])
    expect(partitions.metadata("dagster-dune/query_parameters")).to_contain_text(DAYS[-1])
    expect(partitions.metadata("dagster/partition_row_count")).to_contain_text("20")
    picture(page, "backfill", 1360)


def test_a_schedule_ticks_once_it_is_switched_on(page, project, calls):
    schedule = AutomationPage(page, project.url, project.location_name, "schedules", "every_minute")
    with schedule.switched_on():
        wait_until(project.instance.get_runs)
    page.goto(f"{project.url}/runs")
    expect(page.get_by_role("link", name="every_minute")).to_be_visible()
    (run,) = project.instance.get_runs()
    assert project.finish(run.run_id).is_success
    assert len(calls()) == 1


def test_the_sensor_tells_what_another_client_has_refreshed(page, project, calls, client, finish, picture):
    refreshed = client.refresh_materialized_view(GAS).execution_id
    finish(client, refreshed)
    sensor = AutomationPage(page, project.url, project.location_name, "sensors", "dune_refresh_sensor")
    with sensor.switched_on():
        expect(sensor.tick("0 runs requested")).to_be_visible()
        page.reload()  # the upper half of the page is slow to notice
        expect(page.get_by_text("Sensor has never run")).to_be_hidden()
        expect(sensor.tick("0 runs requested")).to_be_visible()
        picture(page, "sensor", 645)
    page.goto(f"{project.url}/assets/{GAS.replace('.', '/')}?view=events")
    expect(page.get_by_role("row", name="dagster-dune/execution_id")).to_contain_text(refreshed)
    expect(page.get_by_role("row", name="dagster/row_count")).to_contain_text("60")
    assert calls() == []
    assert not project.instance.get_runs()
