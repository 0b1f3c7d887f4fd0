"""Rows of Dune assets: from wherever they are read, and never others than those that were asked for."""

import shutil
from collections import Counter
from datetime import date

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import wait_until

from dagster_dune import (
    DuneCatalog,
    DuneConfigurationError,
    DuneCreditsExhaustedError,
    DuneIOManager,
    DuneResource,
    DuneResultError,
    Query,
    QueryPartitions,
    build_dune_assets,
)
from dagster_dune.api.endpoints.base import comma_separated
from dagster_dune.emulator.engine.results import Column, ResultSet
from dagster_dune.emulator.http.paging import cut
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.metadata import EXECUTION_ID

KEY = dg.AssetKey(["dune", "numbers_1"])
ASSETS = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, slug="numbers")]))
FIVE = [{"n": n} for n in range(1, 6)]
DAYS = [f"2024-01-0{number}" for number in range(1, 6)]
SPAN = QueryPartitions(
    kind="daily",
    start="2024-01-01",
    end="2024-02-10",
    ranges="parameters",
    parameters={"from": "{window_start:%Y-%m-%d}", "to": "{window_end:%Y-%m-%d}"},
)
RANGE = dg.AssetKey(["dune", "span_2"])
RANGES = build_dune_assets(
    DuneCatalog(queries=[Query(query_id=2, slug="span", partitions=SPAN)]), io_manager_key="dune_io"
)
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def materialized(dune, resource, instance):
    """The instance after a run of the asset."""
    dune.load_query(1, "numbers", "SELECT n FROM UNNEST(sequence(1, 5)) AS t(n)")
    assert dg.materialize([ASSETS], resources={"dune": resource}, instance=instance).success
    return instance


# --- from wherever they are read ---


@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_from_contexts_that_a_test_builds(materialized, resource):
    for context in (
        dg.build_asset_context(instance=materialized),
        dg.build_op_context(instance=materialized),
        dg.build_asset_check_context(instance=materialized),
        dg.build_sensor_context(materialized),
        dg.build_hook_context(instance=materialized),
        dg.build_input_context(instance=materialized),
        dg.build_init_resource_context(instance=materialized),
        materialized,
    ):
        assert list(resource.get_rows(context, KEY)) == FIVE, context
        assert resource.get_result(context, KEY).to_pylist() == FIVE, context


def test_a_key_may_be_written_as_it_is_shown(materialized, resource):
    for key in ("dune/numbers_1", ["dune", "numbers_1"], ("dune", "numbers_1")):
        assert list(resource.get_rows(materialized, key)) == FIVE
        assert resource.get_result(materialized, key).num_rows == 5
    with pytest.raises(
        DuneResultError, match=r"dune/number_1 has never been materialized.* Did you mean dune/numbers_1\?"
    ):
        list(resource.get_rows(materialized, "dune/number_1"))
    with pytest.raises(DuneResultError, match=r"other has never been materialized.* Materialize it first"):
        list(resource.get_rows(materialized, "other"))


@pytest.mark.parametrize("named", [{}, {EXECUTION_ID: ""}, {EXECUTION_ID: 7}, {EXECUTION_ID: True}])
def test_a_materialization_that_somebody_else_has_reported_names_no_execution(instance, resource, named):
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata=named))
    with pytest.raises(
        DuneResultError,
        match=r"numbers_1 names no execution.* reported it as materialized",
    ):
        list(resource.get_rows(instance, KEY))


seen = Counter()


def read(context, dune):
    assert list(dune.get_rows(context, KEY)) == FIVE
    seen[type(context).__name__] += 1


class Reading(dg.ConfigurableIOManager):
    dune: dg.ResourceDependency[DuneResource]

    def handle_output(self, context: dg.OutputContext, obj):
        read(context, self.dune)

    def load_input(self, context: dg.InputContext):
        read(context, self.dune)
        return 1


