"""Checks of partitioned queries: a node a partition where they have some, and one result that says which failed."""

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, DuneCheck, MaterializedView, Query, QueryPartitions, build_dune_assets

BASE = "dune.acme.result_base"
DAILY = {"kind": "daily", "start": "2024-01-01", "end": "2024-02-10"}
DAY = QueryPartitions(**DAILY, parameters={"day": "{partition_key}"})
SPAN = QueryPartitions(
    **DAILY, ranges="parameters", parameters={"from": "{window_start:%Y-%m-%d}", "to": "{window_end:%Y-%m-%d}"}
)
PARAMETER = [{"key": "day", "type": "text", "value": "2020-01-01"}]
SPAN_PARAMETERS = [{"key": key, "type": "text", "value": "2020-01-01"} for key in ("from", "to")]
QUERIES = [
    Query(query_id=10, slug="each", deps=[BASE], partitions=DAY),
    Query(query_id=12, slug="reader", deps=["query_10"], partitions=DAY),
    Query(query_id=20, deps=["query_10"], partitions=DAY),
    Query(query_id=21, deps=["query_10"], partitions=SPAN),
    Query(query_id=22, deps=["query_10"]),
]
EACH, READER = dg.AssetKey(["dune", "each_10"]), dg.AssetKey(["dune", "reader_12"])
FOUR_DAYS = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-04"}
DAYS = [f"2024-01-0{number}" for number in range(1, 5)]
BAD = "CAST('{{day}}' AS varchar) IN ('2024-01-02', '2024-01-04')"


@pytest.fixture
def account(dune):
    dune.load_query(1, "base", "SELECT 1 AS n")
    dune.load_materialized_view(BASE, 1)
    dune.load_query(10, "each", f"SELECT '{{{{day}}}}' AS day, n FROM {BASE}", parameters=PARAMETER)
    dune.load_query(12, "reader", "SELECT '{{day}}' AS day, 1 AS n", parameters=PARAMETER)
    dune.load_query(20, "check", f"SELECT 1 AS n WHERE {BAD}", parameters=PARAMETER)
    dune.load_query(21, "span", "SELECT 1 AS n WHERE '{{from}}' > '{{to}}'", parameters=SPAN_PARAMETERS)
    dune.load_query(22, "all", "SELECT 1 AS n WHERE false")
    return dune


@pytest.fixture
def run(account, resource, instance):
    def go(*checks, **options):
        used = {check.sql_name for check in checks}
        kept = [query for query in QUERIES if query.query_id < 20 or query.sql_name in used]
        catalog = DuneCatalog(materialized_views=[MaterializedView(name=BASE, query_id=1)], queries=kept)
        return dg.materialize(
            [build_dune_assets(catalog, checks=checks)],
            resources={"dune": resource},
            instance=instance,
            raise_on_error=False,
            **options,
        )

    return go


def rows(query_id=20, **fields):
    return DuneCheck(asset="query_10", name="check", kind="rows", query_id=query_id, **fields)


def gate():
    return DuneCheck(asset="query_10", name="gate", kind="gate", query_id=20)


def queries(body, query_id):
    nodes = [node["query_execution"] for node in body["pipeline"]["nodes"] if "query_execution" in node]
    return [node.get("query_parameters") for node in nodes if node["query_id"] == query_id]


def evaluation(result):
    (found,) = result.get_asset_check_evaluations()
    return found


def table(found):
    return [record.data for record in found.metadata["dagster-dune/by_partition"].records]


def materialized(result, key):
    events = result.get_asset_materialization_events()
    return sorted(event.materialization.partition for event in events if event.asset_key == key)


