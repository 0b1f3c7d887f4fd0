"""Exports as assets, and results of assets as frames: `build_dune_export` and `DuneResource.get_result`."""

import gc
import logging
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import dagster as dg
import duckdb
import fsspec
import polars as pl
import pyarrow.parquet as pq
import pytest
from executions_server import Executions
from waiting import PATIENCE, let_work

from dagster_dune import (
    DuneCatalog,
    DuneConfigurationError,
    DuneResource,
    DuneResultError,
    Query,
    QueryPartitions,
    build_dune_assets,
    build_dune_export,
    build_dune_upload,
)
from dagster_dune.frames.duckdb_tables import write_duckdb
from dagster_dune.frames.results import DuneResult, get_result
from dagster_dune.metadata import EXECUTION_ID

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
BY_DAY = QueryPartitions(
    kind="daily", start="2026-01-01", end="2026-01-04", parameters={"day": "{partition_key}"}
)  # fmt: skip
CATALOG = DuneCatalog(queries=[Query(query_id=1, slug="numbers"), Query(query_id=2, slug="by_day", partitions=BY_DAY)])
NUMBERS = dg.AssetKey(["dune", "numbers_1"])
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
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


@pytest.fixture
def told(resource, instance):
    """A function that runs something in an asset: what is said in the asset's metadata, and what it returned."""

    def run(pay, *upstream):
        returned = []

        @dg.asset(deps=[key for assets in upstream for key in assets.keys])
        def payer(context: dg.AssetExecutionContext) -> None:
            returned.extend(pay(context))

        result = dg.materialize([payer], resources={"dune": resource}, instance=instance)
        (event,) = result.asset_materializations_for_node("payer")
        return {key: value.value for key, value in event.metadata.items()}, returned

    return run


def test_all_that_is_paid_for_sql_is_in_the_metadata(told, resource):
    def pay(context):
        results = [resource.run_sql(f"SELECT {n} AS n", context=context) for n in (1, 2)]
        resource.run_sql("SELECT 3 AS n UNION ALL SELECT 4", as_=pl.DataFrame, context=context)
        return results

    metadata, results = told(pay)
    sql = metadata["dagster-dune/export/sql"]
    assert sql["execution_ids"][:2] == [result.execution_id for result in results]
    assert (len(sql["execution_ids"]), sql["rows"], sql["bytes"] > 0) == (3, 2, True)
    assert sql["credits"] > sum(result.credits for result in results)


def test_what_has_failed_or_was_cancelled_is_in_the_sum(told, resource, dune, endless):
    def pay(context):
        for sql, timeout in [("SELECT no_such FROM dex.trades", None), (endless, 0.3)]:
            with pytest.raises(DuneResultError):
                resource.run_sql(sql, timeout=timeout, context=context)
        return [resource.run_sql("SELECT 1 AS n", context=context)]

    metadata, _ = told(pay)
    sql = metadata["dagster-dune/export/sql"]
    with resource.get_client() as client:
        statuses = [client.get_execution_status(execution_id) for execution_id in sql["execution_ids"]]
    states = ["QUERY_STATE_FAILED", "QUERY_STATE_CANCELLED", "QUERY_STATE_COMPLETED"]
    assert [status.state for status in statuses] == states
    assert sql["credits"] == pytest.approx(sum(status.execution_cost_credits for status in statuses))


def test_a_test_may_call_an_asset_like_a_function(resource, instance, tmp_path):
    days, key = dg.AssetKey(["dune", "by_day_2"]), "2026-01-02"
    given = {"resources": {"dune": resource}, "instance": instance}
    assert dg.materialize([DAILY], partition_key=key, **given).success
    assert dg.materialize([ASSETS], **given).success

    @dg.asset(partitions_def=DAYS)
    def reader(context: dg.AssetExecutionContext, dune: DuneResource) -> list:
        read = dune.get_result(context, days, "arrow", partition_key=context.partition_key)
        return [read.num_rows, dune.run_sql("SELECT 7 AS n", as_="arrow", context=context)["n"][0].as_py()]

    @build_dune_upload("dune.acme.labels", mode="append", partitions_def=DAYS)
    def labels(context):
        return [{"day": context.partition_key}]

    def context(**options):
        return dg.build_asset_context(partition_key=key, instance=instance, **options)

    assert reader(context(), dune=resource) == [1, 7]
    assert labels(context(), dune=resource).metadata["dagster/partition_row_count"] == 1
    build_dune_export(days, to=tmp_path, partitions_def=DAYS)(context(resources={"dune": resource}))
    whole = dg.build_asset_context(resources={"dune": resource}, instance=instance)
    assert build_dune_export(NUMBERS, to=tmp_path)(whole).metadata["dagster/row_count"] == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{key}.parquet", "numbers_1_parquet.parquet"]


