"""Exports as assets, and results of assets as frames: `build_dune_export` and `DuneResource.get_result`."""

import gc
import logging
import sys

import dagster as dg
import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from dagster_dune import (
    DuneCatalog,
    DuneConfigurationError,
    DuneResultError,
    Query,
    QueryPartitions,
    build_dune_assets,
    build_dune_export,
)

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
BY_DAY = QueryPartitions(
    kind="daily", start="2026-01-01", end="2026-01-04", parameters={"day": "{partition_key}"}
)  # fmt: skip
CATALOG = DuneCatalog(queries=[Query(query_id=1, slug="numbers"), Query(query_id=2, slug="by_day", partitions=BY_DAY)])
NUMBERS = dg.AssetKey(["dune", "numbers_1"])
ASSETS = build_dune_assets(CATALOG, select="numbers_1")
DAILY = build_dune_assets(CATALOG, name="daily", select="by_day_2")


@pytest.fixture(autouse=True)
def queries(dune):
    dune.load_query(1, "numbers", "SELECT n, 'a' AS t FROM UNNEST(sequence(1, 5)) AS s(n)")
    dune.load_query(2, "by_day", "SELECT '{{day}}' AS day", parameters=[{"key": "day", "type": "text", "value": ""}])


def test_an_asset_reads_a_frame_and_tells_what_it_cost(resource, instance):
    seen = {}

    @dg.asset(deps=[NUMBERS])
    def reader(context: dg.AssetExecutionContext) -> None:
        seen["frame"] = resource.get_result(context, NUMBERS, pl.DataFrame, columns=["n"], limit=2)
        seen["sum"] = resource.run_sql("SELECT sum(n) AS n FROM query_1", as_=pl.DataFrame, context=context)["n"][0]
        seen["result"] = resource.run_query(1)

    result = dg.materialize([ASSETS, reader], resources={"dune": resource}, instance=instance)
    assert seen["frame"].to_dicts() == [{"n": 1}, {"n": 2}]
    assert (seen["sum"], seen["result"].read().num_rows) == (15, 5)
    metadata = result.asset_materializations_for_node("reader")[0].metadata
    export = metadata["dagster-dune/export/dune/numbers_1"].value
    assert (export["rows"], export["bytes"] > 0) == (2, True)
    assert metadata["dagster-dune/export/sql"].value["credits"] > 0


def test_a_result_becomes_a_parquet_file(resource, instance, tmp_path):
    export = build_dune_export("dune/numbers_1", to=tmp_path)
    result = dg.materialize([ASSETS, export], resources={"dune": resource}, instance=instance)
    metadata = result.asset_materializations_for_node(export.op.name)[0].metadata
    assert metadata["dagster/row_count"].value == 5
    assert pq.read_table(tmp_path / "numbers_1_parquet.parquet").column("n").to_pylist() == [1, 2, 3, 4, 5]


def test_a_partition_becomes_a_file_or_rows_of_a_table(resource, instance, tmp_path):
    files = build_dune_export(["dune", "by_day_2"], to=str(tmp_path / "days"), partitions_def=DAYS)
    table = build_dune_export(["dune", "by_day_2"], to=str(tmp_path / "a.duckdb"), table="days", partitions_def=DAYS)
    for day in ("2026-01-02", "2026-01-03"):
        run = [DAILY, files, table]
        assert dg.materialize(run, resources={"dune": resource}, instance=instance, partition_key=day).success
    assert sorted(path.name for path in (tmp_path / "days").iterdir()) == ["2026-01-02.parquet", "2026-01-03.parquet"]
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        rows = connection.sql("SELECT day, dagster_partition FROM days ORDER BY 1").fetchall()
    assert rows == [("2026-01-02", "2026-01-02"), ("2026-01-03", "2026-01-03")]


def test_a_script_exports_and_a_sensor_does(resource, instance, tmp_path, monkeypatch):
    dg.materialize([ASSETS], resources={"dune": resource}, instance=instance)
    for number, context in enumerate([instance, dg.build_sensor_context(instance)]):
        assert resource.export(context, NUMBERS, str(tmp_path / f"{number}.parquet")).rows == 5
        assert resource.run_sql("SELECT 1 AS n", as_=pl.DataFrame, context=context).to_dicts() == [{"n": 1}]
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(DuneConfigurationError, match="no Dagster instance"):
        resource.export(None, NUMBERS, str(tmp_path / "none.parquet"))
    assert {path.name for path in tmp_path.iterdir()} == {"0.parquet", "1.parquet"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"filters": "n > 0"}, "filters is an option of reading, and without as_ nothing is read.*Name as_"),
        ({"colums": ["n"]}, "unexpected keyword argument 'colums'.*Options of reading are"),
        ({"as_": "polar"}, "cannot become 'polar'"),
        ({"as_": "arrow", "colums": ["n"]}, "unexpected keyword argument 'colums'"),
        ({"as_": "arrow", "limit": -1}, "limit must not be negative"),
        ({"as_": "arrow", "uint256": "hex"}, "uint256='hex' is none of"),
        ({"timeout": "5"}, "timeout must be a number"),
    ],
)
def test_how_it_is_read_is_checked_before_it_is_paid_for(dune, resource, given, said):
    for run in (resource.run_sql, resource.run_query):
        with pytest.raises(DuneConfigurationError, match=said):
            run(*("SELECT 1",) if run == resource.run_sql else (1,), **given)
    assert dune.executions() == []


def test_a_package_that_is_missing_is_told_before_anything_is_paid_for(dune, resource, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(DuneConfigurationError, match="This needs polars, which is not installed"):
        resource.run_sql("SELECT 1", as_="polars")
    assert dune.executions() == []


@pytest.mark.parametrize("ends", ["unread", "read", "failed", "a stream that nobody reads"])
def test_no_client_leaves_its_key_in_the_logs(resource, instance, ends):
    """Sensors and code servers run for months: each client adds a filter to loggers, and takes it away at its end."""

    def filters():
        gc.collect()
        return len(logging.getLogger("httpx").filters)

    dg.materialize([ASSETS], resources={"dune": resource}, instance=instance)
    before = filters()
    if ends == "unread":
        resource.run_sql("SELECT 1")
    elif ends == "read":
        resource.run_query(1, as_="arrow")
    elif ends == "failed":
        with pytest.raises(DuneResultError):
            resource.run_sql("SELECT no_such")
    else:
        resource.get_result(instance, NUMBERS, "arrow_stream")
    assert filters() == before


def test_what_was_never_materialized_cannot_be_exported(resource, instance, tmp_path):
    export = build_dune_export(NUMBERS, to=str(tmp_path))
    with pytest.raises(DuneResultError, match="never been materialized"):
        dg.materialize([export], resources={"dune": resource}, instance=instance)
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_in_a_local_file():
    with pytest.raises(DuneConfigurationError, match="local"):
        build_dune_export(NUMBERS, to="s3://bucket/a.duckdb", table="t")


def test_a_table_elsewhere_than_on_this_machine_is_refused_at_load():
    with pytest.raises(
        DuneConfigurationError, match=r"A DuckDB file is a local one, not 's3://.*Export to Parquet instead"
    ):
        build_dune_export(NUMBERS, to="s3://bucket/x.duckdb", table="numbers")