def failure(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data


def test_one_partition_is_one_node_and_a_result_without_a_table(run, calls):
    result = run(rows(), partition_key="2024-01-02")
    assert result.success
    (body,) = calls()
    assert queries(body, 20) == [{"day": "2024-01-02"}]
    found = evaluation(result)
    assert not found.passed
    assert "dagster-dune/by_partition" not in found.metadata
    assert found.metadata["dagster-dune/offending_rows"].value == 1
    assert found.metadata["dagster-dune/query_parameters"].value == {"day": "2024-01-02"}


def test_several_partitions_are_one_result_that_says_which_failed(run, calls):
    result = run(rows(), tags=FOUR_DAYS)
    assert result.success
    (body,) = calls()
    assert queries(body, 20) == [{"day": day} for day in DAYS]
    found = evaluation(result)
    assert not found.passed
    assert found.description == "2 of 4 partitions failed: 2024-01-02, 2024-01-04."
    assert [(row["partition"], row["passed"]) for row in table(found)] == list(
        zip(DAYS, [True, False, True, False], strict=True)
    )
    assert table(found)[1]["what"] == "1 row offends."
    assert materialized(result, EACH) == DAYS


def test_offending_rows_of_several_partitions_are_shown_with_theirs(run, dune):
    """As many in all as are asked for, so that a long backfill reads no more than one day."""
    result = run(rows(sample_rows=1), tags=FOUR_DAYS)
    found = evaluation(result).metadata
    assert found["dagster-dune/offending_rows"].value == 2
    assert [record.data for record in found["dagster-dune/offending_rows_sample"].records] == [
        {"partition": "2024-01-02", "n": 1}
    ]
    assert len(result_reads(dune)) == 1


def test_and_all_of_them_where_there_are_fewer(run, dune):
    found = evaluation(run(rows(sample_rows=10), tags=FOUR_DAYS)).metadata
    sample = found["dagster-dune/offending_rows_sample"].records
    assert [record.data["partition"] for record in sample] == ["2024-01-02", "2024-01-04"]
    assert len(result_reads(dune)) == 2


def result_reads(dune):
    return [entry for entry in dune.journal() if entry["path"].endswith("/results")]


def test_a_check_of_its_own_range_is_one_node(run, calls):
    result = run(rows(21), tags=FOUR_DAYS)
    assert result.success
    assert queries(calls()[0], 21) == [{"from": "2024-01-01", "to": "2024-01-05"}]
    assert evaluation(result).passed
    assert "dagster-dune/by_partition" not in evaluation(result).metadata


def test_a_check_without_partitions_runs_once_after_all_of_them(run, calls):
    result = run(rows(22), tags=FOUR_DAYS)
    assert result.success
    (body,) = calls()
    ids = {node["id"] for node in body["pipeline"]["nodes"] if node.get("query_execution", {}).get("query_id") == 10}
    (node,) = [node for node in body["pipeline"]["nodes"] if node.get("query_execution", {}).get("query_id") == 22]
    assert len(ids) == 4
    assert set(node["dependencies"]) == ids
    assert evaluation(result).passed


def test_a_closed_gate_holds_back_its_own_partitions_alone(run, account, calls):
    account.load_query(
        20,
        "gate",
        f"SELECT CASE WHEN {BAD} THEN CAST('gate closed: bad day ' || '{{{{day}}}}' AS bigint) END AS n",
        parameters=PARAMETER,
    )
    result = run(gate(), tags=FOUR_DAYS)
    assert not result.success
    assert len(calls()) == 1
    found = evaluation(result)
    assert [(row["partition"], row["passed"]) for row in table(found)] == list(
        zip(DAYS, [True, False, True, False], strict=True)
    )
    assert table(found)[1]["what"] == "The gate is closed: bad day 2024-01-02"
    assert materialized(result, EACH) == DAYS
    assert materialized(result, READER) == ["2024-01-01", "2024-01-03"]
    executed = [execution["query_id"] for execution in account.executions()]
    assert (executed.count(20), executed.count(12)) == (4, 2)
    assert "2 were skipped because of check gate of query_10 (2024-01-02), check gate" in failure(result).description
    assert {"dune/reader_12 (2024-01-02)", "dune/reader_12 (2024-01-04)"} <= set(failure(result).metadata)


def test_one_partition_whose_check_fails_to_run_leaves_no_result(run, account):
    account.load_query(20, "check", f"SELECT 1 AS n WHERE IF({BAD}, CAST('x' AS bigint), 1) = 2", parameters=PARAMETER)
    result = run(rows(), tags=FOUR_DAYS)
    assert not result.success
    assert result.get_asset_check_evaluations() == []
    told = failure(result).metadata["check check of query_10"].value
    assert all(f"2024-01-0{day}: Cannot cast 'x' to BIGINT" in told for day in (2, 4))
    assert "2024-01-01" not in told
    observed = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
    assert [one.partition for one in observed] == ["2024-01-02", "2024-01-04"]
    assert {one.metadata["dagster-dune/check"].value for one in observed} == {"check"}
    assert materialized(result, EACH) == DAYS


def test_checks_of_what_the_run_knows_are_asked_of_each_partition(run):
    known = DuneCheck(asset="query_10", name="none", kind="row_count", at_most=0)
    result = run(known, tags=FOUR_DAYS)
    found = evaluation(result)
    assert found.description == f"4 of 4 partitions failed: {', '.join(DAYS)}."
    assert {row["what"] for row in table(found)} == {"The row count is 1: it must be at most 0."}


NONE = DuneCheck(asset="query_10", name="none", kind="row_count", at_most=0)


@pytest.mark.parametrize("check", [rows(), NONE])
def test_checks_alone_are_of_the_partitions_that_their_run_is_of(run, resource, instance, calls, check):
    """As those are that a retry from asset failure selects: it keeps the tags of its parent."""
    run(check, tags=FOUR_DAYS)
    catalog = DuneCatalog(
        materialized_views=[MaterializedView(name=BASE, query_id=1)],
        queries=[query for query in QUERIES if query.query_id in {10, check.query_id}],
    )
    job = dg.Definitions(
        assets=[build_dune_assets(catalog, checks=[check])],
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks(dg.AssetCheckKey(EACH, check.name)))],
        resources={"dune": resource},
    ).resolve_job_def("checks")
    days = {**FOUR_DAYS, "dagster/asset_partition_range_end": "2024-01-03"}
    result = job.execute_in_process(instance=instance, tags=days, raise_on_error=False)
    assert result.success
    assert [row["partition"] for row in table(evaluation(result))] == DAYS[:3]
    assert [queries(body, 20) for body in calls()[1:]] == (
        [[{"day": day} for day in DAYS[:3]]] if check.query_id else []
    )
    without = job.execute_in_process(instance=instance, raise_on_error=False)
    assert without.success is (check.query_id is None)
    if check.query_id is None:
        fifth = {**FOUR_DAYS, "dagster/asset_partition_range_end": "2024-01-05"}
        partly = job.execute_in_process(instance=instance, tags=fifth, raise_on_error=False)
        assert not partly.success
        assert partly.get_asset_check_evaluations() == []
        assert "query_10 was not materialized for 2024-01-05, and a result of its other" in failure(partly).description
    else:
        assert "this run is of no partition; nothing was sent" in failure(without).description
        assert "a check, together with its asset" in failure(without).description


