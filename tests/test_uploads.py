"""`build_dune_upload`: a table on Dune as an asset, in the graph that lineage makes."""

import dagster as dg
import polars as pl

from dagster_dune import DuneCatalog, DuneResource, MaterializedView, Query, build_dune_assets, build_dune_upload

LABELS = "dune.acme.labels"
SQL = f"SELECT label, count(*) AS n FROM {LABELS} GROUP BY 1"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name="dune.acme.result_labels", query_id=1, deps=[LABELS])],
    queries=[Query(query_id=2, deps=["dune.acme.result_labels"])],
)
ASSETS = build_dune_assets(CATALOG)


@dg.asset
def number() -> int:
    return 3


@build_dune_upload(LABELS, max_credits=12)
def labels(context: dg.AssetExecutionContext, number: int, dune: DuneResource) -> pl.DataFrame:
    """Labels of addresses."""
    context.log.info("Making %s labels.", number)
    return pl.DataFrame({"address": [b"\x01", b"\x02", b"\x03"][:number], "label": ["a", "a", None][:number]})


def test_the_graph_is_closed_from_python_to_dune_to_python(dune, resource, instance):
    dune.load_query(1, "labels", SQL)
    dune.load_query(2, "reader", "SELECT * FROM dune.acme.result_labels")
    dune.load_materialized_view("dune.acme.result_labels", 1)
    seen = []

    @dg.asset(deps=[["dune", "query_2"]])
    def reader(context: dg.AssetExecutionContext) -> None:
        seen.extend(resource.get_result(context, ["dune", "query_2"], pl.DataFrame).sort("n").to_dicts())

    run = [number, labels, ASSETS, reader]
    assert labels.key in ASSETS.asset_deps[dg.AssetKey(["dune", "acme", "result_labels"])]
    result = dg.materialize(run, resources={"dune": resource}, instance=instance)
    assert seen == [{"label": None, "n": 1}, {"label": "a", "n": 2}]
    (event,) = result.asset_materializations_for_node(labels.op.name)
    assert (event.metadata["dagster/row_count"].value, event.metadata["dagster-dune/credits"].value) == (3, 11.0)
    assert sum(entry["path"] == "/api/v1/pipelines/execute" for entry in dune.journal()) == 1


def test_a_partition_is_appended_once(dune, resource, instance):
    @build_dune_upload(
        LABELS, mode="append", marker_column="day", partitions_def=dg.StaticPartitionsDefinition(["a", "b"])
    )
    def by_day(context):
        return pl.DataFrame({"n": [1, 2], "p": [context.partition_key] * 2})

    for partition in ("a", "b", "a"):
        run = {"resources": {"dune": resource}, "instance": instance, "partition_key": partition}
        assert dg.materialize([by_day], **run).success
    counted = resource.run_sql(f"SELECT day, p, count(*) AS n FROM {LABELS} GROUP BY 1, 2 ORDER BY 1").read()
    assert counted.to_pylist() == [{"day": "a", "p": "a", "n": 2}, {"day": "b", "p": "b", "n": 2}]


def test_a_key_can_be_chosen_by_the_translator():
    assert labels.key == dg.AssetKey(["dune", "acme", "labels"])
    assert labels.specs_by_key[labels.key].metadata["dagster/table_name"] == LABELS
    assert labels.specs_by_key[labels.key].description == "Labels of addresses."