def test_one_call_is_told_once(told, resource):
    def pay(context):
        result = resource.run_sql("SELECT 1 AS n", context=context)
        resource.run_query(1, as_=pl.DataFrame, context=context)
        return [result, resource.run_query(1)]

    metadata, (sql, query) = told(pay)
    assert metadata["dagster-dune/export/sql"] == {"execution_ids": [sql.execution_id], "credits": sql.credits}
    export = metadata["dagster-dune/export/query_1"]
    assert list(export) == ["execution_ids", "rows", "bytes", "credits"]
    assert (len(export["execution_ids"]), export["rows"], export["credits"]) == (1, 5, query.credits)


def test_a_query_with_several_parameters_is_told_with_all_that_it_cost(told, resource):
    def pay(context):
        for day in ("a", "b"):
            yield resource.run_query(2, {"day": day}, as_="arrow", context=context)

    metadata, tables = told(pay)
    export = metadata["dagster-dune/export/query_2"]
    assert (len(set(export["execution_ids"])), export["rows"]) == (2, 2)
    assert export["bytes"] > 0
    assert len(tables) == 2


def test_partitions_that_are_read_one_by_one_are_told_together(told, resource, instance):
    days = ("2026-01-02", "2026-01-03")
    for day in days:
        dg.materialize([DAILY], resources={"dune": resource}, instance=instance, partition_key=day)

    def pay(context):
        return [resource.get_result(context, "dune/by_day_2", partition_key=day) for day in (*days, days[0])]

    metadata, _ = told(pay, DAILY)
    export = metadata["dagster-dune/export/dune/by_day_2"]
    assert (len(export["execution_ids"]), export["rows"]) == (2, 3)


def test_two_writes_to_one_table_are_told_together(told, resource):
    def pay(context):
        return [resource.write_table([{"n": n}], "dune.acme.numbers", mode="append", context=context) for n in (1, 2)]

    metadata, written = told(pay)
    assert metadata["dagster-dune/upload/dune.acme.numbers"] == {
        "rows": 2,
        "bytes": sum(one.bytes for one in written),
        "credits": sum(one.credits for one in written),
    }


def test_threads_of_one_asset_lose_nothing(told, resource):
    def pay(context):
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda n: resource.run_sql(f"SELECT {n} AS n", context=context), range(16)))

    metadata, results = told(pay)
    export = metadata["dagster-dune/export/sql"]
    assert set(export["execution_ids"]) == {result.execution_id for result in results}
    assert export["credits"] == pytest.approx(sum(result.credits for result in results))


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
        ({"colums": ["n"]}, "There is no option 'colums' of reading. Did you mean columns"),
        ({"as_": "polar"}, "cannot become 'polar'"),
        ({"as_": "arrow", "colums": ["n"]}, "There is no option 'colums' of reading"),
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


def test_parameters_under_another_name_are_told_before_anything_is_paid_for(dune, resource):
    for words in ({}, {"as_": "arrow"}):
        with pytest.raises(DuneConfigurationError, match=r"no option 'query_parameters' .* Did you mean parameters\?"):
            resource.run_query(1, query_parameters={"n": 1}, **words)
        for name in ("query_parameters", "parameters"):
            with pytest.raises(DuneConfigurationError, match=f"declares no parameters, and is given {name}. Write the"):
                resource.run_sql("SELECT 1", **{name: {"n": 1}}, **words)
    assert dune.executions() == []


