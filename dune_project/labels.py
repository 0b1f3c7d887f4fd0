"""Python -> Dune -> Python: labels go up as a table, a matview and a query read them, and a chart comes back.

Load it with ``dg dev -m dune_project.labels``. One run is one pipeline call: the upload comes before it, the chart
after it.
"""

import base64
import io
import os
from pathlib import Path

import dagster as dg
import polars as pl

from dagster_dune import DuneCatalog, DuneIOManager, DuneResource, build_dune_assets, build_dune_upload

CATALOG = DuneCatalog.from_directory(Path(__file__).parent / "label_queries")
SHARES = dg.AssetKey(["dune", "volume_shares_4100072"])
FILE = Path(os.environ.get("DUNE_PROJECT_DATA", "data")) / "volume_shares.parquet"


@build_dune_upload("dune.acme.chain_labels", max_credits=15, group_name="labels")
def chain_labels() -> pl.DataFrame:
    """What kind of chain each one is: the table that Python knows and Dune does not."""
    kinds = {"ethereum": "layer 1", "bnb": "layer 1", "base": "rollup", "arbitrum": "rollup", "polygon": "side chain"}
    return pl.DataFrame({"blockchain": list(kinds), "kind": list(kinds.values())})


@dg.asset(ins={"shares": dg.AssetIn(SHARES)}, kinds={"python", "polars"}, group_name="labels")
def volume_chart(shares: pl.DataFrame) -> dg.MaterializeResult[None]:
    """The shares as a chart, and as a Parquet file."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    shares.write_parquet(FILE)
    chart = base64.b64encode(_drawn(shares)).decode()
    return dg.MaterializeResult(
        metadata={
            "chart": dg.MetadataValue.md(f"![Shares of the volume](data:image/png;base64,{chart})"),
            "volume_usd": float(shares["volume_usd"].sum()),
            "dagster/row_count": shares.height,
            "dagster/uri": str(FILE),
        }
    )


def _drawn(shares: pl.DataFrame) -> bytes:
    """The shares of each month, stacked, as a PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (slow to import)

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    table = shares.pivot("kind", index="month", values="share").fill_null(0.0).sort("month")
    months = [f"{month:%Y-%m}" for month in table["month"]]
    bottom = [0.0] * table.height
    for kind in sorted(set(table.columns) - {"month"}):
        heights = table[kind].to_list()
        axes.bar(months, heights, bottom=bottom, label=kind)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel("share of the volume")
    figure.legend(loc="outside right upper")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


dune = DuneResource(api_key=dg.EnvVar("DUNE_API_KEY"), poll_interval=0.5)
defs = dg.Definitions(
    assets=[chain_labels, build_dune_assets(CATALOG, name="labelled", io_manager_key="dune_io"), volume_chart],
    resources={"dune": dune, "dune_io": DuneIOManager(dune=dune)},
)
