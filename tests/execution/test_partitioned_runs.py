"""Runs of partitioned queries, in this process, against the local Dune."""

import dagster as dg
import pytest

from dagster_dune import (
    DagsterDuneTranslator,
    DuneCatalog,
    DuneCatalogError,
    DuneResultError,
    DuneRunConfig,
    MaterializedView,
    Query,
    QueryPartitions,
    build_dune_assets,
    build_dune_refresh_sensor,
)

BASE = "dune.acme.result_base"
DAY = QueryPartitions(kind="daily", start="2024-01-01", end="2024-02-10", parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(
    kind="daily",
    start="2024-01-01",
    end="2024-02-10",
    ranges="parameters",
    parameters={"from": "{window_start:%Y-%m-%d}", "to": "{window_end:%Y-%m-%d}"},
)
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=BASE, query_id=1)],
    queries=[
        Query(query_id=10, slug="each", deps=[BASE], partitions=DAY),
        Query(query_id=11, slug="span", deps=[BASE], partitions=SPAN),
    ],
)
EACH, RANGE = "dune/each_10", "dune/span_11"
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
FIVE_DAYS = {START: "2024-01-01", END: "2024-01-05"}
DAYS = [f"2024-01-0{number}" for number in range(1, 6)]


@pytest.fixture
def account(dune):
    dune.load_query(1, "base", "SELECT day, n FROM (VALUES ('2024-01-01', 1), ('2024-01-02', 2)) AS t (day, n)")
    dune.load_materialized_view(BASE, 1)
    dune.load_query(
        10,
        "each",
        f"SELECT '{{{{day}}}}' AS day, n FROM {BASE} WHERE n <= day_of_month(DATE '{{{{day}}}}')",
        parameters=[{"key": "day", "type": "text", "value": "2020-01-01"}],
    )
    dune.load_query(
        11,
        "span",
        f"SELECT day FROM {BASE} WHERE day >= '{{{{from}}}}' AND day < '{{{{to}}}}'",
        parameters=[
            {"key": "from", "type": "text", "value": "2020-01-01"},
            {"key": "to", "type": "text", "value": "2020-01-02"},
        ],
    )
    return dune


@pytest.fixture
def break_on(account):
    """Let the query fail on some days."""

    def break_(*days):
        broken = ", ".join(f"'{day}'" for day in days)
        sql = f"SELECT IF('{{{{day}}}}' IN ({broken}), CAST('x' AS BIGINT), 1) AS n FROM {BASE}"
        account.load_query(10, "each", sql, parameters=[{"key": "day", "type": "text", "value": "2020-01-01"}])

    return break_


def run(resource, instance, *selection, assets=None, **options):
    return dg.materialize(
        [assets or build_dune_assets(CATALOG)],
        resources={"dune": resource},
        instance=instance,
        selection=[dg.AssetKey(key.split("/")) for key in selection] or None,
        raise_on_error=False,
        **options,
    )


def events(result):
    """What was materialized, as asset and partition, with one metadata value of each."""
    return [
        (event.asset_key.to_user_string(), event.materialization.partition, event.materialization.metadata)
        for event in result.get_asset_materialization_events()
    ]


def asked(body):
    """The query parameters of each node, and the number of matviews."""
    nodes = body["pipeline"]["nodes"]
    return [node["query_execution"]["query_parameters"] for node in nodes if "query_execution" in node]