def test_settings_of_the_resource_count_where_sql_is_executed(dune, monkeypatch):
    """Those of variables too, which nobody else reads in a script."""
    monkeypatch.setenv("MY_TIER", "large")
    given = {"performance": dg.EnvVar("MY_TIER"), "poll_failure_tolerance": 0, "max_retries": 0}
    script = DuneResource(api_key=dune.api_key, base_url=dune.url, **given)
    assert script.run_sql("SELECT 1 AS n", as_="arrow").num_rows == 1
    (sent,) = [entry for entry in dune.journal() if entry["path"].endswith("/sql/execute")]
    assert sent["body"]["performance"] == "large"
    dune.inject(
        "status", method="GET", path="/api/v1/execution/*/status", status=503, body={"error": "busy"}, times=None
    )
    with pytest.raises(DuneResultError, match="was started, and its status cannot be read"):
        script.run_sql("SELECT 1")


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


def test_what_waits_to_be_read_keeps_nothing_open(resource):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = [resource.run_sql("SELECT 1 AS n"), resource.run_query(1)]
        assert [result.read().num_rows for result in results] == [1, 5]
        streams = [results[1].read("arrow_stream", page_size=1, concurrency=1) for _ in range(2)]
        assert [next(iter(stream)).num_rows for stream in (*streams, *streams)] == [1] * 4
        assert results[0].read("polars").to_dicts() == [{"n": 1}]
        del results, streams
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


def test_an_op_may_return_a_result_which_is_stored_without_a_key(resource, dune, tmp_path):
    @dg.op
    def run() -> DuneResult:
        return resource.run_sql("SELECT 1 AS n")

    @dg.op
    def read(result: DuneResult) -> int:
        with pytest.raises(DuneConfigurationError, match=r"was stored.*get_result\(client, result.execution_id\)"):
            result.read()
        assert result.credits == result.status.execution_cost_credits > 0
        with resource.get_client() as client:
            return get_result(client, result.execution_id).num_rows

    @dg.job(resource_defs={"io_manager": dg.FilesystemIOManager(base_dir=str(tmp_path))})
    def job():
        read(run())

    assert job.execute_in_process().output_for_node("read") == 1
    assert [file for file in tmp_path.rglob("*") if file.is_file() and dune.api_key.encode() in file.read_bytes()] == []


def test_what_was_never_materialized_cannot_be_exported(resource, instance, tmp_path):
    export = build_dune_export(NUMBERS, to=str(tmp_path))
    with pytest.raises(DuneResultError, match="never been materialized"):
        dg.materialize([export], resources={"dune": resource}, instance=instance)
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_in_a_local_file():
    with pytest.raises(DuneConfigurationError, match="local"):
        build_dune_export(NUMBERS, to="s3://bucket/a.duckdb", table="t")


class BytesPath:
    def __fspath__(self):
        return b"folder"

    def __repr__(self):
        return "BytesPath"


@pytest.mark.parametrize("place", [":memory:", ":memory:named"])
def test_a_database_in_memory_is_refused_before_anything_is_read(place):
    with pytest.raises(DuneConfigurationError, match=r"A DuckDB file is one on disk, and .* would be gone"):
        build_dune_export(NUMBERS, to=place, table="t")
    with pytest.raises(DuneConfigurationError, match=r"A DuckDB file is one on disk, and .* would be gone"):
        write_duckdb(None, place, "t")