def test_from_the_parts_of_a_code_location(materialized, resource):
    seen.clear()

    @dg.success_hook(required_resource_keys={"dune"})
    def told(context: dg.HookContext):
        read(context, context.resources.dune)

    @dg.op
    def first(context: dg.OpExecutionContext, dune: DuneResource) -> int:
        read(context, dune)
        return 1

    @dg.op
    def second(first: int) -> None:
        assert first == 1

    @dg.job(hooks={told})
    def job():
        second(first())

    @dg.asset_check(asset=KEY)
    def is_there(context: dg.AssetCheckExecutionContext, dune: DuneResource):
        read(context, dune)
        return dg.AssetCheckResult(passed=True)

    resources = {"dune": resource, "io_manager": Reading(dune=resource)}
    assert job.execute_in_process(resources=resources, instance=materialized).success
    checked = dg.materialize(
        [ASSETS, is_there], selection=dg.AssetSelection.checks(is_there), resources=resources, instance=materialized
    )
    assert checked.success

    @dg.sensor(job_name="job")
    def look(context: dg.SensorEvaluationContext, dune: DuneResource):
        read(context, dune)

    look.evaluate_tick(dg.build_sensor_context(materialized, resources={"dune": resource}))
    assert set(seen) >= {"OpExecutionContext", "AssetCheckExecutionContext", "OutputContext", "InputContext"}
    assert any("Hook" in name for name in seen)
    assert any("Sensor" in name for name in seen)


def test_in_a_script_the_instance_is_that_of_the_home(dune, resource, tmp_path, monkeypatch):
    dune.load_query(1, "numbers", "SELECT n FROM UNNEST(sequence(1, 5)) AS t(n)")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as home:
        assert dg.materialize([ASSETS], resources={"dune": resource}, instance=home).success
    monkeypatch.setenv("MY_KEY", dune.api_key)
    script = DuneResource(api_key=dg.EnvVar("MY_KEY"), base_url=dune.url)
    assert list(script.get_rows(None, KEY)) == FIVE
    assert script.get_result(None, KEY).num_rows == 5
    assert list(script.get_rows(dg.build_schedule_context(), KEY)) == FIVE