def failure(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data


def test_one_partition_is_one_call(account, resource, instance, calls):
    result = run(resource, instance, partition_key="2024-01-02")
    assert result.success
    (body,) = calls()
    assert asked(body) == [{"day": "2024-01-02"}, {"from": "2024-01-02", "to": "2024-01-03"}]
    assert [node["dependencies"] for node in body["pipeline"]["nodes"]] == [[], [1], [1]]
    told = {(asset, partition): metadata for asset, partition, metadata in events(result)}
    assert told.keys() == {("dune/acme/result_base", None), (EACH, "2024-01-02"), (RANGE, "2024-01-02")}
    each = told[EACH, "2024-01-02"]
    assert each["dagster/partition_row_count"].value == 2
    assert each["dagster/row_count"].value == 2  # what the page of an asset shows
    assert each["dagster-dune/query_parameters"].value == {"day": "2024-01-02"}
    assert told["dune/acme/result_base", None]["dagster/row_count"].value == 2


def test_a_range_is_one_call_with_a_node_a_partition(account, resource, instance, calls, dune):
    result = run(resource, instance, "dune/acme/result_base", EACH, tags=FIVE_DAYS)
    assert result.success
    (body,) = calls()
    assert asked(body) == [{"day": day} for day in DAYS]
    assert [execution["query_id"] for execution in dune.executions()].count(10) == 5
    told = events(result)
    assert sorted((asset, partition) for asset, partition, _ in told if partition) == [(EACH, day) for day in DAYS]
    rows = {partition: metadata["dagster/partition_row_count"].value for _, partition, metadata in told if partition}
    assert rows == {"2024-01-01": 1, "2024-01-02": 2, "2024-01-03": 2, "2024-01-04": 2, "2024-01-05": 2}
    ids = {metadata["dagster-dune/execution_id"].value for _, _, metadata in told}
    assert len(ids) == 6


def test_a_range_as_parameters_is_one_node(account, resource, instance, calls):
    run(resource, instance, "dune/acme/result_base")
    result = run(resource, instance, RANGE, tags=FIVE_DAYS)
    assert result.success
    _, body = calls()
    assert asked(body) == [{"from": "2024-01-01", "to": "2024-01-06"}]
    told = events(result)
    assert [(asset, partition) for asset, partition, _ in told] == [(RANGE, day) for day in DAYS]
    assert {metadata["dagster-dune/range_row_count"].value for _, _, metadata in told} == {2}
    assert not any({"dagster/partition_row_count", "dagster/row_count"} & metadata.keys() for _, _, metadata in told)


def test_a_failed_partition_leaves_the_others_materialized(account, break_on, resource, instance, calls):
    break_on("2024-01-02", "2024-01-04")
    run(resource, instance, "dune/acme/result_base")
    result = run(resource, instance, EACH, tags=FIVE_DAYS)
    assert not result.success
    assert [(asset, partition) for asset, partition, _ in events(result)] == [
        (EACH, "2024-01-01"),
        (EACH, "2024-01-03"),
        (EACH, "2024-01-05"),
    ]
    key = dg.AssetKey(EACH.split("/"))
    assert instance.get_materialized_partitions(key) == {"2024-01-01", "2024-01-03", "2024-01-05"}
    observed = [event.event_specific_data.asset_observation for event in result.get_asset_observation_events()]
    assert {observation.partition for observation in observed} == {"2024-01-02", "2024-01-04"}
    assert "2 of 5 assets and partitions failed on Dune" in failure(result).description
    assert failure(result).metadata.keys() == {f"{EACH} (2024-01-02)", f"{EACH} (2024-01-04)"}
    assert len(calls()) == 2


def test_a_failed_range_materializes_nothing(account, resource, instance):
    account.inject("failing_node", node=11, message="out of luck")
    result = run(resource, instance, RANGE, tags=FIVE_DAYS)
    assert not result.success
    assert events(result) == []
    assert instance.get_materialized_partitions(dg.AssetKey(RANGE.split("/"))) == set()
    assert "1 of 1 asset failed on Dune" in failure(result).description
    assert len(result.get_asset_observation_events()) == 5


def test_a_failed_matview_skips_every_partition(account, resource, instance):
    account.load_query(1, "base", "SELECT CAST('x' AS BIGINT) AS n")
    result = run(resource, instance, "dune/acme/result_base", EACH, tags=FIVE_DAYS)
    assert "1 of 6 assets and partitions failed on Dune and 5 were skipped" in failure(result).description
    assert events(result) == []


def test_a_retry_sends_the_failed_partition_alone(account, resource_with, instance, calls, dune):
    run(resource_with(), instance, "dune/acme/result_base")
    dune.inject("failing_node", node=10, message="out of luck")
    assets = build_dune_assets(CATALOG, retry_policy=dg.RetryPolicy(max_retries=1))
    result = run(resource_with(retry_failed_nodes=True), instance, EACH, assets=assets, tags=FIVE_DAYS)
    assert result.success
    _, first, second = calls()
    assert asked(first) == [{"day": day} for day in DAYS]
    assert len(asked(second)) == 1
    assert [execution["query_id"] for execution in dune.executions()].count(10) == 6
    key = dg.AssetKey(EACH.split("/"))
    assert instance.get_materialized_partitions(key) == set(DAYS)


@pytest.mark.parametrize(("days", "broken"), [(2, [1]), (2, [2]), (4, [1, 2, 4]), (4, [3])])
def test_days_that_fail_again_and_again_cost_the_others_nothing(
    account, break_on, resource_with, instance, calls, dune, days, broken
):
    """From the third attempt on, the first pipeline is followed for the days alone that no later one holds."""
    run(resource_with(), instance, "dune/acme/result_base")
    break_on(*(DAYS[day - 1] for day in broken))
    assets = build_dune_assets(CATALOG, retry_policy=dg.RetryPolicy(max_retries=3))
    span = {START: DAYS[0], END: DAYS[days - 1]}
    run(resource_with(retry_failed_nodes=True), instance, EACH, assets=assets, tags=span)
    of_days = [one for one in dune.executions() if one["query_id"] == 10]
    completed = [one["parameters"]["day"] for one in of_days if one["state"] == "QUERY_STATE_COMPLETED"]
    assert sorted(completed) == [day for nth, day in enumerate(DAYS[:days], 1) if nth not in broken]
    assert [len(asked(body)) for body in calls()[1:]] == [days, *[len(broken)] * 3]


@pytest.mark.parametrize("form", ["nodes", "lineage"])
def test_a_partitioned_query_without_a_partition_is_refused(account, resource, instance, calls, form):
    result = run(resource, instance, EACH, assets=build_dune_assets(CATALOG, pipeline_form=form))
    assert "query_10 is partitioned, and this run is of no partition; nothing was sent" in failure(result).description
    assert calls() == []


def test_the_lineage_form_takes_one_partition(account, resource, instance, calls):
    assets = build_dune_assets(CATALOG, pipeline_form="lineage")
    assert run(resource, instance, "dune/acme/result_base", EACH, assets=assets, partition_key="2024-01-02").success
    (body,) = calls()
    assert body == {"query_id": 10, "query_parameters": {"day": "2024-01-02"}}
    refused = run(resource, instance, "dune/acme/result_base", EACH, assets=assets, tags=FIVE_DAYS)
    assert "runs one query" in failure(refused).description
    assert len(calls()) == 1


def test_a_run_cannot_set_the_parameter_of_its_partition(account, resource, instance, calls):
    config = dg.RunConfig(ops={"dune_assets": DuneRunConfig(query_parameters={EACH: {"day": "2024-01-09"}})})
    result = run(resource, instance, EACH, partition_key="2024-01-02", run_config=config)
    assert "sets 'day' of query_10, as its partition does" in failure(result).description
    assert calls() == []


def test_dynamic_partitions_are_those_of_the_instance(account, resource, instance, calls):
    chains = QueryPartitions(kind="dynamic", name="days", parameters={"day": "{partition_key}"})
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=10, slug="each", partitions=chains, deps=[])]))
    run(resource, instance, "dune/acme/result_base")
    instance.add_dynamic_partitions("days", ["2024-01-02"])
    assert run(resource, instance, assets=assets, partition_key="2024-01-02").success
    assert asked(calls()[-1]) == [{"day": "2024-01-02"}]


