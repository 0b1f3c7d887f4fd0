"""What `factor_at_most` compares with: executions before the run, of as many partitions, each once."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, Query, QueryPartitions, build_dune_assets

DAILY = {"kind": "daily", "start": "2024-01-01", "end": "2024-02-20"}
DAY = QueryPartitions(**DAILY, parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(**DAILY, ranges="parameters", parameters={"day": "{window_start:%Y-%m-%d}"})
CHAINS = QueryPartitions(kind="static", keys=("base", "bnb"), parameters={"day": "{partition_key}"})
PARAMETER = [{"key": "day", "type": "text", "value": "x"}]
KEY = dg.AssetKey(["dune", "query_10"])


@pytest.fixture
def check(dune, resource, instance):
    """Make some partitions of so many rows, or what has none; return the run, and what was said of each."""

    def go(count, *keys, partitions=DAY, last=5, parent=None):
        steady = DuneCheck(asset="query_10", name="steady", kind="row_count", factor_at_most=2, last=last)
        catalog = DuneCatalog(queries=[Query(query_id=10, partitions=partitions if keys else None)])
        of_day = "CAST('{{day}}' AS varchar) AS day, " if keys else ""
        sql = f"SELECT {of_day}d FROM UNNEST(sequence(1, {count})) AS t (d)"
        dune.load_query(10, "each", sql, parameters=PARAMETER if keys else [])
        tags = {f"dagster/asset_partition_range_{end}": keys[at] for end, at in (("start", 0), ("end", -1)) if keys}
        if parent:
            tags |= {"dagster/parent_run_id": parent.run_id, "dagster/root_run_id": parent.run_id}
            tags |= {"dagster/is_resume_retry": "true"}
        result = dg.materialize(
            [build_dune_assets(catalog, checks=[steady])], resources={"dune": resource}, instance=instance, tags=tags
        )
        (found,) = result.get_asset_check_evaluations()
        table = found.metadata.get("dagster-dune/by_partition")
        rows = [row.data["what"] for row in table.records] if table else [found.description]
        return result, found.passed, rows

    return go


def day(number):
    return f"2024-01-{number:02}"


def mean(count, mean, of):
    return f"The row count is {count}: the mean of the last {of} is {mean}, and it may differ by a factor of 2."


def test_days_are_compared_with_those_of_runs_before_and_not_with_each_other(check):
    assert check(10, day(1), day(2), day(3))[1]
    _, passed, rows = check(30, day(4), day(5))
    assert not passed
    assert rows == [mean(30, 10, 3)] * 2
    assert check(30, day(6))[2] == ["The row count is 30."]  # the mean of all five is 18


def test_a_range_is_compared_with_ranges_of_as_many_days_alone(check):
    _, passed, rows = check(70, day(1), day(7), partitions=SPAN)
    assert passed
    assert rows == ["The row count of 7 partitions together is 70."]
    assert check(10, day(8), partitions=SPAN)[1:] == (True, ["The row count is 10."])
    assert check(20, day(9), day(10), partitions=SPAN)[1]
    _, passed, rows = check(200, day(11), day(17), partitions=SPAN)
    assert not passed
    assert rows == [mean(200, 70, 1).replace("row count", "row count of 7 partitions together")]
    assert check(30, day(18), partitions=SPAN)[2] == [mean(30, 10, 1)]


def test_partitions_that_are_no_spans_of_time_are_compared_with_themselves(check):
    check(10, "base", partitions=CHAINS)
    assert check(100, "bnb", partitions=CHAINS)[2] == ["The row count is 100."]
    assert check(30, "base", "bnb", partitions=CHAINS)[2] == [mean(30, 10, 1), mean(30, 100, 1)]


@pytest.mark.parametrize("keys", [(), (day(1),)])
def test_an_execution_that_several_runs_have_told_counts_once(check, keys):
    first, *_ = check(10, *keys)
    for _ in range(2):
        assert check(99, *keys, parent=first)[1:] == (True, ["The row count is 10."])
    assert check(19, *keys)[1]
    assert check(28, *keys)[1]  # of 10 and 19 the mean is 14.5; of 10, 10 and 19 it would be 13
    assert check(39, *keys, last=3)[2] == [mean(39, 19, 3)]


def test_ranges_of_earlier_versions_do_not_say_how_many_days_they_are_of(check, instance):
    for number in (1, 2, 3):
        metadata = {"dagster-dune/range_row_count": 300, "dagster-dune/execution_id": "old"}
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=day(number), metadata=metadata))
    assert check(10, day(4))[1]
    assert check(10, day(5), day(7), partitions=SPAN)[1]


TEXTS = {"dagster-dune/execution_id": "by_hand", "dagster/row_count": "many"}
RANGES = {"dagster-dune/execution_id": "by_hand", "dagster-dune/range_row_count": 9}


@pytest.mark.parametrize(
    "metadata", [TEXTS, *({**RANGES, "dagster-dune/range_partitions": n} for n in ("x", 0.5, [1]))]
)
def test_what_somebody_has_reported_with_no_number_is_compared_with_nothing(check, instance, metadata):
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata=metadata))
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=day(1), metadata=metadata))
    assert check(10)[2] == ["The row count is 10."]
    assert check(10, day(2))[2] == ["The row count is 10."]