def test_without_any_instance_is_a_clear_error(resource, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for context in (None, dg.build_schedule_context(), dg.build_hook_context()):
        with pytest.raises(DuneConfigurationError, match=r"no Dagster instance.*set DAGSTER_HOME"):
            list(resource.get_rows(context, KEY))


def test_an_instance_at_home_that_cannot_be_opened_is_told(resource, monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("storage: [")
    words = rf"instance of DAGSTER_HOME={tmp_path} cannot be opened: .*\. Give a context or an instance"
    with pytest.raises(DuneConfigurationError, match=words):
        next(iter(resource.get_rows(None, "dune/query_1")))
    (tmp_path / "dagster.yaml").unlink()
    (tmp_path / "history").write_text("a file in the way of a folder")
    with pytest.raises(DuneConfigurationError, match=words):
        next(iter(resource.get_rows(None, "dune/query_1")))


@pytest.mark.parametrize("context", ["dune/numbers_1", KEY, ["dune", "numbers_1"], ASSETS])
def test_what_is_no_context_is_refused_even_where_there_is_a_home(dune, resource, tmp_path, monkeypatch, context):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(DuneConfigurationError, match=r"The context must be one of Dagster's.*It stands first"):
        resource.get_result(context, pa.Table)


def test_a_script_has_a_client_of_variables(dune, monkeypatch):
    monkeypatch.setenv("MY_KEY", dune.api_key)
    monkeypatch.setenv("MY_URL", dune.url)
    resource = DuneResource(api_key=dg.EnvVar("MY_KEY"), base_url=dg.EnvVar("MY_URL"))
    for scripted in (resource, resource.model_copy(), resource.model_copy(update={"api_key": dg.EnvVar("MY_KEY")})):
        with scripted.get_client() as client:
            assert client.whoami().customer_id == "team_1"


def test_a_variable_that_is_not_set_is_named_in_a_script(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(DuneConfigurationError, match="The environment variable MY_KEY, which holds the api_key"):
        DuneResource(api_key=dg.EnvVar("MY_KEY")).get_client()


# --- never others ---


def test_an_expired_result_is_an_error(sample_database, tmp_path, instance):
    with DuneEmulator(database=shutil.copy(sample_database, tmp_path / "dune.db"), result_seconds=0.2) as short:
        short.load_query(1, "numbers", "SELECT n FROM UNNEST(sequence(1, 5)) AS t(n)")
        resource = DuneResource(api_key=short.api_key, base_url=short.url, poll_interval=0.02)
        result = dg.materialize([ASSETS], resources={"dune": resource}, instance=instance)
        (event,) = result.get_asset_materialization_events()
        execution = event.materialization.metadata["dagster-dune/execution_id"].value
        with resource.get_client() as client:
            wait_until(lambda: client.get_execution_status(execution).state == "QUERY_STATE_EXPIRED")
        for read in (resource.get_rows, resource.get_result):
            with pytest.raises(DuneResultError, match=r"QUERY_STATE_EXPIRED\. Results expire 90 days"):
                list(read(instance, KEY))


def test_a_result_that_dune_has_forgotten_is_an_error(dune, materialized, resource):
    dune.inject("status", path="*/results*", status=404, body={"error": "not found"})
    with pytest.raises(DuneResultError, match=r"Dune has no result of execution .* Results expire 90 days"):
        list(resource.get_rows(materialized, KEY))


def test_a_page_without_rows_is_an_error(dune, materialized, resource):
    body = {"execution_id": "x", "state": "QUERY_STATE_COMPLETED", "is_execution_finished": True}
    dune.inject("status", path="*/results*", times=None, status=200, body=body)
    with pytest.raises(DuneResultError, match=r"A page of execution .* came without rows\. Results expire 90 days"):
        list(resource.get_rows(materialized, KEY))


@pytest.fixture
def ranged(dune, resource, instance):
    dune.load_query(
        2,
        "span",
        "SELECT day FROM UNNEST(sequence(DATE '2024-01-01', DATE '2024-01-09', INTERVAL '1' DAY)) AS t(day) "
        "WHERE day >= DATE '{{from}}' AND day < DATE '{{to}}'",
        parameters=[{"key": key, "type": "text", "value": "2020-01-01"} for key in ("from", "to")],
    )

    def go(*days):
        return dg.materialize(
            [RANGES],
            resources={"dune": resource, "dune_io": DuneIOManager(dune=resource)},
            instance=instance,
            tags={START: days[0], END: days[-1]},
        )

    return go


def test_one_partition_of_a_range_is_refused_and_all_of_them_are_read(ranged, resource, instance, dune):
    assert ranged(*DAYS[:4]).success
    before = len(dune.journal())
    for wanted in ({"partition_key": DAYS[1]}, {"partition_keys": DAYS[:2]}, {"partition_keys": [DAYS[3]]}):
        for read in (resource.get_rows, resource.get_result):
            with pytest.raises(DuneResultError, match=r"one execution together with other partitions \(2024-01-0"):
                list(read(instance, RANGE, **wanted))
    assert len(dune.journal()) == before
    rows = list(resource.get_rows(instance, RANGE, partition_keys=DAYS[:4]))
    assert [row["day"] for row in rows] == DAYS[:4]

    # What was made by itself since can be read by itself, and the rest of the range still cannot.
    assert ranged(DAYS[1]).success
    assert [row["day"] for row in resource.get_rows(instance, RANGE, partition_key=DAYS[1])] == [DAYS[1]]
    with pytest.raises(DuneResultError, match=r"\(2024-01-02, 2024-01-03, 2024-01-04\)"):
        list(resource.get_rows(instance, RANGE, partition_key=DAYS[0]))


def test_a_range_of_which_a_partition_was_made_again_is_refused_beside_it(ranged, resource, instance, dune):
    assert ranged(*DAYS[:3]).success
    assert ranged(DAYS[0]).success
    before = len(dune.journal())
    again = r"\(2024-01-02\) was made .* materialized again since \(2024-01-01\), whose old rows would be there beside"
    for wanted, words in (
        (DAYS[:3], again),
        ([DAYS[1], DAYS[0]], again),
        (DAYS[1:3], r"together with other partitions \(2024-01-01\), whose rows it cannot be told from"),
    ):
        for read in (resource.get_rows, resource.get_result):
            with pytest.raises(DuneResultError, match=words):
                list(read(instance, RANGE, partition_keys=wanted))
    assert len(dune.journal()) == before

    # Made again as one range, they are those of one execution.
    assert ranged(*DAYS[:2]).success
    assert [row["day"] for row in resource.get_rows(instance, RANGE, partition_keys=DAYS[:2])] == DAYS[:2]


def test_a_range_whose_partitions_are_not_all_known_is_refused(ranged, resource, instance):
    """Whose other materializations were wiped, or never stored, since its process was killed between them."""
    result = ranged(*DAYS[:3])
    (first, *_) = [
        event.step_materialization_data.materialization for event in result.get_asset_materialization_events()
    ]
    instance.wipe_assets([RANGE])
    instance.report_runless_asset_event(first)
    with pytest.raises(DuneResultError, match=r"together with other partitions \(2 without a materialization\)"):
        list(resource.get_rows(instance, RANGE, partition_key=DAYS[0]))


def test_a_range_that_somebody_has_reported_with_no_number_is_read(materialized, resource, instance):
    made = instance.get_latest_materialization_event(KEY).asset_materialization
    execution_id = made.metadata["dagster-dune/execution_id"]
    metadata = {"dagster-dune/execution_id": execution_id, "dagster-dune/range_partitions": "all of them"}
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata=metadata))
    assert list(resource.get_rows(instance, KEY)) == FIVE


def test_an_argument_of_one_partition_of_a_range_is_refused(ranged, resource, instance):
    assert ranged(*DAYS[:3]).success
    daily = dg.DailyPartitionsDefinition("2024-01-01")

    @dg.asset(partitions_def=daily, ins={"span": dg.AssetIn(RANGE)})
    def reader(span: pa.Table) -> None:
        raise AssertionError

    result = dg.materialize(
        [RANGES, reader],
        selection=[reader],
        partition_key=DAYS[1],
        resources={"dune": resource, "dune_io": DuneIOManager(dune=resource)},
        instance=instance,
        raise_on_error=False,
    )
    (event,) = result.get_step_failure_events()
    assert "together with other partitions" in str(event.step_failure_data.error)


STRANGE_KEYS = (None, 5, "", [], ["dune", 1], ASSETS, dg.AssetSpec(KEY))


def test_partitions_that_cannot_be_meant_are_refused(ranged, materialized, resource, dune):
    assert ranged(DAYS[0]).success
    before = len(dune.journal())
    for key, wanted, error, words in (
        (RANGE, {"partition_keys": []}, DuneResultError, "No partition of the asset dune/span_2 is asked for"),
        (RANGE, {"partition_keys": DAYS[0]}, DuneConfigurationError, r"Give \['2024-01-01'\], or partition_key"),
        (RANGE, {"partition_key": DAYS[0], "partition_keys": DAYS[:1]}, DuneConfigurationError, "are both given"),
        (RANGE, {"partition_key": DAYS[1]}, DuneResultError, r"span_2 \(2024-01-02\) has never been materialized"),
        (RANGE, {}, DuneResultError, "is partitioned, so that its rows are those of one partition"),
        (KEY, {"partition_key": DAYS[0]}, DuneResultError, "numbers_1 is not partitioned, so that it has no partition"),
        (KEY, {"partition_keys": DAYS[:2]}, DuneResultError, "Leave partition_key and partition_keys out"),
        (RANGE, {"partition_keys": 5}, DuneConfigurationError, r"must be a list of partitions, not 5. Give \['5'\]"),
        (
            RANGE,
            {"partition_keys": [date(2024, 1, 1)]},
            DuneConfigurationError,
            r"A partition's key is a text .* not datetime",
        ),
        (
            RANGE,
            {"partition_key": DAYS[:1]},
            DuneConfigurationError,
            r"A partition's key is a text .* not \['2024-01-01'\]",
        ),
        *((key, {}, DuneConfigurationError, "asset_key must be the key of an asset, not") for key in STRANGE_KEYS),
    ):
        for read in (resource.get_rows, resource.get_result):
            with pytest.raises(error, match=words):
                list(read(materialized, key, **wanted))
    assert len(dune.journal()) == before


# --- columns, pages, prices ---

NAMES = ["day", "a, b", ' "quoted" ', "with space", " before", "tail ", '"', ",", "é", "Ünïcode", "1", "select", "a;b"]


def test_columns_of_odd_names_are_read(dune, resource, instance):
    columns = ", ".join(f'{n} AS "{name.replace(chr(34), chr(34) * 2)}"' for n, name in enumerate(NAMES))
    dune.load_query(1, "numbers", f"SELECT {columns}")
    assert dg.materialize([ASSETS], resources={"dune": resource}, instance=instance).success
    for wanted in (NAMES, NAMES[::-1], *([name] for name in NAMES)):
        (row,) = resource.get_rows(instance, KEY, columns=wanted)
        assert row == {name: NAMES.index(name) for name in wanted}
        assert resource.get_result(instance, KEY, columns=wanted).to_pylist() == [row]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, unique=True))