def test_rows_of_one_partition_can_be_read(account, resource, instance):
    run(resource, instance, "dune/acme/result_base", EACH, tags=FIVE_DAYS)
    seen = {}

    @dg.asset
    def report(context: dg.AssetExecutionContext, dune: dg.ResourceParam[object]):
        for day in DAYS[:2]:
            seen[day] = list(dune.get_rows(context, EACH.split("/"), partition_key=day))
        with pytest.raises(DuneResultError, match=r"The asset dune/each_10 is partitioned.* partition_key"):
            list(dune.get_rows(context, EACH.split("/")))
        with pytest.raises(DuneResultError, match=r"dune/each_10 \(2024-02-01\) has never been materialized"):
            list(dune.get_rows(context, EACH.split("/"), partition_key="2024-02-01"))

    assert dg.materialize([report], resources={"dune": resource}, instance=instance).success
    assert seen["2024-01-01"] == [{"day": "2024-01-01", "n": 1}]
    assert [row["n"] for row in seen["2024-01-02"]] == [1, 2]


class Partitioned(DagsterDuneTranslator):
    def __init__(self, partitions_def):
        self.partitions_def = partitions_def

    def get_asset_spec(self, obj):
        return super().get_asset_spec(obj).replace_attributes(partitions_def=self.partitions_def)