@pytest.mark.parametrize(
    ("to", "written"),
    [("memory://", "/numbers_1_parquet.parquet"), ("memory://folder/", "/folder/numbers_1_parquet.parquet")],
)
def test_a_file_system_without_a_folder_is_no_local_one(resource, instance, tmp_path, monkeypatch, to, written):
    monkeypatch.chdir(tmp_path)
    dg.materialize([ASSETS, build_dune_export(NUMBERS, to=to)], resources={"dune": resource}, instance=instance)
    assert list(tmp_path.iterdir()) == []
    assert fsspec.filesystem("memory").size(written) > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colums": ["n"]}, "no option 'colums' of reading. Did you mean columns"),
        ({"limit": -1}, "limit must not be negative"),
        ({"uint256": "hex"}, "uint256='hex' is none of"),
        ({"uint256": {"n": "hex"}}, "uint256='hex' for a column is none of"),
        ({"timestamps": "round"}, "timestamps='round' is none of"),
        ({"table": "a.b.c"}, "A table of DuckDB is a name or schema.name, not 'a.b.c'"),
        ({"table": 1}, "A table of DuckDB is a name or schema.name, not 1"),
        ({"to": None}, "to must be a path or a URL, not None"),
        ({"to": ""}, "to must be a path or a URL, not ''"),
        ({"to": BytesPath()}, "to must be a path or a URL, not BytesPath"),
        ({"to": "a\0b"}, "to must be a path or a URL, not 'a"),
        ({"to": dg.EnvVar("FOLDER")}, r"to is EnvVar\('FOLDER'\), .* take its value with get_value\(\)"),
        ({"storage_options": {"key": dg.EnvVar("KEY")}}, r"storage_options\['key'\] is EnvVar\('KEY'\)"),
        ({"storage_options": "key"}, "storage_options must be a mapping, not 'key'"),
        ({"to": "a/b.duckdb"}, "b.duckdb would be Parquet, .* Give the table"),
        ({"to": "s3://a/B.CSV"}, "B.CSV would be Parquet, .* dagster-dune results writes CSV"),
        ({"to": "a/b.xlsx"}, r"b.xlsx would be Parquet, .* Name a \.parquet file or a folder"),
        ({"to": "b.Feather"}, "b.Feather would be Parquet"),
        ({"to": "a/b.parquet.gz"}, "b.parquet.gz would be Parquet"),
        ({"to": "a/b.parquet", "table": "t"}, r"b.parquet would be a DuckDB file, .* leave the table out"),
        ({"to": "b.sqlite", "table": "t"}, r"b.sqlite would be a DuckDB file"),
        ({"filters": ""}, "filters must not be an empty text"),
        ({"sort_by": " "}, "sort_by must not be an empty text"),
    ],
)
def test_what_can_never_be_exported_is_refused_at_load(options, words):
    with pytest.raises(DuneConfigurationError, match=words):
        build_dune_export(NUMBERS, **{"to": "exports", **options})


@pytest.mark.parametrize(
    "options",
    [{"to": to} for to in ("a.csv/b", "v1.2", "exports.daily", "s3://bucket.name/x", "a.parquet", "a.xlsx/")]
    + [{"to": to, "table": "t"} for to in ("a", "a.db", "a.DuckDB", "v1.2", ".csv/a")],
)
def test_an_extension_that_is_of_no_other_format_is_part_of_a_name(options):
    assert build_dune_export(NUMBERS, **options)


@pytest.mark.parametrize("name", ["dune.acme.result_daily", 'Dune.acme."RESULT_daily"', ["dune.acme.result_daily"]])
def test_a_name_in_sql_is_no_key_of_an_export(name):
    """It would be the key of another asset, which nobody makes."""
    with pytest.raises(DuneConfigurationError, match=r"is a name in SQL, .* Write dune/acme/result_daily, or"):
        build_dune_export(name, to="exports")
    assert build_dune_export(dg.AssetKey("dune.acme.result_daily"), to="exports").key


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": None}, "to must be a path or a URL, not None"),
        ({"to": "a.csv"}, "a.csv would be Parquet"),
        ({"to": "a.xlsx"}, "a.xlsx would be Parquet"),
        ({"to": "a.parquet", "table": "t"}, "a.parquet would be a DuckDB file"),
        ({"partition_keys": ["a"]}, "no option 'partition_keys' of reading"),
    ],
)
def test_what_can_never_be_exported_is_refused_before_anything_is_looked_up(resource, instance, options, words):
    with pytest.raises(DuneConfigurationError, match=words):
        resource.export(instance, NUMBERS, **{"to": "a.parquet", **options})


def test_a_table_elsewhere_than_on_this_machine_is_refused_at_load():
    with pytest.raises(
        DuneConfigurationError, match=r"A DuckDB file is a local one, not 's3://.*Export to Parquet instead"
    ):
        build_dune_export(NUMBERS, to="s3://bucket/x.duckdb", table="numbers")


@pytest.mark.parametrize("password", ["pa55word", "pa55@word", "pa55:word"])
def test_the_password_of_a_url_is_shown_nowhere(resource, instance, password):
    export = build_dune_export(NUMBERS, to=f"memory://user:{password}@host/folder")
    result = dg.materialize([ASSETS, export], resources={"dune": resource}, instance=instance)
    metadata = result.asset_materializations_for_node(export.op.name)[0].metadata
    assert metadata["dagster/uri"].value == "memory://user:***@host/folder"
    told = [str(export.specs_by_key), *map(str, instance.all_logs(result.run_id))]
    assert any("Exporting" in text for text in told)
    assert not [text for text in told if "pa55" in text]


