"""What Dagster loads: the Dune assets, a report in Python that reads one of them, schedules and a sensor."""

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
    build_schedule_from_dune_selection,
)

CATALOG = DuneCatalog.from_directory(Path(__file__).parent / "queries")
WEEKLY_SUMMARY = dg.AssetKey(["dune", "weekly_summary_4100041"])
BY_DAY = "tag:by_day"  # the queries that run a day at a time


class GroupByTag(DagsterDuneTranslator):
    """Puts each asset into the group of its first tag on Dune."""

    def get_asset_spec(self, obj: MaterializedView | Query | Reference) -> dg.AssetSpec:
        """Return the default spec with a group."""
        spec = super().get_asset_spec(obj)
        return spec if isinstance(obj, Reference) or not obj.tags else spec.replace_attributes(group_name=obj.tags[0])


@dg.asset(deps=[WEEKLY_SUMMARY], kinds={"python"}, group_name="overview")
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


dune_assets = build_dune_assets(CATALOG, translator=GroupByTag())
everything_else = dg.AssetSelection.all() - build_dune_asset_selection([dune_assets], select=BY_DAY)
daily_dune = dg.define_asset_job("daily_dune", selection=everything_else)

defs = dg.Definitions(
    assets=[dune_assets, weekly_report],
    jobs=[daily_dune],
    schedules=[
        dg.ScheduleDefinition(job=daily_dune, cron_schedule="0 6 * * *"),
        build_schedule_from_dune_selection([dune_assets], "dune_by_day", "0 7 * * *", select=BY_DAY),
    ],
    sensors=[build_dune_refresh_sensor([dune_assets])],
    resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.5)},
)