@pytest.mark.parametrize(
    ("catalog", "translator", "message"),
    [
        (
            DuneCatalog(
                queries=[
                    Query(query_id=1, partitions=DAY),
                    Query(query_id=2, partitions=DAY.model_copy(update={"kind": "weekly"})),
                ]
            ),
            DagsterDuneTranslator(),
            "query_1 and query_2 have different partitions",
        ),
        (
            DuneCatalog(
                queries=[
                    Query(query_id=1, partitions=DAY),
                    Query(
                        query_id=2,
                        partitions=QueryPartitions(kind="static", keys=["a"], parameters={"p": "{partition_key}"}),
                    ),
                ]
            ),
            DagsterDuneTranslator(),
            "two build_dune_assets calls",
        ),
        (
            DuneCatalog(materialized_views=[MaterializedView(name=BASE)]),
            Partitioned(dg.DailyPartitionsDefinition("2024-01-01")),
            "is a matview, which Dune refreshes as a whole",
        ),
        (
            DuneCatalog(queries=[Query(query_id=1)]),
            Partitioned(dg.DailyPartitionsDefinition("2024-01-01")),
            "has partitions in the spec of your translator, and none in the catalog",
        ),
        (
            DuneCatalog(queries=[Query(query_id=1, partitions=DAY)]),
            Partitioned(None),
            "has partitions in the catalog, and none in the spec of your translator",
        ),
        (
            DuneCatalog(queries=[Query(query_id=1, partitions=DAY)]),
            Partitioned(dg.StaticPartitionsDefinition(["a"])),
            "are daily in the catalog, and StaticPartitionsDefinition in the spec",
        ),
    ],
)
def test_definitions_that_cannot_work_are_refused(catalog, translator, message):
    with pytest.raises(DuneCatalogError, match=message):
        build_dune_assets(catalog, translator=translator)


def test_a_translator_may_choose_the_days(account, resource, instance, calls):
    since_march = Partitioned(dg.DailyPartitionsDefinition("2024-03-01"))
    catalog = DuneCatalog(queries=[Query(query_id=11, slug="span", partitions=SPAN)])
    assets = build_dune_assets(catalog, translator=since_march)
    run(resource, instance, "dune/acme/result_base")
    assert run(resource, instance, assets=assets, partition_key="2024-03-02").success
    assert asked(calls()[-1]) == [{"from": "2024-03-02", "to": "2024-03-03"}]


def test_the_refresh_sensor_leaves_partitioned_queries_out(account):
    (sensor,) = [build_dune_refresh_sensor([build_dune_assets(CATALOG)])]
    assert "Watches 1 asset." in sensor.description
    assert "dune/each_10, dune/span_11" in sensor.description
