"""A matview, and two queries over it with daily partitions: one runs a node a day, the other all days as one.

Beside them a query with a gate, that closes on one day, and what reads it.
"""

import dagster as dg

from dagster_dune import (
    DuneCatalog,
    DuneCheck,
    DuneResource,
    MaterializedView,
    Query,
    QueryPartitions,
    build_dune_assets,
    build_schedule_from_dune_selection,
)

BASE = "dune.acme.result_base"
DAYS = {"kind": "daily", "start": "2024-01-01"}
EACH = QueryPartitions(**DAYS, parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(
    **DAYS,
    ranges="parameters",
    parameters={"from": "{window_start:%Y-%m-%d}", "to": "{window_end:%Y-%m-%d}"},
)
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=BASE, query_id=1)],
    queries=[
        Query(query_id=10, slug="each", deps=[BASE], partitions=EACH),
        Query(query_id=11, slug="span", deps=[BASE], partitions=SPAN),
        Query(query_id=20, deps=["query_12"], partitions=EACH),
        Query(query_id=12, slug="checked", partitions=EACH),
        Query(query_id=13, slug="reader", deps=["query_12"], partitions=EACH),
    ],
    checks=[DuneCheck(asset="query_12", name="no_fifth", kind="gate", query_id=20)],
)
DAY = {"key": "day", "type": "text", "value": "2020-01-01"}
ENDS = [{"key": key, "type": "text", "value": "2020-01-01"} for key in ("from", "to")]


def load_account(dune):
    """Save the catalog's queries in a local Dune."""
    dune.load_query(1, "base", "SELECT 1 AS n")
    dune.load_materialized_view(BASE, 1)
    dune.load_query(10, "each", f"SELECT '{{{{day}}}}' AS day, n FROM {BASE}", parameters=[DAY])
    dune.load_query(12, "checked", "SELECT '{{day}}' AS day, 1 AS n", parameters=[DAY])
    dune.load_query(13, "reader", "SELECT '{{day}}' AS day, 2 AS n", parameters=[DAY])
    no_fifth = "SELECT CASE WHEN '{{day}}' = '2024-01-05' THEN CAST('gate closed: the fifth' AS bigint) END AS n"
    dune.load_query(20, "no fifth", no_fifth, parameters=[DAY])
    dune.load_query(11, "span", f"SELECT '{{{{from}}}}' AS a, '{{{{to}}}}' AS b, n FROM {BASE}", parameters=ENDS)


def break_account(dune, day):
    """Let the one query fail on a day, and the other altogether."""
    broken = f"SELECT IF('{{{{day}}}}' = '{day}', CAST('x' AS bigint), 1) AS n FROM {BASE}"
    dune.load_query(10, "each", broken, parameters=[DAY])
    dune.load_query(11, "span", "SELECT '{{from}}' AS a, '{{to}}' AS b, CAST('x' AS bigint) AS n", parameters=ENDS)


assets = build_dune_assets(CATALOG)
latest_days = build_schedule_from_dune_selection(
    [assets],
    "latest_days",
    "* * * * *",
    select=["10", "11"],
    partitions_per_tick=2,
)
defs = dg.Definitions(
    assets=[assets],
    schedules=[latest_days],
    resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.1, max_poll_interval=0.5)},
)
