"""Results of Dune assets as typed arguments: beside other IO managers, with partitions, across processes."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest
from waiting import PATIENCE

from dagster_dune import DuneCatalog, DuneIOManager, Query, QueryPartitions, build_dune_assets

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
