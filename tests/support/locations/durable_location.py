"""A chain of two matviews and a query; the same with a retry policy; and the same with a check and a gate."""

import dagster as dg

from dagster_dune import DuneCatalog, DuneCheck, DuneResource, MaterializedView, Query, build_dune_assets

CHECKED = "dune.acme.result_one_300"


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
    """Save the objects of the chains, and the checks, in a local Dune."""
    dune.load_query(303, "value", f"SELECT n FROM {CHECKED}")
    dune.load_query(304, "gate", f"SELECT n FROM {CHECKED}")
    for first in (100, 200, 300):
        one, two = f"dune.acme.result_one_{first}", f"dune.acme.result_two_{first}"
        dune.load_query(first, "one", "SELECT 1 AS n")
        dune.load_query(first + 1, "two", f"SELECT n + 1 AS n FROM {one}")
        dune.load_query(first + 2, "three", f"SELECT n + 1 AS n FROM {two}")
        dune.load_materialized_view(one, first)
        dune.load_materialized_view(two, first + 1)


plain = build_dune_assets(chain(100), name="plain")
retried = build_dune_assets(chain(200), name="retried", retry_policy=dg.RetryPolicy(max_retries=1))
checked = build_dune_assets(
    chain(300),
    name="checked",
    checks=[
        DuneCheck(asset=CHECKED, name="value", kind="value", query_id=303, at_least=1),
        DuneCheck(asset=CHECKED, name="gate", kind="gate", query_id=304),
    ],
)

defs = dg.Definitions(
    assets=[plain, retried, checked],
    jobs=[
        dg.define_asset_job("plain_job", selection=dg.AssetSelection.assets(plain)),
        dg.define_asset_job("retried_job", selection=dg.AssetSelection.assets(retried)),
        dg.define_asset_job("checked_job", selection=dg.AssetSelection.assets(checked)),
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