def test_a_signature_in_a_url_is_shown_nowhere(resource, instance):
    export = build_dune_export(NUMBERS, to="memory://host/folder?sig=pa55/word%3D&se=pa55")
    result = dg.materialize([ASSETS, export], resources={"dune": resource}, instance=instance)
    metadata = result.asset_materializations_for_node(export.op.name)[0].metadata
    assert metadata["dagster/uri"].value == "memory://host/folder?sig=***&se=***"
    told = [str(export.specs_by_key), *map(str, instance.all_logs(result.run_id))]
    assert not [text for text in told if "pa55" in text]


@pytest.mark.parametrize("table", [None, "days"])
def test_assets_that_were_given_a_prefix_are_exported_by_their_present_keys(dune, resource, instance, tmp_path, table):
    to, how = tmp_path / "place", {"resources": {"dune": resource}, "instance": instance}
    whole = build_dune_export(NUMBERS, to=tmp_path)
    by_day = build_dune_export(["dune", "by_day_2"], to=to, table=table, partitions_def=DAYS)
    module = ModuleType("location")
    vars(module).update(numbers=ASSETS, daily=DAILY, whole=whole, by_day=by_day)
    assert dg.materialize([ASSETS], **how).success  # before they had it
    dune.load_query(1, "numbers", "SELECT n, 'b' AS t FROM UNNEST(sequence(1, 7)) AS s(n)")
    prefixed = dg.load_assets_from_modules([module], key_prefix="team")
    chosen = dg.AssetSelection.assets(*([["team", *key.path] for key in (NUMBERS, whole.key)]))
    assert dg.materialize(prefixed, selection=chosen, **how).success
    file = tmp_path / "numbers_1_parquet.parquet"
    assert pq.read_table(file)["t"].to_pylist() == ["b"] * 7
    assert pq.read_schema(file).metadata[b"dagster-dune/asset"] == b"team/dune/numbers_1_parquet"
    days = dg.AssetSelection.assets(["team", *by_day.key.path]).upstream()
    result = dg.materialize(prefixed, selection=days, partition_key="2026-01-02", **how)
    (event,) = result.asset_materializations_for_node(by_day.op.name)
    assert event.metadata["dagster/partition_row_count"].value == 1


@pytest.mark.parametrize("table", [None, "by_day"])
def test_a_longer_partition_with_the_key_of_a_day_does_not_hold_that_day_alone(resource, instance, tmp_path, table):
    days, key = dg.AssetKey(["dune", "by_day_2"]), "2026-01-01"
    place = tmp_path if table is None else tmp_path / "x.duckdb"
    assert dg.materialize([DAILY], partition_key=key, resources={"dune": resource}, instance=instance).success
    monthly = build_dune_export(
        days, to=place, table=table, partitions_def=dg.MonthlyPartitionsDefinition("2026-01-01")
    )
    later = dg.DailyPartitionsDefinition("2025-12-01")
    daily = build_dune_export(days, key="x/daily", to=place, table=table, partitions_def=later)

    def export(asset):
        given = {"resources": {"dune": resource}, "instance": instance, "partition_key": key}
        return dg.materialize([DAILY, asset], selection=[asset], **given)

    with pytest.raises(DuneConfigurationError, match=r"by_day_2.* from 2026-01-01 .* to 2026-01-02.*partition_keys"):
        export(monthly)
    assert list(tmp_path.iterdir()) == []
    assert export(daily).success


def test_partitions_of_one_run_have_their_own_rows(dune, resource, instance, tmp_path):
    rows = "SELECT n FROM UNNEST(sequence(1, day(DATE '{{day}}'))) AS s(n)"
    dune.load_query(2, "by_day", rows, parameters=[{"key": "day", "type": "text", "value": ""}])
    files = build_dune_export(["dune", "by_day_2"], to=tmp_path / "days", partitions_def=DAYS)
    table = build_dune_export(["dune", "by_day_2"], to=tmp_path / "a.duckdb", table="days", partitions_def=DAYS)
    range_ = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-03"}
    result = dg.materialize([DAILY, files, table], resources={"dune": resource}, instance=instance, tags=range_)
    for export in (files, table):
        told = [event.metadata for event in result.asset_materializations_for_node(export.op.name)]
        counts = [(each["dagster/row_count"].value, each["dagster/partition_row_count"].value) for each in told]
        assert counts == [(1, 1), (2, 2), (3, 3)]
        assert [_exported(each) for each in told] == [
            [f"dagster-dune/export/dune/by_day_2/2026-01-0{day}"] for day in (1, 2, 3)
        ]


