"""Which executions made the partitions of an asset: the latest of each, found together."""

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_dune import DuneResultError
from dagster_dune._execution.data.asset_executions import executions_of
from dagster_dune._execution.data.places import Place
from dagster_dune.metadata import EXECUTION_ID, PARTITION_ROW_COUNT, RANGE_PARTITIONS

KEY = dg.AssetKey(["dune", "days_1"])
ALONE = {PARTITION_ROW_COUNT: 1}


class CountingInstance:
    """An instance that counts what is asked of its event log."""

    def __init__(self, instance):
        self._instance = instance
        self.events_read = []
        self.runs_read = 0

    def fetch_materializations(self, *arguments, **options):
        found = self._instance.fetch_materializations(*arguments, **options)
        self.events_read.append(len(found.records))
        return found

    def get_records_for_run(self, *arguments, **options):
        self.runs_read += 1
        return self._instance.get_records_for_run(*arguments, **options)


def report(instance, partition, execution_id, metadata=ALONE):
    metadata = {EXECUTION_ID: execution_id, **metadata}
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=partition, metadata=metadata))


def days(count):
    return [f"day {number:03}" for number in range(count)]


def test_many_partitions_are_found_in_a_few_queries(stored):
    for nth in range(2):
        for day in days(60):
            report(stored, day, f"{day} {nth}")
    counting = CountingInstance(stored)
    assert executions_of(Place(counting), KEY, partition_keys=days(60)) == [f"{day} 1" for day in days(60)]
    assert (counting.events_read, counting.runs_read) == ([60], 0)


def test_a_partition_that_is_made_all_the_time_hides_no_other(instance):
    for day in days(4):
        report(instance, day, f"{day} 0")
    for nth in range(1, 30):
        report(instance, days(4)[2], f"{days(4)[2]} {nth}")
    counting = CountingInstance(instance)
    wanted = [f"{day} {29 if day == days(4)[2] else 0}" for day in days(4)]
    assert executions_of(Place(counting), KEY, partition_keys=days(4)) == wanted
    assert counting.events_read == [4, 3]


def test_of_one_partition_one_event_is_read(instance):
    for nth in range(5):
        report(instance, "day", f"execution {nth}")
    counting = CountingInstance(instance)
    assert executions_of(Place(counting), KEY, "day") == ["execution 4"]
    assert (counting.events_read, counting.runs_read) == ([1], 0)


@pytest.mark.parametrize("metadata", [{}, ALONE | {RANGE_PARTITIONS: 1}])
def test_one_that_may_have_been_made_with_others_is_looked_for_in_its_run(instance, metadata):
    report(instance, "day", "execution", metadata)
    counting = CountingInstance(instance)
    assert executions_of(Place(counting), KEY, "day") == ["execution"]
    assert counting.runs_read == 1


def test_the_first_partition_without_a_materialization_is_named(instance):
    report(instance, "day 001", "execution")
    with pytest.raises(DuneResultError, match=r"days_1 \(day 000\) has never been materialized"):
        executions_of(Place(instance), KEY, partition_keys=["day 001", "day 000", "day 002"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(days(12)), min_size=1, max_size=60), st.data())
def test_it_is_the_latest_execution_of_each_whatever_came_before(made, data):
    with dg.DagsterInstance.ephemeral() as instance:
        for nth, day in enumerate(made):
            report(instance, day, f"execution {nth}")
        wanted = data.draw(st.lists(st.sampled_from(sorted(set(made))), min_size=1, unique=True))
        latest = {day: f"execution {nth}" for nth, day in enumerate(made)}
        assert executions_of(Place(instance), KEY, partition_keys=wanted) == [latest[day] for day in wanted]
