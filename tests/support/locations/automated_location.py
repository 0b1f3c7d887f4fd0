"""matview -> query view -> matview -> query, all eager, below an asset in Python."""

import dagster as dg

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneResource,
    MaterializedView,
    Query,
    build_dune_assets,
)

FIRST, SECOND = "dune.acme.result_first", "dune.acme.result_second"
CATALOG = DuneCatalog(
    materialized_views=[
        MaterializedView(name=FIRST, query_id=1, sql="SELECT 1 AS n FROM dex.trades", automation="eager"),
        MaterializedView(name=SECOND, query_id=2, sql="SELECT * FROM query_10", automation="eager"),
    ],
    queries=[
        Query(query_id=10, slug="view", sql=f"SELECT n FROM {FIRST}"),
        Query(query_id=11, slug="last", sql=f"SELECT sum(n) AS n FROM {SECOND}", automation="eager"),
        Query(query_id=12, slug="other", sql="SELECT 1 AS one FROM dex.trades", automation="eager"),
    ],
)


def load_account(dune):
    """Save the catalog's queries in a local Dune."""
    dune.load_query(1, "first", "SELECT 1 AS n")
    dune.load_query(2, "second", "SELECT * FROM query_10")
    dune.load_query(10, "view", f"SELECT n FROM {FIRST}")
    dune.load_query(11, "last", f"SELECT sum(n) AS n FROM {SECOND}")
    dune.load_query(12, "other", "SELECT 1 AS one")
    dune.load_materialized_view(FIRST, 1)
    dune.load_materialized_view(SECOND, 2)


class BelowLabels(DagsterDuneTranslator):
    """Lets the first matview read what the Python asset uploads."""

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        is_first = isinstance(obj, MaterializedView) and obj.name == FIRST
        return spec.replace_attributes(deps=[dg.AssetDep("labels")]) if is_first else spec


@dg.asset
def labels():
    """Stands for what is made outside Dune."""


defs = dg.Definitions(
    assets=[labels, build_dune_assets(CATALOG, translator=BelowLabels(), query_views="inline")],
    sensors=[
        dg.AutomationConditionSensorDefinition(
            "automation", target="*", default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=1
        )
    ],
    resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.1, max_poll_interval=0.5)},
)
