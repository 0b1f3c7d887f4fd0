"""A matview with a gate and two objects behind it, beside a query that fails."""

import dagster as dg

from dagster_dune import DuneCatalog, DuneCheck, DuneResource, MaterializedView, Query, build_dune_assets

A, B = "dune.acme.result_amounts", "dune.acme.result_totals"
GATE_SQL = (
    "SELECT CASE WHEN count(*) > 0 THEN CAST('gate closed: ' || CAST(count(*) AS varchar) || ' negative' AS bigint) "
    f"END AS n FROM {A} WHERE amount < 0"
)
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=A, query_id=1), MaterializedView(name=B, query_id=2, deps=[A])],
    queries=[Query(query_id=3), Query(query_id=4, deps=[B])],
    checks=[],
)
TOO_MUCH = DuneCheck(asset=A, name="too_much", kind="rows", query_id=15, blocking=True)
ENOUGH = DuneCheck(asset=A, name="enough", kind="row_count", at_least=1, at_most=2, blocking=True)
GATE = DuneCheck(asset=A, name="gate", kind="gate", query_id=14)


def amounts(dune, *amounts):
    """Save the query behind the gated matview, with these amounts."""
    rows = ", ".join(f"({amount})" for amount in amounts)
    dune.load_query(1, "amounts", f"SELECT amount FROM (VALUES {rows}) AS t (amount)")


def load(dune):
    """Save everything in a local Dune: negative amounts, and a query beside them that fails."""
    amounts(dune, -1)
    dune.load_query(2, "totals", f"SELECT sum(amount) AS total FROM {A}")
    dune.load_query(3, "other", "SELECT missing FROM dex.trades")
    dune.load_query(4, "last", f"SELECT total FROM {B}")
    dune.load_query(14, "gate", GATE_SQL)
    dune.load_query(15, "too_much", f"SELECT amount FROM {A} WHERE amount > 100")
    dune.load_materialized_view(A, 1)
    dune.load_materialized_view(B, 2)


def definitions(checks=(GATE,), **options):
    assets = build_dune_assets(CATALOG, checks=checks, **options)
    return dg.Definitions(
        assets=[assets],
        jobs=[dg.define_asset_job("gated", selection=dg.AssetSelection.all())],
        resources={"dune": DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.02, max_poll_interval=0.1)},
        executor=dg.in_process_executor,
    )


def gated():
    return definitions().resolve_job_def("gated")


def retried():
    return definitions(retry_policy=dg.RetryPolicy(max_retries=2)).resolve_job_def("gated")


def blocked():
    """The same, with two blocking checks beside the gate."""
    return definitions([GATE, TOO_MUCH, ENOUGH]).resolve_job_def("gated")


def anew():
    """The same, and nothing of earlier attempts is taken over."""
    defs = definitions()
    resource = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.02, max_poll_interval=0.1, resume=False)
    return dg.Definitions(
        assets=defs.assets, jobs=defs.jobs, resources={"dune": resource}, executor=dg.in_process_executor
    ).resolve_job_def("gated")