def _exported(metadata):
    return [key for key in metadata if key.startswith("dagster-dune/export/")]


def test_a_backfill_of_an_export_can_be_one_run(dune, resource, instance, tmp_path):
    own = {"tags": {"team": "a"}, "kinds": ["s3"], "owners": ["team:b"], "metadata": {"mine": 1}}
    policies = {"retry_policy": dg.RetryPolicy(max_retries=2), "backfill_policy": dg.BackfillPolicy.single_run()}
    export = build_dune_export("dune/by_day_2", to=tmp_path, partitions_def=DAYS, **own, **policies)
    (spec,) = export.specs
    assert (spec.owners, spec.kinds, spec.tags["team"]) == (["team:b"], {"dune", "parquet", "s3"}, "a")
    assert spec.metadata["mine"] == 1
    assert (export.op.retry_policy.max_retries, export.backfill_policy) == (2, policies["backfill_policy"])


@pytest.fixture
def of_days(instance):
    """Results of three days, each of several pages, and an export of all of them in one run."""
    with Executions(25, 12, 30) as server:
        for day, execution_id in zip(DAYS.get_partition_keys(), server.ids, strict=True):
            event = dg.AssetMaterialization("days", partition=day, metadata={EXECUTION_ID: execution_id})
            instance.report_runless_asset_event(event)

        def export(folder, **options):
            policy = dg.BackfillPolicy.single_run()
            asset = build_dune_export("days", to=str(folder), partitions_def=DAYS, backfill_policy=policy, **options)
            return dg.materialize(
                [asset],
                resources={"dune": DuneResource(api_key="key", base_url=server.url, max_retries=0)},
                instance=instance,
                tags={START: "2026-01-01", END: "2026-01-03"},
                raise_on_error=False,
            )

        yield server, export


def test_partitions_of_one_run_are_exported_at_once(of_days, tmp_path):
    server, export = of_days
    together = threading.Barrier(3)  # as many, or none of them gets an answer

    def meet(path, options, answer):
        if path.endswith("/csv") and options["offset"] == "0":
            together.wait(PATIENCE)

    server.change = meet
    result = export(tmp_path, page_size=10)
    assert result.success
    for day, execution_id in zip(DAYS.get_partition_keys(), server.ids, strict=True):
        rows = pq.read_table(tmp_path / f"{day}.parquet").column("n").to_pylist()
        assert rows == list(server.numbers(execution_id))
    counts = {
        event.partition: event.metadata["dagster/partition_row_count"].value for event in materializations(result)
    }
    assert counts == {"2026-01-01": 25, "2026-01-02": 12, "2026-01-03": 30}


def materializations(result):
    return [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]


def test_partitions_of_a_table_are_looked_up_together(of_days, instance, tmp_path, monkeypatch):
    _, export = of_days
    looks, look = [], instance.get_records_for_run

    def note(run_id, *positional, of_type=None, **options):
        looks.extend([run_id] if of_type == {dg.DagsterEventType.ASSET_MATERIALIZATION} else [])
        return look(run_id, *positional, of_type=of_type, **options)

    monkeypatch.setattr(instance, "get_records_for_run", note)
    assert export(tmp_path / "x.duckdb", table="days").success
    assert len(looks) == len(set(looks)) > 0
    with duckdb.connect(str(tmp_path / "x.duckdb")) as database:
        found = database.sql("SELECT dagster_partition, count(*) FROM days GROUP BY 1 ORDER BY 1").fetchall()
    assert found == list(zip(DAYS.get_partition_keys(), (25, 12, 30), strict=True))


def test_no_partition_is_written_to_a_table_where_one_was_never_made(of_days, instance, resource, tmp_path):
    server, _ = of_days
    event = dg.AssetMaterialization("others", partition="2026-01-01", metadata={EXECUTION_ID: server.ids[0]})
    instance.report_runless_asset_event(event)
    with pytest.raises(DuneResultError, match=r"2026-01-02.*never been materialized"):
        resource.export_partitions(instance, "others", tmp_path / "x.duckdb", DAYS.get_partition_keys(), table="t")
    assert list(tmp_path.iterdir()) == []


