"""What the integration does on a Dune that breaks an assumption: the column "If it is wrong" of docs/assumptions.md."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import gated_location
import pytest
import refresh_location
from waiting import PATIENCE, wait_until

from dagster_dune import (
    DuneApiClient,
    DuneCatalog,
    DuneResource,
    DuneResultError,
    MaterializedView,
    Query,
    QueryParameter,
    QueryPartitions,
    build_dune_assets,
    build_dune_refresh_sensor,
)
from dagster_dune.doctor.assumptions import ASSUMPTIONS
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.frames.results import get_result

A = "dune.acme.result_mine_too"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=A, query_id=4100)], queries=[Query(query_id=4200, references=[A])]
)
READER = "SELECT a FROM dune.acme.result_mine_too"
FAILING = "SELECT CAST('no' AS bigint) AS a"
QUICK = {"poll_interval": 0.05, "max_poll_interval": 0.1}


def resource_of(dune, **settings):
    return DuneResource(api_key=dune.api_key, base_url=dune.url).model_copy(update=QUICK | settings)


def load(dune, sql="SELECT 1 AS a", reader=READER):
    dune.load_query(4100, "Mine", sql)
    dune.load_materialized_view(A, 4100)
    dune.load_query(4200, "Reader", reader)


class Run:
    """A run of some assets on one local Dune, and what came of it."""

    def __init__(self, dune, assets=None, *, settings=(), **options):
        assets = assets or build_dune_assets(CATALOG)
        resources = {"dune": resource_of(dune, **dict(settings))}
        result = dg.materialize([assets], resources=resources, raise_on_error=False, **options)
        self.success = result.success
        failures = result.get_step_failure_events()
        self.words = "".join(
            f"{event.step_failure_data.error.to_string()}{event.step_failure_data.user_failure_data}"
            for event in failures
        )
        materialized = result.get_asset_materialization_events()
        self.assets = {event.asset_key.path[-1] for event in materialized}
        self.metadata = {event.asset_key.path[-1]: event.materialization.metadata for event in materialized}
        self.executions = dune.executions()


def run(assume, *, sql="SELECT 1 AS a", **settings):
    with DuneEmulator(assume=assume) as dune:
        load(dune, sql)
        return Run(dune, settings=settings)


SUCCEED = [
    ("node-words", "other"),
    ("node-ids", "new"),
    ("late-nodes", "late"),
    ("ulid-order", "uuid"),
    ("node-credits", "missing"),
    ("failed-pipeline-word", "halted"),
    ("lineage-form", "refused"),
]
FAIL = [
    ("nodes-form", "refused", "query_id is required"),
    ("default-tier", "required", "performance is required"),
    ("null-nodes", "never", "never said a word"),
    ("node-error", "warning", "Warning: the result is large"),
]


@pytest.mark.parametrize(("id_", "other"), SUCCEED)
def test_a_run_succeeds_all_the_same(id_, other):
    done = run({id_: other})
    assert done.success, done.words
    assert len(done.executions) == 2


@pytest.mark.parametrize(("id_", "other", "words"), FAIL)
def test_a_run_fails_as_the_table_says(id_, other, words):
    done = run({id_: other})
    assert not done.success
    assert words in done.words
    assert len(done.executions) == (0 if id_ in ("nodes-form", "default-tier") else 2)


def test_the_setting_that_is_named_helps():
    assert run({"default-tier": "required"}, performance="medium").success


def test_missing_credits_are_missing_from_the_metadata_alone():
    done, whole = run({"node-credits": "missing"}), run({})
    assert set(whole.metadata["result_mine_too"]) - set(done.metadata["result_mine_too"]) == {"dagster-dune/credits"}


# --- nodes that fail, are cancelled, or come twice ---


def test_blocked_nodes_that_say_so_fail_with_the_words_of_dune():
    done = run({"blocked-nodes": "failed"}, sql=FAILING)
    assert not done.success
    assert "dune/query_4200: A node before this one has failed" in done.words
    assert len(done.executions) == 1


def test_a_dependent_that_runs_after_a_failure_is_charged_and_no_success():
    done = run({"failure-stops-dependents": "start"}, sql=FAILING)
    assert not done.success
    assert "dune/acme/result_mine_too" in done.words
    assert len(done.executions) == 2


def test_a_cancelled_node_of_another_word_fails():
    with DuneEmulator(assume={"canceled-spelling": "aborted"}) as dune:
        load(dune)
        dune.hold(A)
        cancelled = []

        def cancel():
            dune.wait_until_held(A)
            with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
                cancelled.append(client.cancel_execution(dune.executions()[0]["execution_id"]))

        with ThreadPoolExecutor(1) as pool:
            pool.submit(cancel)
            done = Run(dune, settings={"stall_timeout": 3.0})
    assert cancelled == [True]
    assert not done.success
    assert "still open: dune.acme.result_mine_too" in done.words
    assert done.assets == set()


def test_dependents_that_start_after_a_cancellation_are_cancelled_as_well():
    with DuneEmulator(assume={"cancel-stops-dependents": "start"}) as dune:
        load(dune)
        dune.hold(A)
        dune.hold(4200)
        done = Run(dune, settings={"run_timeout": 2.0})
        assert not done.success
        states = wait_until(
            lambda: [execution["state"] for execution in dune.executions()],
            lambda states: len(states) == 2 and all("CANCEL" in state for state in states),
        )
    assert len(states) == 2


def test_a_pipeline_that_is_unknown_for_long_fails_the_attempt_and_the_next_takes_it_over():
    assets = build_dune_assets(CATALOG, retry_policy=dg.RetryPolicy(max_retries=1, delay=3))
    with DuneEmulator(assume={"young-pipeline": "late"}) as dune:
        load(dune)
        done = Run(dune, assets, settings={"poll_interval": 1.0, "max_poll_interval": 1.0})
        assert done.success, done.words
        assert len(done.executions) == 2
        assert sum(entry["path"] == "/api/v1/pipelines/execute" for entry in dune.journal()) == 1


DAY = {"nodes": "{partition_key}", "parameters": "{window_start:%Y-%m-%d}"}


def ranged(dune, ranges):
    day = {"key": "day", "type": "text", "value": "none"}
    dune.load_query(4300, "Days", "SELECT '{{day}}' AS day", parameters=[day])
    partitions = QueryPartitions(kind="daily", start="2024-01-01", parameters={"day": DAY[ranges]}, ranges=ranges)
    catalog = DuneCatalog(queries=[Query(query_id=4300, parameters=[QueryParameter(key="day")], partitions=partitions)])
    tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-03"}
    return Run(dune, build_dune_assets(catalog), tags=tags)


def test_a_range_of_nodes_is_refused_before_anything_is_charged_where_a_query_stands_in_one_node():
    with DuneEmulator(assume={"repeated-query": "refused"}) as dune:
        done = ranged(dune, "nodes")
        assert not done.success
        assert "a query can stand in one node" in done.words
        assert done.executions == []


def test_the_setting_for_ranges_helps():
    with DuneEmulator(assume={"repeated-query": "refused"}) as dune:
        done = ranged(dune, "parameters")
        assert done.success, done.words
        assert len(done.executions) == 1


def test_partitions_have_each_others_rows_where_nodes_share_parameters():
    with DuneEmulator(assume={"repeated-query": "one"}) as dune:
        done = ranged(dune, "nodes")
        with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
            rows = [get_result(client, execution["execution_id"]).to_pylist() for execution in done.executions]
    assert rows == [[{"day": "2024-01-01"}]] * 3


def test_a_refused_pipeline_that_runs_all_the_same_is_charged_again():
    with DuneEmulator(assume={"refused-not-started": "started"}) as dune:
        load(dune)
        catalog = DuneCatalog(materialized_views=CATALOG.materialized_views, queries=[Query(query_id=4999)])
        first = Run(dune, build_dune_assets(catalog))
        assert not first.success
        assert first.assets == set()
        wait_until(lambda: len(dune.executions()) == 1)
        assert len(Run(dune).executions) == 3


# --- gates, matviews, the sensor, limits ---


def test_a_gate_whose_text_is_hidden_failed_to_run_and_holds_back_all_the_same(monkeypatch):
    with DuneEmulator(assume={"failed-cast-text": "hidden"}) as dune:
        monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
        monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
        gated_location.load(dune)
        result = gated_location.gated().execute_in_process(raise_on_error=False)
        ran = {execution["query_id"] for execution in dune.executions()}
    assert not result.success
    assert result.get_asset_check_evaluations() == []
    materialized = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
    assert materialized == {"result_amounts"}
    assert not ran & {2, 4}, "a reader of the gated matview ran"


def test_matviews_of_other_names_are_left_out_of_the_catalog(caplog):
    with DuneEmulator(assume={"matview-names": "short"}) as dune:
        load(dune)
        with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
            catalog = DuneCatalog.from_api(client)
    assert catalog.materialized_views == ()
    assert "query_4200" in catalog
    assert [text for text in caplog.messages if "acme.result_mine_too" in text]


def test_the_sensor_sees_no_refreshes_that_dune_does_not_list():
    seen = {}
    for assume in ({}, {"last-executions": "missing"}):
        with DuneEmulator(assume=assume) as dune, dg.DagsterInstance.ephemeral() as instance:
            refresh_location.load(dune)
            sensor = build_dune_refresh_sensor([refresh_location.assets])

            def tick(cursor, dune=dune, instance=instance, sensor=sensor):
                resources = {"dune": resource_of(dune)}
                with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                    return sensor.evaluate_tick(context)

            first = tick(None)
            with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
                execution = client.refresh_materialized_view(refresh_location.DAILY).execution_id
                wait_until(
                    lambda client=client, execution=execution: client.get_execution_status(execution),
                    lambda status: status.is_execution_finished,
                )
            seen[bool(assume)] = len(tick(first.cursor).asset_events)
    assert seen == {False: 1, True: 0}


def test_runs_are_slower_and_not_worse_where_a_429_says_nothing():
    with DuneEmulator(assume={"retry-after": "missing"}, rate_limit="free", rate_limit_seconds=2) as dune:
        load(dune)
        with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
            for _ in range(60):
                client.get_query(4100)
        done = Run(dune)
        refused = [entry for entry in dune.journal() if entry["status"] == 429]
    assert done.success, done.words
    assert refused
    assert len(done.executions) == 2


# --- results ---

ROWS = """SELECT n, CASE n WHEN 1 THEN NULL WHEN 2 THEN '' WHEN 3 THEN {third} ELSE 'x' END AS t
FROM UNNEST(sequence(1, 9)) AS s(n)"""


def results(assume, *options, third="'y'", sql=ROWS):
    """The rows as they are read with each of some options."""
    sql = sql.format(third=third)
    with DuneEmulator(assume=assume) as dune, DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE) as client:
        execution = client.execute_sql(sql).execution_id
        wait_until(lambda: client.get_execution_status(execution), lambda status: status.is_execution_finished)
        return [get_result(client, execution, **option).to_pylist() for option in options]


def test_null_and_the_empty_text_are_mixed_up_in_csv_and_not_in_json():
    in_csv, in_json = results({"csv-null": "empty"}, {"wire": "csv"}, {"wire": "json"})
    assert [row["t"] for row in in_json[:3]] == [None, "", "y"]
    assert in_csv[0]["t"] == in_csv[1]["t"]
    assert in_csv[2:] == in_json[2:]


@pytest.mark.parametrize("third", ["'y'", "'<nil>'"])
def test_a_filter_that_finds_null_too_costs_a_reading_and_no_row(third):
    rows = results({"csv-nil-filter": "null"}, {"wire": "csv"}, {"wire": "json"}, third=third)
    assert rows[0] == rows[1]


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_results_of_several_filtered_pages_are_an_error(wire):
    options = {"filters": "n > 4", "page_size": 2, "wire": wire}
    assert [row["n"] for row in results({}, options)[0]] == [5, 6, 7, 8, 9]
    with pytest.raises(DuneResultError, match="The page at row"):
        results({"filtered-offset": "unfiltered"}, options)


@pytest.mark.parametrize("wire", ["csv", "json"])
def test_results_of_several_overlapping_pages_are_an_error(wire):
    options = {"page_size": 2, "wire": wire}
    assert [row["n"] for row in results({}, options)[0]] == list(range(1, 10))
    with pytest.raises(DuneResultError, match="The page at row"):
        results({"page-size": "overlapping"}, options)


def test_nested_values_are_read_whatever_csv_makes_of_them():
    nested = "SELECT ARRAY['a,b', 'c'] AS a, 1 AS n"
    assert results({"csv-nested": "unquoted"}, {}, sql=nested) == [[{"a": ["a,b", "c"], "n": 1}]]


def test_each_assumption_that_can_be_broken_has_a_test_here():
    text = Path(__file__).read_text()
    can_be = {assumption.id for assumption in ASSUMPTIONS if assumption.tried_by != "nothing"}
    assert {id_ for id_ in can_be if f'"{id_}"' not in text} == set()
