"""A code location whose Python asset takes the result of a Dune asset, each step in a process of its own."""

import dagster as dg
import polars as pl

from dagster_dune import DuneCatalog, DuneIOManager, DuneResource, Query, build_dune_assets

dune = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.05)


@dg.asset(ins={"numbers": dg.AssetIn(["dune", "numbers_1"])})
def in_polars(context: dg.AssetExecutionContext, numbers: pl.DataFrame) -> int:
    total = int(numbers["n"].sum())
    context.add_output_metadata({"total": total})
    return total


defs = dg.Definitions(
    assets=[
        build_dune_assets(DuneCatalog(queries=[Query(query_id=1, slug="numbers")]), io_manager_key="dune_io"),
        in_polars,
    ],
    jobs=[dg.define_asset_job("everything", executor_def=dg.multiprocess_executor)],
    resources={"dune": dune, "dune_io": DuneIOManager(dune=dune)},
)