def test_partitions_that_are_exported_at_once_share_what_one_may_read_at_once(of_days, tmp_path):
    server, export = of_days
    at_once, most, lock, together = [0], [0], threading.Lock(), threading.Barrier(3)

    def count(path, options, answer):
        if path.endswith("/csv"):
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            if options["offset"] == "0":
                together.wait(PATIENCE)
                let_work(0.1)
            with lock:
                at_once[0] -= 1

    server.change = count
    assert export(tmp_path, page_size=5, concurrency=4).success
    assert most == [3]


def test_one_partition_that_cannot_be_exported_leaves_whole_files_alone(of_days, tmp_path):
    server, export = of_days
    server.change = lambda path, options, answer: (
        answer.update(body=b"no,columns\n") if server.ids[1] in path and path.endswith("/csv") else None
    )
    result = export(tmp_path, page_size=10)
    (failure,) = result.get_step_failure_events()
    assert "has the columns ['no', 'columns']" in str(failure.event_specific_data.error)
    assert {file.name for file in tmp_path.iterdir()} <= {"2026-01-01.parquet", "2026-01-03.parquet"}
    for file in tmp_path.iterdir():
        assert pq.read_table(file).num_rows in (25, 30)


def test_an_export_of_another_partition_is_told_with_all_that_the_run_makes(resource, instance, tmp_path):
    dg.materialize([DAILY], resources={"dune": resource}, instance=instance, partition_key="2026-01-02")

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def by_hand(context: dg.AssetExecutionContext) -> None:
        resource.export(context, "dune/by_day_2", tmp_path / "day.parquet", partition_key="2026-01-02")

    result = dg.materialize([by_hand], instance=instance, partition_key="a")
    (event,) = result.asset_materializations_for_node("by_hand")
    assert _exported(event.metadata) == ["dagster-dune/export/dune/by_day_2/2026-01-02"]


@pytest.mark.parametrize("table", [None, "days"])
def test_two_exports_into_one_place_do_not_replace_each_other(resource, instance, tmp_path, table):
    to, day = tmp_path / ("days" if table is None else "a.duckdb"), "2026-01-02"
    first, second = (
        build_dune_export("dune/by_day_2", to=to, table=table, key=key, partitions_def=DAYS) for key in ("one", "two")
    )

    def run(*assets):
        how = {"resources": {"dune": resource}, "instance": instance, "raise_on_error": False, "partition_key": day}
        return dg.materialize(assets, **how)

    assert run(DAILY, first).success
    assert run(first).success
    failed = run(second).failure_data_for_node(second.op.name)
    assert "has been exported by the asset one, and two would replace" in str(failed.error.cause)
    (to / f"{day}.parquet" if table is None else to).unlink()
    assert run(second).success


@pytest.mark.parametrize("place", ["memory://whose", "{tmp}/whose"])
def test_two_exports_of_one_name_do_not_replace_each_other(resource, instance, tmp_path, place):
    first, second = (
        build_dune_export(NUMBERS, to=place.format(tmp=tmp_path), key=[prefix, "numbers"]) for prefix in "ab"
    )
    assert dg.materialize([ASSETS, first], resources={"dune": resource}, instance=instance).success
    with pytest.raises(DuneResultError, match=r"numbers\.parquet has been exported by the asset a/numbers"):
        dg.materialize([second], resources={"dune": resource}, instance=instance)


def test_two_exports_into_one_table_do_not_replace_each_other(resource, instance, tmp_path):
    first, second = (build_dune_export(NUMBERS, to=tmp_path / "a.db", table="s.N", key=key) for key in ("one", "two"))
    assert dg.materialize([ASSETS, first], resources={"dune": resource}, instance=instance).success
    with pytest.raises(DuneResultError, match=r"s\.N has been exported by the asset one"):
        dg.materialize([second], resources={"dune": resource}, instance=instance)


def test_a_file_that_names_no_asset_is_replaced(resource, instance, tmp_path):
    (tmp_path / "numbers_1_parquet.parquet").write_text("no Parquet")
    export = build_dune_export(NUMBERS, to=tmp_path)
    assert dg.materialize([ASSETS, export], resources={"dune": resource}, instance=instance).success
    resource.export(instance, NUMBERS, tmp_path / "numbers_1_parquet.parquet")  # by hand
    assert dg.materialize([export], resources={"dune": resource}, instance=instance).success
