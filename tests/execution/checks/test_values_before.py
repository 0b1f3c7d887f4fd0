"""What `change_at_most` compares a partition with: its own value before, or, of spans of time, the one before it."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, Query, QueryPartitions, build_dune_assets

DAILY = {"kind": "daily", "start": "2024-01-01", "end": "2024-02-10"}
DAY = QueryPartitions(**DAILY, parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(**DAILY, ranges="parameters", parameters={"day": "{window_start:%Y-%m-%d}"})
CHAINS = QueryPartitions(kind="static", keys=("base", "bnb"), parameters={"day": "{partition_key}"})
PARAMETER = [{"key": "day", "type": "text", "value": "x"}]
CHECK = DuneCheck(asset="query_10", name="steady", kind="value", query_id=20, change_at_most="20%")


@pytest.fixture
def check(dune, resource, instance):
    """Run for some partitions, with a value for each, and return what each was told, and its words."""

    def go(values, *, partitions=DAY, of_check=None, keys=(), tags=None):
        definition = build_dune_assets(
            DuneCatalog(
                queries=[
                    Query(query_id=10, partitions=partitions),
                    Query(query_id=20, deps=["query_10"], partitions=of_check or partitions),
                ]
            ),
            checks=[CHECK],
        )
        dune.load_query(10, "each", "SELECT '{{day}}' AS day", parameters=PARAMETER)
        cases = " ".join(f"WHEN '{{{{day}}}}' = '{key}' THEN {value}" for key, value in values.items())
        dune.load_query(20, "value", f"SELECT CASE {cases} END AS n", parameters=PARAMETER)
        keys = keys or list(values)
        ends = {"start": keys[0], "end": keys[-1]}
        of_range = {f"dagster/asset_partition_range_{end}": key for end, key in ends.items()}
        result = dg.materialize(
            [definition],
            resources={"dune": resource},
            instance=instance,
            raise_on_error=False,
            tags={**of_range, **(tags or {})},
        )
        (found,) = result.get_asset_check_evaluations()
        table = found.metadata.get("dagster-dune/by_partition")
        if table is None:
            return result, {keys[0]: (found.passed, found.description)}
        return result, {row.data["partition"]: (row.data["passed"], row.data["what"]) for row in table.records}

    return go


def day(number):
    return f"2024-01-{number:02}"


def test_a_new_day_is_compared_with_the_one_before_it(check):
    _, first = check({day(1): 100, day(2): 110})
    assert first == {
        day(1): (True, f"The value is 100, the first that is known for {day(1)}."),
        day(2): (True, "The value is 110."),
    }
    _, second = check({day(3): 1000, day(4): 1100})
    assert second == {
        day(3): (False, f"The value is 1000: it was 110 for {day(2)}, and may change by 20%."),
        day(4): (True, "The value is 1100."),
    }


def test_a_day_that_is_made_again_is_compared_with_itself(check):
    check({day(1): 100, day(2): 5})
    check({day(3): 5})
    assert check({day(1): 110})[1] == {day(1): (True, "The value is 110.")}
    _, again = check({day(1): 300, day(2): 6})
    assert again == {
        day(1): (False, "The value is 300: it was 110 before, and may change by 20%."),
        day(2): (True, "The value is 6."),
    }


def test_a_day_before_all_others_is_compared_with_none(check):
    check({day(10): 100})
    assert check({day(2): 5})[1] == {day(2): (True, f"The value is 5, the first that is known for {day(2)}.")}


def test_partitions_that_are_no_spans_of_time_are_compared_with_themselves_alone(check):
    check({"base": 100, "bnb": 5}, partitions=CHAINS)
    _, again = check({"base": 100, "bnb": 100}, partitions=CHAINS)
    assert again == {
        "base": (True, "The value is 100."),
        "bnb": (False, "The value is 100: it was 5 before, and may change by 20%."),
    }


def test_days_together_are_compared_with_the_same_days_together(check):
    check({day(1): 5})
    together = {"partitions": DAY, "of_check": SPAN}
    _, first = check({day(1): 100}, **together, keys=[day(1), day(3)])
    assert first == {day(1): (True, f"The value is 100, the first that is known for {day(1)}...{day(3)}.")}
    _, again = check({day(1): 300}, **together, keys=[day(1), day(3)])
    assert again == {day(1): (False, "The value is 300: it was 100 before, and may change by 20%.")}


def test_what_is_told_again_of_several_days_is_compared_as_it_was(check, dune):
    """Not with itself, which would let every retry pass."""
    check({day(1): 100, day(2): 100})
    values = {day(1): 500, day(2): 100, day(3): 500}
    first, told = check(values)
    assert [passed for passed, _ in told.values()] == [False, True, False]
    executed = len(dune.executions())
    line = {"dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id}
    assert check(values, tags={**line, "dagster/is_resume_retry": "true"})[1] == told
    assert len(dune.executions()) == executed


def test_results_of_earlier_versions_do_not_say_which_partition_they_are_of(check, instance):
    key = dg.AssetKey(["dune", "query_10"])

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec("steady", asset=key)])
    def before():
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=True, check_name="steady", metadata={"dagster-dune/value": 5.0})

    dg.materialize([before], instance=instance)
    assert check({day(1): 100})[1][day(1)][0]
