"""Two matviews and two queries, one of them parametrised, with a refresh sensor that ticks as soon as it can."""

import dagster as dg

from dagster_dune import (
    DuneCatalog,
    DuneResource,
    MaterializedView,
    Query,
    QueryParameter,
    build_dune_assets,
    build_dune_refresh_sensor,
)

DAILY, SHARE = "dune.acme.result_daily", "dune.acme.result_share"
LEAST = QueryParameter(key="least", type="number", default="0")
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=DAILY, query_id=1), MaterializedView(name=SHARE, query_id=2)],
    queries=[Query(query_id=10), Query(query_id=20, slug="at_least", parameters=[LEAST])],
)
ROWS = "SELECT chain, amount FROM (VALUES ('base', 1), ('bnb', 2), ('base', 3)) AS t (chain, amount)"


def load(dune):
    """Save these objects in a local Dune."""
    dune.load_query(1, "daily", ROWS)
    dune.load_query(2, "share", f"SELECT chain, SUM(amount) AS total FROM ({ROWS}) GROUP BY 1")
    dune.load_query(10, "by chain", ROWS)
    parameter = {"key": "least", "type": "number", "value": "0"}
    dune.load_query(20, "at least", f"{ROWS} WHERE amount >= {{{{least}}}}", parameters=[parameter])
    dune.load_materialized_view(DAILY, 1)
    dune.load_materialized_view(SHARE, 2)


assets = build_dune_assets(CATALOG)
defs = dg.Definitions(
    assets=[assets],
    sensors=[
        build_dune_refresh_sensor(
            [assets],
            minimum_interval_seconds=1,
            reads_per_minute=1800,
            default_status=dg.DefaultSensorStatus.RUNNING,
        )
    ],
    resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"))},
)