@settings(max_examples=200)
def test_any_names_are_told_apart(names):
    result = ResultSet(tuple(Column(name, "bigint") for name in names), [dict.fromkeys(names, 1)])
    assert [column.name for column in cut(result, columns=comma_separated(names)).rows.columns] == names


def test_a_text_is_no_list_of_columns(materialized, resource):
    with pytest.raises(DuneConfigurationError, match=r"must be a list of names, not the text 'n'\. Write \['n'\]"):
        list(resource.get_rows(materialized, KEY, columns="n"))


def pages(dune):
    return [entry["path"] for entry in dune.journal() if "/results" in entry["path"]]


def test_pages_have_the_size_that_was_asked_for(dune, materialized, resource):
    assert list(resource.get_rows(materialized, KEY, page_size=2)) == FIVE
    assert len(pages(dune)) == 3
    assert resource.get_result(materialized, KEY, page_size=2).to_pylist() == FIVE
    assert len(pages(dune)) == 6
    for read in (resource.get_rows, resource.get_result):
        for size, words in (
            (0, "page_size must be at least 1, not 0"),
            ("5", "page_size must be a whole number, not '5'"),
        ):
            with pytest.raises(DuneConfigurationError, match=words):
                list(read(materialized, KEY, page_size=size))


def test_the_limit_of_one_request_can_be_lifted(dune, resource, instance):
    columns = ", ".join(f"a AS c{number}" for number in range(10))
    dune.load_query(
        1, "wide", f"SELECT {columns} FROM UNNEST(sequence(1, 260)) AS t(a) CROSS JOIN UNNEST(sequence(1, 100)) AS u(b)"
    )
    assert dg.materialize([ASSETS], resources={"dune": resource}, instance=instance).success
    for read in (lambda **options: list(resource.get_rows(instance, KEY, **options)), one_frame(resource, instance)):
        for is_lifted, count in ((False, 2), (True, 1)):
            before = len(pages(dune))
            assert len(read(page_size=26_000, ignore_max_credits_per_request=is_lifted)) == 26_000
            assert len(pages(dune)) - before == count


def one_frame(resource, instance):
    return lambda **options: resource.get_result(instance, KEY, **options)


def test_a_page_that_costs_too_much_says_what_to_do(dune, materialized, resource):
    dune.inject("status", path="*/results*", times=2, status=402, body={"error": "max credits per request exceeded"})
    for read in (resource.get_rows, resource.get_result):
        with pytest.raises(DuneCreditsExhaustedError, match="ignore_max_credits_per_request=True") as caught:
            list(read(materialized, KEY))
        assert "Nothing was started" not in str(caught.value)
        assert "page_size" in str(caught.value)
