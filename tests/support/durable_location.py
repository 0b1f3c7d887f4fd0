"""A chain of two matviews and a query, and beside it the same with a retry policy."""

import dagster as dg

from dagster_dune import DuneCatalog, DuneResource, MaterializedView, Query, build_dune_assets


def chain(first):
    """Three objects that read each other, under ids from `first` on."""
    one, two = f"dune.acme.result_one_{first}", f"dune.acme.result_two_{first}"
    return DuneCatalog(
        materialized_views=[
            MaterializedView(name=one, query_id=first),
            MaterializedView(name=two, query_id=first + 1, deps=[one]),
        ],
        queries=[Query(query_id=first + 2, slug="three", deps=[two])],
    )


def load(dune):
    """Save the objects of both chains in a local Dune."""
    for first in (100, 200):
        one, two = f"dune.acme.result_one_{first}", f"dune.acme.result_two_{first}"
        dune.load_query(first, "one", "SELECT 1 AS n")
        dune.load_query(first + 1, "two", f"SELECT n + 1 AS n FROM {one}")
        dune.load_query(first + 2, "three", f"SELECT n + 1 AS n FROM {two}")
        dune.load_materialized_view(one, first)
        dune.load_materialized_view(two, first + 1)


plain = build_dune_assets(chain(100), name="plain")
retried = build_dune_assets(chain(200), name="retried", retry_policy=dg.RetryPolicy(max_retries=1))

defs = dg.Definitions(
    assets=[plain, retried],
    jobs=[
        dg.define_asset_job("plain_job", selection=dg.AssetSelection.assets(plain)),
        dg.define_asset_job("retried_job", selection=dg.AssetSelection.assets(retried)),
    ],
    resources={
        "dune": DuneResource(
            api_key=dg.EnvVar("DUNE_API_KEY"),
            poll_interval=0.1,
            max_poll_interval=0.2,
            # How long the next attempt waits for an answer that will never come.
            timeout=12,
            max_retries=0,
        )
    },
)
