"""Results of Dune assets as typed arguments: beside other IO managers, with partitions, across processes."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from waiting import PATIENCE

from dagster_dune import (
    DuneCatalog,
    DuneConfigurationError,
    DuneIOManager,
    Query,
    QueryPartitions,
    build_dune_assets,
)
from dagster_dune.metadata import EXPORTS
from dagster_dune.paging.options import ReadOptions

CATALOG = DuneCatalog(
    queries=[
        Query(query_id=1, slug="numbers"),
        Query(
            query_id=2,
            slug="by_day",
            partitions=QueryPartitions(kind="daily", start="2026-01-01", parameters={"day": "{partition_key}"}),
        ),
    ]
)
NUMBERS = dg.AssetKey(["dune", "numbers_1"])
BY_DAY = dg.AssetKey(["dune", "by_day_2"])


@pytest.fixture
def queries(dune):
    dune.load_query(1, "numbers", "SELECT n, 'a' AS t FROM UNNEST(sequence(1, 5)) AS s(n)")
    dune.load_query(2, "by_day", "SELECT '{{day}}' AS day", parameters=[{"key": "day", "type": "text", "value": ""}])


@pytest.fixture
def resources(queries, resource):
    return {"dune": resource, "dune_io": DuneIOManager(dune=resource)}


ASSETS = build_dune_assets(CATALOG, io_manager_key="dune_io", select="numbers_1")
DAILY = build_dune_assets(CATALOG, name="daily", io_manager_key="dune_io", select="by_day_2")


@dg.asset(ins={"numbers": dg.AssetIn(NUMBERS)})
def in_polars(numbers: pl.DataFrame) -> int:
    return numbers["n"].sum()


@dg.asset(ins={"numbers": dg.AssetIn(NUMBERS, metadata={"columns": ["n"], "filters": "n > 3"})})
def in_arrow(in_polars: int, numbers: pa.Table) -> list:
    return [in_polars, numbers.to_pylist()]


@dg.asset(ins={"numbers": dg.AssetIn(NUMBERS)})
def in_nothing_known(numbers: dict) -> None:
    raise AssertionError


def test_arguments_are_the_frames_of_their_annotations(resources, instance):
    result = dg.materialize([ASSETS, in_polars, in_arrow], resources=resources, instance=instance)
    assert result.output_for_node("in_polars") == 15
    assert result.output_for_node("in_arrow") == [15, [{"n": 4}, {"n": 5}]]
    (loaded,) = [event for event in result.all_events if event.is_loaded_input and "polars" in event.step_key]
    (export,) = loaded.event_specific_data.metadata.values()
    assert (export.value["rows"], export.value["bytes"] > 0) == (5, True)


def test_the_latest_materialization_is_read_in_a_later_run(resources, instance):
    assert dg.materialize([ASSETS], resources=resources, instance=instance).success
    result = dg.materialize([ASSETS, in_polars], selection="in_polars", resources=resources, instance=instance)
    assert result.output_for_node("in_polars") == 15


def reading(frame, **metadata):
    """An asset that counts the numbers in one kind of frame."""

    def reader(numbers):
        return len(numbers.read_all() if isinstance(numbers, pa.RecordBatchReader) else numbers)

    reader.__annotations__ = {"numbers": frame, "return": int}
    return dg.asset(ins={"numbers": dg.AssetIn(NUMBERS, metadata=metadata)})(reader)


@pytest.fixture
def load(resources, instance):
    """A function that materializes an asset which reads: what that gave, and what the event of its input says."""
    assert dg.materialize([ASSETS], resources=resources, instance=instance).success

    def run(reader):
        result = dg.materialize([ASSETS, reader], selection=[reader], resources=resources, instance=instance)
        (loaded,) = [event for event in result.all_events if event.is_loaded_input]
        export = loaded.event_specific_data.metadata[f"{EXPORTS}/dune/numbers_1"]
        return result.output_for_node("reader"), export.value

    return run


@pytest.mark.parametrize("frame", [pl.DataFrame, pa.Table, pd.DataFrame, pa.RecordBatchReader])
def test_each_kind_of_frame_tells_what_it_reads_with_its_input(load, frame):
    rows, export = load(reading(frame))
    told = export["expected_rows" if frame is pa.RecordBatchReader else "rows"]
    size = export["result_bytes" if frame is pa.RecordBatchReader else "bytes"]
    assert (rows, told, len(export["execution_ids"]), size > 0) == (5, 5, 1, True)
    assert len(export) == 3


def test_a_stream_tells_no_rows_that_nobody_knows_before(load):
    rows, export = load(reading(pa.RecordBatchReader, filters="n > 3"))
    assert (rows, sorted(export)) == (2, ["execution_ids", "result_bytes"])


def test_every_option_of_reading_may_stand_in_the_metadata(load, dune):
    options = {
        "columns": dg.MetadataValue.json(["n"]), "filters": "n > 1", "sort_by": "n", "limit": 3, "uint256": "text",
        "timestamps": "cut", "exact": False, "max_bytes": 10**6, "allow_partial_results": True, "page_size": 2,
        "concurrency": 1, "wire": "json", "ignore_max_credits_per_request": True,
    }  # fmt: skip
    assert {*options, "sample"} == set(ReadOptions.__dataclass_fields__)
    before = len(dune.journal())
    assert load(reading(pl.DataFrame, **options))[0] == 3
    paths = [entry["path"].rpartition("/")[2] for entry in dune.journal()[before:]]
    assert paths == ["status", "results", "results"]
    assert load(reading(pl.DataFrame, sample=2))[0] == 2


@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("filter", "filters"), ("column", "columns"), ("Columns", "columns"), ("limits", "limit"), ("sort", "sort_by"),
        ("max-bytes", "max_bytes"), ("maxBytes", "max_bytes"), ("int256", "uint256"), ("timestamp", "timestamps"),
        ("allow_partial", "allow_partial_results"), ("ignore_max_credits", "ignore_max_credits_per_request"),
        ("pagesize", "page_size"),
    ],
)  # fmt: skip
def test_a_key_that_is_nearly_an_option_is_refused_before_any_request(load, dune, key, option):
    before = len(dune.journal())
    with pytest.raises(DuneConfigurationError, match=f"input 'numbers' has the key '{key}'.*Did you mean '{option}"):
        load(reading(pl.DataFrame, **{key: "n > 3"}))
    assert len(dune.journal()) == before


@pytest.mark.parametrize(("key", "value"), [("wire", "nonsense"), ("limit", "3"), ("columns", "n"), ("page_size", 0)])
def test_a_value_that_an_option_cannot_have_is_refused_before_any_request(load, dune, key, value):
    before = len(dune.journal())
    with pytest.raises(DuneConfigurationError, match=key):
        load(reading(pl.DataFrame, **{key: value}))
    assert len(dune.journal()) == before


@pytest.mark.parametrize(
    "key", ["dagster/filter", "my_tool/filter", "owner", "partition_expr", "schema", "page", "max", "example", "path"]
)
def test_keys_of_others_are_left_alone(load, key):
    assert load(reading(pl.DataFrame, **{key: "n > 3"}))[0] == 5


def test_an_annotation_that_is_no_frame_is_refused_with_those_that_are(resources, instance, dune):
    assert dg.materialize([ASSETS], resources=resources, instance=instance).success
    before = len(dune.journal())
    result = dg.materialize(
        [ASSETS, in_nothing_known],
        selection="in_nothing_known",
        resources=resources,
        instance=instance,
        raise_on_error=False,
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "polars.DataFrame" in str(failure.step_failure_data.error)
    assert len(dune.journal()) == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"uint256": "hex"}, "uint256='hex' is none of"),
        ({"timestamps": "round"}, "timestamps='round' is none of"),
        ({"max_bytes": -1}, "max_bytes must not be negative"),
    ],
)
def test_settings_that_can_never_be_are_refused_at_load(resource, settings, words):
    with pytest.raises(DuneConfigurationError, match=words):
        DuneIOManager(dune=resource, **settings)


def test_settings_of_the_environment_are_checked_when_they_are_taken(queries, resource, instance, monkeypatch):
    given = DuneIOManager(dune=resource, uint256=dg.EnvVar("HELD_AS"), max_bytes=dg.EnvVar.int("MOST"))
    monkeypatch.setenv("MOST", "1000000")
    for word, is_success in [("decimal", True), ("hex", False)]:
        monkeypatch.setenv("HELD_AS", word)
        resources = {"dune": resource, "dune_io": given}
        result = dg.materialize([ASSETS, in_polars], resources=resources, instance=instance, raise_on_error=False)
        assert result.success is is_success


def test_an_asset_that_returns_a_value_is_refused(resources, instance):
    @dg.asset(io_manager_key="dune_io")
    def stored() -> int:
        return 1

    result = dg.materialize([stored], resources=resources, instance=instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "cannot store the int that stored returns" in str(failure.step_failure_data.error)


def test_partitions_are_read_one_by_one_and_as_a_range(resources, instance):
    @dg.asset(ins={"days": dg.AssetIn(BY_DAY)}, partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
    def one_day(days: pl.DataFrame) -> list:
        return days["day"].to_list()

    @dg.asset(ins={"days": dg.AssetIn(BY_DAY, partition_mapping=dg.SpecificPartitionsPartitionMapping(
        ["2026-01-02", "2026-01-03"]))})  # fmt: skip
    def two_days(days: pl.DataFrame) -> list:
        return days["day"].to_list()

    for day in ("2026-01-02", "2026-01-03"):
        result = dg.materialize([DAILY, one_day], resources=resources, instance=instance, partition_key=day)
        assert result.output_for_node("one_day") == [day]
    result = dg.materialize([DAILY, two_days], selection="two_days", resources=resources, instance=instance)
    assert result.output_for_node("two_days") == ["2026-01-02", "2026-01-03"]
    (loaded,) = [event for event in result.all_events if event.is_loaded_input]
    (export,) = loaded.event_specific_data.metadata.values()
    assert (export.value["rows"], len(export.value["execution_ids"]), export.value["bytes"] > 0) == (2, 2, True)


def of_three_days(**metadata):
    """An asset that reads the first three days, whichever of them are there."""
    mapping = dg.SpecificPartitionsPartitionMapping(["2026-01-01", "2026-01-02", "2026-01-03"])

    @dg.asset(ins={"days": dg.AssetIn(BY_DAY, partition_mapping=mapping, metadata=metadata)})
    def some_days(days: pl.DataFrame) -> list:
        return days["day"].to_list()

    return some_days


@pytest.fixture
def read_days(resources, instance):
    """A function that makes some days, and reads what the first three days hold."""

    def read(made, **metadata):
        for day in made:
            assert dg.materialize([DAILY], resources=resources, instance=instance, partition_key=day).success
        reader = of_three_days(**metadata)
        return dg.materialize(
            [DAILY, reader], selection=[reader], resources=resources, instance=instance, raise_on_error=False
        )

    return read


def told(result):
    (event,) = result.get_step_failure_events()
    return str(event.step_failure_data.error)


@pytest.mark.parametrize("allow", [True, dg.MetadataValue.bool(True)])
def test_partitions_that_were_never_materialized_are_left_out_where_the_input_says_so(read_days, capfd, allow):
    result = read_days(["2026-01-03", "2026-01-01"], allow_missing_partitions=allow)
    assert result.output_for_node("some_days") == ["2026-01-01", "2026-01-03"]
    warnings = [line for line in capfd.readouterr().err.splitlines() if "never materialized" in line]
    assert len(warnings) == 1
    assert warnings[0].endswith(
        "dune/by_day_2 is read without partitions that were never materialized, as "
        "allow_missing_partitions of the input says: 2026-01-02."
    )


@pytest.mark.parametrize("metadata", [{}, {"allow_missing_partitions": False}])
def test_a_partition_that_was_never_materialized_is_an_error_that_tells_of_the_setting(read_days, dune, metadata):
    result = read_days(["2026-01-01", "2026-01-03"], **metadata)
    assert "dune/by_day_2 (2026-01-02) has never been materialized" in told(result)
    assert 'Materialize it first; metadata={"allow_missing_partitions": True} of the input leaves' in told(result)
    assert not [entry for entry in dune.journal() if "/results" in entry["path"] and "csv" in entry["path"]]


def test_partitions_of_which_none_was_materialized_are_an_error(read_days):
    result = read_days(["2026-01-05"], allow_missing_partitions=True)
    assert "no partition that is asked for has ever been materialized (2026-01-01, 2026-01-02, 2026-01-03)" in told(
        result
    )
    assert "leaves out some of several" in told(result)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"allow_missing_partitions": "yes"}, "allow_missing_partitions in the metadata of an input must be a bool"),
        ({"allow_missing_partition": True}, "Did you mean 'allow_missing_partitions'?"),
    ],
)
def test_a_setting_of_missing_partitions_that_cannot_be_is_refused(read_days, metadata, words):
    assert words in told(read_days(["2026-01-01"], **metadata))


@pytest.mark.parametrize("frame", [pl.DataFrame, pa.RecordBatchReader])
def test_definitions_load_values_outside_of_runs(resources, instance, frame):
    defs = dg.Definitions(assets=[ASSETS, DAILY], resources=resources)
    dg.materialize([ASSETS], resources=resources, instance=instance)
    dg.materialize([DAILY], resources=resources, instance=instance, partition_key="2026-01-02")
    numbers = defs.load_asset_value(NUMBERS, python_type=frame, instance=instance, metadata={"filters": "n > 3"})
    days = defs.load_asset_value(BY_DAY, python_type=frame, instance=instance, partition_key="2026-01-02")
    assert [pl.DataFrame(each).to_dict(as_series=False) for each in (numbers, days)] == [
        {"n": [4, 5], "t": ["a", "a"]},
        {"day": ["2026-01-02"]},
    ]
    with pytest.raises(DuneConfigurationError, match="input 'dune/numbers_1' has the key 'filter'"):
        defs.load_asset_value(NUMBERS, python_type=frame, instance=instance, metadata={"filter": "n > 3"})


def test_an_input_of_an_op_that_is_of_no_asset_is_refused(resources, instance, dune):
    @dg.op(ins={"numbers": dg.In(input_manager_key="dune_io")})
    def count(numbers: pl.DataFrame) -> int:
        return len(numbers)

    @dg.job(resource_defs=resources)
    def counting():
        count()

    before = len(dune.journal())
    with pytest.raises(DuneConfigurationError, match=r"The input 'numbers' is of no asset.*get_result"):
        counting.execute_in_process(instance=instance)
    assert len(dune.journal()) == before


@pytest.mark.processes
def test_results_are_read_across_processes(queries, dune, monkeypatch, tmp_path):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    location = Path(__file__).parent / "support" / "locations" / "reading_location.py"
    command = [sys.executable, "-m", "dagster", "job", "execute", "-f", str(location), "-j", "everything"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("in_polars"))
        assert event.asset_materialization.metadata["total"].value == 15
