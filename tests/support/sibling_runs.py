"""A run of a small catalog in a process of its own, as several hands start them at once."""

import dagster as dg

from dagster_dune import DuneCatalog, DuneResource, MaterializedView, Query, build_dune_assets

ONE = "dune.acme.result_one"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=ONE, query_id=1)], queries=[Query(query_id=2, deps=[ONE])]
)


def run(home, api_key, url, tags):
    """Materialize everything, and return the run's id, whether it succeeded, and how many assets it told of."""
    resource = DuneResource(api_key=api_key, base_url=url, poll_interval=0.02, max_poll_interval=0.1)
    with dg.DagsterInstance.from_config(home) as instance:
        result = dg.materialize(
            [build_dune_assets(CATALOG)],
            resources={"dune": resource},
            instance=instance,
            raise_on_error=False,
            tags=tags,
        )
        return result.run_id, result.success, len(result.get_asset_materialization_events())
