"""What Dagster loads: the Dune assets and what they read, a report in Python, schedules and a sensor.

The groups tell the flow: ``sources`` are Dune's raw tables, ``staging`` cleans them, ``marts`` sum them up by day, and
``reports`` are what people look at. A file's header names its group.
"""

from pathlib import Path

import dagster as dg

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneResource,
    MaterializedView,
    Query,
    Reference,
    build_dune_asset_selection,
    build_dune_assets,
    build_dune_refresh_sensor,
    build_dune_upstream_specs,
    build_schedule_from_dune_selection,
)

CATALOG = DuneCatalog.from_directory(Path(__file__).parent / "queries")
WEEKLY_SUMMARY = dg.AssetKey(["dune", "weekly_summary_4100041"])
BY_DAY = "tag:by_day"  # the queries that run a day at a time


SOURCES = {
    "dex.trades": "One row a swap on a decentralised exchange, whichever chain and project.",
    "ethereum.transactions": "Every transaction on Ethereum, with the gas that it used and its price.",
    "prices.day": "The price of each token, day by day.",
    "tokens.erc20": "The tokens of each chain: their contracts, symbols and decimals.",
}


class DescribesSources(DagsterDuneTranslator):
    """Puts Dune's raw tables into a group of their own, and says what is in them."""

    def get_asset_spec(self, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
        """Return the default spec, or that of a source."""
        spec = super().get_asset_spec(obj)
        if not isinstance(obj, Reference):
            return spec
        return spec.replace_attributes(group_name="sources", description=SOURCES.get(obj.name, spec.description))


@dg.asset(
    deps=[WEEKLY_SUMMARY],
    kinds={"python"},
    group_name="reports",
    owners=["team:research"],
    automation_condition=dg.AutomationCondition.eager(),
)
def weekly_report(context: dg.AssetExecutionContext, dune: DuneResource) -> dg.MaterializeResult[str]:
    """The latest week as a table in Markdown, from the rows of the weekly summary."""
    rows = list(dune.get_rows(context, WEEKLY_SUMMARY))
    latest = max(row["week"] for row in rows)
    lines = [
        f"| {row['blockchain']} | {row['trades']:,} | {row['volume_usd']:,.0f} |"
        for row in rows
        if row["week"] == latest
    ]
    report = "\n".join(["| chain | trades | volume, USD |", "|---|---:|---:|", *lines])
    return dg.MaterializeResult(value=report, metadata={"report": dg.MetadataValue.md(report), "week": str(latest)})


translator = DescribesSources()
dune_assets = build_dune_assets(CATALOG, translator=translator)
everything_else = dg.AssetSelection.all() - build_dune_asset_selection([dune_assets], select=BY_DAY)
daily_dune = dg.define_asset_job(
    "daily_dune",
    selection=everything_else,
    description="Everything but what runs by day, in one pipeline call, and then the weekly report.",
)

defs = dg.Definitions(
    assets=[dune_assets, *build_dune_upstream_specs(dune_assets, translator=translator), weekly_report],
    jobs=[daily_dune],
    schedules=[
        dg.ScheduleDefinition(
            job=daily_dune,
            cron_schedule="0 6 * * *",
            description="Each morning: what Dune has learned of yesterday, from the raw tables to the report.",
        ),
        build_schedule_from_dune_selection(
            [dune_assets],
            "dune_by_day",
            "0 7 * * *",
            select=BY_DAY,
            description="Yesterday's largest trades, as a partition of its own.",
        ),
    ],
    sensors=[build_dune_refresh_sensor([dune_assets])],
    resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.5)},
)
