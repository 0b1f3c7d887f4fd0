"""What a gate has said of one partition holds for that one, and for what waits for its answer to it."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, DunePlanError, Query, QueryPartitions, build_dune_assets
from dagster_dune._execution.checks.gates import gated_plan
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.pipeline.plan import plan_pipeline

DAILY = {"kind": "daily", "start": "2024-01-01", "end": "2024-02-10"}
DAY = QueryPartitions(**DAILY, parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(
    **DAILY, ranges="parameters", parameters={"from": "{window_start:%Y-%m-%d}", "to": "{window_end:%Y-%m-%d}"}
)
PARAMETER = [{"key": "day", "type": "text", "value": "2020-01-01"}]
SPAN_PARAMETERS = [{"key": key, "type": "text", "value": "2020-01-01"} for key in ("from", "to")]
DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
THREE_DAYS = {
    "dagster/asset_partition_range_start": DAYS[0],
    "dagster/asset_partition_range_end": DAYS[-1],
}
FROM_FAILURE = {"dagster/is_resume_retry": "true"}
ALL_STEPS = {}
AUTOMATIC = {"dagster/retry_number": "1"}
AGAIN = {"dagster/retry_number": "2"}
EACH = dg.AssetKey(["dune", "each_10"])
GATE = DuneCheck(asset="query_10", name="gate", kind="gate", query_id=20)


class World:
    """An account in which query 10 is made for each day, a gate checks it, and others read it."""

    def __init__(self, dune, calls, instance, resource, *, asset=DAY, of_gate=DAY):
        self.dune, self.instance = dune, instance
        self._calls, self._resource, self._seen = calls, resource, 0
        self.catalog = DuneCatalog(
            queries=[
                Query(query_id=10, slug="each", partitions=asset),
                Query(query_id=12, slug="reader", deps=["query_10"], partitions=DAY),
                Query(query_id=13, slug="total", deps=["query_10"]),
                Query(query_id=20, deps=["query_10"], partitions=of_gate),
            ]
        )
        self.definition = build_dune_assets(self.catalog, checks=[GATE])
        self.load(10, "1", parameters=SPAN_PARAMETERS if asset is SPAN else PARAMETER)
        self.load(12, "1")
        self.load(13, "1", parameters=[])

    def load(self, query_id, sql, parameters=PARAMETER):
        """Save a query of one row."""
        columns = [f"{sql} AS n", *(f"'{{{{{one['key']}}}}}' AS of_{one['key']}" for one in parameters)]
        self.dune.load_query(query_id, f"q{query_id}", f"SELECT {', '.join(columns)}", parameters=parameters)

    def fails_of(self, query_id, *days, words="broken"):
        """Save a query of days that fails of some of them."""
        of = " OR ".join(f"CAST('{{{{day}}}}' AS varchar) = '{day}'" for day in days) or "false"
        self.load(query_id, f"CASE WHEN {of} THEN CAST('{words}' AS bigint) END")

    def says_no_of(self, *days):
        self.fails_of(20, *days, words="gate closed: bad")

    def run(self, parent=None, tags=THREE_DAYS, selection=None):
        """Run it for the days, perhaps again after another run."""
        line = {}
        if parent:
            of_parent = self.instance.get_run_by_id(parent.run_id).tags
            kept = {key: value for key, value in of_parent.items() if key not in (*FROM_FAILURE, *AUTOMATIC)}
            root = of_parent.get("dagster/root_run_id", parent.run_id)
            line = {**kept, "dagster/parent_run_id": parent.run_id, "dagster/root_run_id": root}
        return dg.materialize(
            [self.definition],
            resources={"dune": self._resource},
            instance=self.instance,
            raise_on_error=False,
            tags={**line, **tags},
            selection=selection,
        )

    def sent(self):
        """What was sent since it was last asked: the queries with their days."""
        bodies = self._calls()[self._seen :]
        self._seen += len(bodies)
        nodes = [node["query_execution"] for body in bodies for node in body["pipeline"]["nodes"]]
        return sorted((node["query_id"], (node.get("query_parameters") or {}).get("day", "")) for node in nodes)


@pytest.fixture
def world(dune, calls, instance, resource):
    return World(dune, calls, instance, resource)


def of_days(query_id, *days):
    return [(query_id, day) for day in days]


def answers(result):
    """By partition, what the one result of the gate says."""
    (found,) = result.get_asset_check_evaluations()
    return {row.data["partition"]: row.data["passed"] for row in found.metadata["dagster-dune/by_partition"].records}


def told_as_skipped(result):
    observed = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
    return {(one.asset_key.path[-1], one.partition) for one in observed if "Skipped" in one.description}


def materialized(result, name):
    return sorted(
        event.materialization.partition
        for event in result.get_asset_materialization_events()
        if event.asset_key.path[-1] == name
    )


def failure(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data.description


@pytest.mark.parametrize("how", [FROM_FAILURE, ALL_STEPS])
def test_an_automatic_retry_leaves_alone_the_day_of_the_no_and_what_reads_it(world, how):
    world.says_no_of(DAYS[0])
    world.fails_of(12, DAYS[1])
    first = world.run()
    assert told_as_skipped(first) == {("reader_12", DAYS[0]), ("total_13", None)}
    assert "were skipped because of check gate of query_10 (2024-01-01):" in failure(first)
    world.sent()
    world.fails_of(12)
    retry = world.run(first, {**how, **AUTOMATIC})
    others = [one for query_id in (10, 12, 20) for one in of_days(query_id, *DAYS[1:])]
    assert world.sent() == (of_days(12, DAYS[1]) if how else others)
    assert told_as_skipped(retry) == {("reader_12", DAYS[0]), ("total_13", None)}
    assert materialized(retry, "reader_12") == materialized(retry, "each_10") == DAYS[1:]
    assert answers(retry) == {DAYS[0]: False, DAYS[1]: True, DAYS[2]: True}
    assert f"It said no of 2024-01-01 in run {first.run_id}, and an automatic retry does not ask" in failure(retry)


def test_the_no_of_a_retry_counts_beside_that_of_the_attempt_before(world):
    world.says_no_of(DAYS[0])
    first = world.run()
    world.says_no_of(DAYS[1])
    second = world.run(first, {**ALL_STEPS, **AUTOMATIC})
    assert answers(second) == {DAYS[0]: False, DAYS[1]: False, DAYS[2]: True}
    world.sent()
    world.says_no_of()
    third = world.run(second, {**ALL_STEPS, **AGAIN})
    assert world.sent() == [(query_id, DAYS[2]) for query_id in (10, 12, 20)]
    said = f"It said no of 2024-01-01 in run {first.run_id}, of 2024-01-02 in run {second.run_id}, and an automatic"
    assert said in failure(third)
    assert world.run(third, FROM_FAILURE).success
    assert world.sent() == sorted([(13, ""), *((query_id, day) for query_id in (10, 12, 20) for day in DAYS[:2])])


@pytest.mark.parametrize("how", [FROM_FAILURE, ALL_STEPS])
def test_by_hand_the_day_of_the_no_runs_anew_alone_and_what_reads_all_days(world, how):
    world.says_no_of(DAYS[1])
    first = world.run()
    world.run(first, {**FROM_FAILURE, **AUTOMATIC})
    world.sent()
    world.says_no_of()
    by_hand = world.run(first, how)
    assert by_hand.success
    days = DAYS[1:2] if how else DAYS
    assert world.sent() == sorted([(13, ""), *((query_id, day) for query_id in (10, 12, 20) for day in days)])
    assert answers(by_hand) == dict.fromkeys(DAYS, True)


def test_an_old_no_that_a_retry_repeats_is_older_than_a_yes_by_hand(world):
    world.says_no_of(DAYS[1])
    first = world.run()
    world.says_no_of()
    assert world.run(first, FROM_FAILURE).success
    world.run(first, {**FROM_FAILURE, **AUTOMATIC})
    assets, plan = readers(world, *DAYS)
    again = child(world, first)
    assert gated_plan(world.instance, again.run_id, assets, plan, nobody_is_asked, resume=True).plan == plan


@pytest.mark.parametrize("how", [FROM_FAILURE, ALL_STEPS])
def test_a_no_that_was_not_told_leaves_the_days_that_were_not_asked(world, how):
    """The gate has no result, since one of its days was not asked."""
    world.says_no_of(DAYS[0])
    world.fails_of(10, DAYS[1])
    first = world.run()
    assert first.get_asset_check_evaluations() == []
    world.sent()
    world.fails_of(10)
    retry = world.run(first, {**how, **AUTOMATIC})
    days = DAYS[1:2] if how else DAYS[1:]
    assert world.sent() == sorted((query_id, day) for query_id in (10, 12, 20) for day in days)
    assert answers(retry) == {DAYS[0]: False, DAYS[1]: True, DAYS[2]: True}
    assert materialized(retry, "each_10") == DAYS


def test_a_gate_without_partitions_holds_back_all_of_them(dune, calls, instance, resource):
    world = World(dune, calls, instance, resource, of_gate=None)
    world.load(20, "CAST('gate closed: bad' AS bigint)", parameters=[])
    first = world.run()
    world.sent()
    retry = world.run(first, {**ALL_STEPS, **AUTOMATIC})
    assert not retry.success
    assert world.sent() == []
    assert told_as_skipped(retry) == {("total_13", None), *(("reader_12", day) for day in DAYS)}


def test_an_asset_of_all_days_together_runs_anew_for_the_no_of_one(dune, calls, instance, resource):
    """And with it the gate for every day, and what reads it."""
    world = World(dune, calls, instance, resource, asset=SPAN)
    world.says_no_of(DAYS[0])
    first = world.run()
    world.sent()
    retry = world.run(first, {**FROM_FAILURE, **AUTOMATIC})
    assert world.sent() == []
    assert told_as_skipped(retry) == {("reader_12", DAYS[0]), ("total_13", None)}
    world.says_no_of()
    assert world.run(first, FROM_FAILURE).success
    assert world.sent() == sorted([(10, ""), (13, ""), *((query_id, day) for query_id in (12, 20) for day in DAYS)])


def nobody_is_asked(plan, pipeline):
    raise AssertionError((plan, pipeline))


def readers(world, *days, checks=()):
    """What reads the asset of some days, without the gate, or with it and its asset."""
    names = [13, 12, 10] if checks else [12]
    keys = frozenset(key for key in world.definition.keys if int(key.path[-1].rpartition("_")[2]) in names)
    assets = DuneAssetSet.of_definition(world.definition, keys)
    partitions = {f"query_{name}": [Partition((day,)) for day in days] for name in (10, 12)}
    return assets, plan_pipeline(assets.catalog, assets.selection, partitions=partitions, checks=checks)


def child(world, parent, **tags):
    return world.instance.create_run_for_job(
        world_job(world), parent_run_id=parent.run_id, root_run_id=parent.run_id, tags=tags
    )


def world_job(world):
    return dg.Definitions(
        [world.definition],
        jobs=[dg.define_asset_job("all", dg.AssetSelection.assets(world.definition))],
        resources={"dune": world._resource},
    ).resolve_job_def("all")


def test_readers_of_other_days_than_that_of_the_no_are_not_refused_without_their_gate(world):
    world.says_no_of(DAYS[0])
    first = world.run()
    again = child(world, first)
    assets, plan = readers(world, *DAYS[1:])
    assert gated_plan(world.instance, again.run_id, assets, plan, nobody_is_asked, resume=True).plan == plan
    assets, plan = readers(world, *DAYS)
    with pytest.raises(DunePlanError, match=rf"said no in run {first.run_id}.*: query_12 \(2024-01-01\)\. Nothing"):
        gated_plan(world.instance, again.run_id, assets, plan, nobody_is_asked, resume=True)


def told_before(world, metadata):
    """A run that has told a no of the gate with this metadata, as versions before have."""

    @dg.asset(key=EACH, check_specs=[dg.AssetCheckSpec("gate", asset=EACH, blocking=True)])
    def each():
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=False, check_name="gate", metadata=metadata)

    return dg.materialize([each], instance=world.instance, raise_on_error=False)


def table(**passed):
    rows = [{"partition": day, "passed": said, "what": "..."} for day, said in passed.items()]
    columns = [dg.TableColumn("partition"), dg.TableColumn("passed", "bool"), dg.TableColumn("what")]
    records = [dg.TableRecord(row) for row in rows]
    return {"dagster-dune/by_partition": dg.MetadataValue.table(records, dg.TableSchema(columns))}


OLD = [
    (table(**dict(zip(DAYS, [True, False, True], strict=True))), DAYS[1:2]),
    ({}, DAYS),
    (table(**{DAYS[0]: False}), DAYS[:1]),
]


@pytest.mark.parametrize(("metadata", "of"), OLD)
def test_results_of_earlier_versions_are_read(world, metadata, of):
    """One without a table is of all that its run was of."""
    before = told_before(world, metadata)
    assets, plan = readers(world, *DAYS, checks=[GATE])
    retry = child(world, before, **AUTOMATIC)
    ruled = gated_plan(world.instance, retry.run_id, assets, plan, nobody_is_asked, resume=True)
    left = {node.label for node in plan.nodes} - {node.label for node in ruled.plan.nodes}
    names = ("query_10", "query_12", "check gate of query_10")
    assert left == {"query_13", *(f"{name} ({day})" for name in names for day in of)}
    by_hand = child(world, before)
    whole = gated_plan(world.instance, by_hand.run_id, assets, plan, nobody_is_asked, resume=True).plan
    assert {node.label for node in whole.nodes if node.anew_after == before.run_id} == left