@pytest.mark.parametrize(
    ("tags", "missing"),
    [
        ({"dagster/partition": "2024-1-1"}, "2024-1-1"),
        ({**FOUR_DAYS, "dagster/asset_partition_range_end": "2030-01-01"}, "2030-01-01"),
    ],
)
def test_checks_alone_of_partitions_that_do_not_exist_are_refused(run, calls, tags, missing):
    selection = dg.AssetSelection.checks(dg.AssetCheckKey(EACH, "check"))
    result = run(rows(), selection=selection, tags=tags)
    assert f"This run is of partitions that do not exist: {missing}; nothing was sent." in failure(result).description
    assert calls() == []


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (
            DAYS[1:3],
            "query_10 was not materialized for 2024-01-02, 2024-01-03, and a result of its other partitions would",
        ),
        (DAYS, "query_10 was not materialized, so there is nothing to check."),
    ],
)
def test_a_check_of_what_the_run_knows_names_the_partitions_that_were_not_made(run, account, days, words):
    broken = " OR ".join(f"'{{{{day}}}}' = '{day}'" for day in days)
    account.load_query(10, "each", f"SELECT IF({broken}, CAST('x' AS bigint), 1) AS n", parameters=PARAMETER)
    result = run(NONE, tags=FOUR_DAYS)
    assert words in failure(result).metadata["check none of query_10"].value
    assert result.get_asset_check_evaluations() == []


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_checks_alone_of_partitions_that_are_no_days(account, resource, instance, calls, kind):
    chains = ["base", "bnb", "celo"]
    given = {"keys": chains} if kind == "static" else {"name": "chains"}
    partitions = QueryPartitions(kind=kind, parameters={"day": "{partition_key}"}, **given)
    instance.add_dynamic_partitions("chains", chains)
    catalog = DuneCatalog(
        queries=[
            Query(query_id=10, partitions=partitions),
            Query(query_id=20, deps=["query_10"], partitions=partitions),
        ]
    )
    job = dg.Definitions(
        assets=[build_dune_assets(catalog, checks=[rows()])],
        jobs=[
            dg.define_asset_job(
                "checks", dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(["dune", "query_10"]), "check"))
            )
        ],
        resources={"dune": resource},
    ).resolve_job_def("checks")
    ends = zip(("start", "end"), ("bnb", "celo"), strict=True)
    tags = {f"dagster/asset_partition_range_{end}": key for end, key in ends}
    assert job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success
    assert queries(calls()[0], 20) == [{"day": "bnb"}, {"day": "celo"}]


@pytest.mark.parametrize("count", [2, 40])
def test_what_is_known_of_many_partitions_is_read_in_one_query(run, resource, instance, monkeypatch, count):
    """A check alone is of what earlier runs have materialized."""
    days = {**FOUR_DAYS, "dagster/asset_partition_range_end": "2024-02-09" if count == 40 else "2024-01-02"}
    run(NONE, tags=days)
    catalog = DuneCatalog(materialized_views=[MaterializedView(name=BASE, query_id=1)], queries=QUERIES[:1])
    job = dg.Definitions(
        assets=[build_dune_assets(catalog, checks=[NONE])],
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks(dg.AssetCheckKey(EACH, NONE.name)))],
        resources={"dune": resource},
    ).resolve_job_def("checks")
    read = []

    def fetch(*arguments, **options):
        read.append(arguments)
        return type(instance).fetch_materializations(instance, *arguments, **options)

    monkeypatch.setattr(instance, "fetch_materializations", fetch)
    result = job.execute_in_process(instance=instance, tags=days, raise_on_error=False)
    assert len(table(evaluation(result))) == count
    assert len(read) == 1
