"""Selections by what assets are on Dune, and schedules over them."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from dagster_dune import (
    DuneCatalog,
    DuneCatalogError,
    DuneCheck,
    DuneConfigurationError,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_asset_selection,
    build_dune_assets,
    build_schedule_from_dune_selection,
)
from dagster_dune.schedules import RANGE_END_TAG, RANGE_START_TAG

CATALOG = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.acme.result_a", tags=["dex"]),
        MaterializedView(name="dune.beta.result_b"),
    ],
    queries=[Query(query_id=1, tags=["dex"], deps=["dune.acme.result_a"]), Query(query_id=2, deps=["query_1"])],
)
ASSETS = build_dune_assets(CATALOG)


def resolved(selection):
    return {key.to_user_string() for key in selection.resolve([ASSETS])}


@pytest.mark.parametrize(
    ("select", "exclude", "keys"),
    [
        ("tag:dex", (), {"dune/acme/result_a", "dune/query_1"}),
        ("dune.beta.*", (), {"dune/beta/result_b"}),
        ("kind:query", "2", {"dune/query_1"}),
        (["query_2", "result_a"], (), {"dune/query_2", "dune/acme/result_a"}),
        ("*", "kind:query", {"dune/acme/result_a", "dune/beta/result_b"}),
    ],
)
def test_selections(select, exclude, keys):
    assert resolved(build_dune_asset_selection([ASSETS], select, exclude)) == keys


def test_a_selection_can_be_widened():
    selection = build_dune_asset_selection([ASSETS], "query_2").upstream()
    assert resolved(selection) == {"dune/query_2", "dune/query_1", "dune/acme/result_a"}


def test_a_pattern_that_matches_nothing_is_an_error():
    with pytest.raises(DuneCatalogError, match="result_nope"):
        build_dune_asset_selection([ASSETS], "result_nope")


def test_what_exclude_does_not_match_is_a_warning_as_of_a_component(caplog):
    """What it was for may have been deleted on Dune, which must not take the whole code location down."""
    warned = "exclude: The pattern 'result_nope' matches nothing in the catalog."
    assert resolved(build_dune_asset_selection([ASSETS], "dune.beta.*", "result_nope")) == {"dune/beta/result_b"}
    assert [text for text in caplog.messages if text.startswith(warned)]
    assert schedule_over(exclude="result_nope").job_name == "dex_job"
    assert [text for text in caplog.messages if text.startswith(f"dex_job, {warned}")]


def test_a_pattern_that_matches_checks_alone_selects_nothing_and_is_an_error():
    """A job of nothing would be launched, and succeed."""
    check = DuneCheck(asset="query_1", name="few", kind="rows", query_id=5)
    queries = [Query(query_id=1), Query(query_id=5, deps=["query_1"], tags=["qa"])]
    checked = build_dune_assets(DuneCatalog(queries=queries, checks=[check]))
    for select in ("query_5", "tag:qa", ["5", "tag:qa"]):
        with pytest.raises(DuneCatalogError, match=r"selects no asset but checks \(query_5\)"):
            build_schedule_from_dune_selection([checked], "qa", "0 6 * * *", select=select)
    with pytest.raises(DuneCatalogError, match="query_1 selects no asset"):
        build_dune_asset_selection([checked], "query_1", exclude="*")
    assert build_dune_asset_selection([checked]).resolve([checked]) == checked.keys


def schedule_over(**options):
    return build_schedule_from_dune_selection([ASSETS], "dex_job", "0 6 * * *", select="tag:dex", **options)


@pytest.fixture
def instance():
    with dg.DagsterInstance.local_temp() as on_disk:
        yield on_disk


def definitions(schedule):
    return dg.Definitions(assets=[ASSETS], schedules=[schedule], resources={"dune": DuneResource(api_key="unused")})


def tick(schedule, instance):
    repository = definitions(schedule).get_repository_def()
    with dg.build_schedule_context(instance=instance, repository_def=repository) as context:
        return schedule.evaluate_tick(context)


def test_a_schedule_launches_the_selection_with_its_configuration(instance):
    schedule = schedule_over(tags={"team": "dex"}, config=DuneRunConfig(performance="large"))
    assert len(tick(schedule, instance).run_requests) == 1
    job = definitions(schedule).resolve_job_def("dex_job")
    assert job.run_config["ops"]["dune_assets"]["config"]["performance"] == "large"
    assert job.tags["team"] == "dex"
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {
        "dune/acme/result_a",
        "dune/query_1",
    }
    assert schedule.name == "dex_job_schedule"


def test_a_tick_is_skipped_while_a_run_is_under_way(instance):
    schedule = schedule_over(skip_if_running=True)
    job = definitions(schedule).resolve_job_def("dex_job")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert tick(schedule, instance).skip_message.endswith("of dex_job is still under way.")
    assert len(tick(schedule_over(), instance).run_requests) == 1


DAILY = {"kind": "daily", "start": "2024-01-01", "parameters": {"day": "{partition_key}"}}
CHAINS = {"kind": "static", "keys": ["base", "bnb", "zora"], "parameters": {"chain": "{partition_key}"}}


def tick_of_partitions(partitions, moment, **options):
    """What a tick at some moment launches, as its partition key or its range's tags."""
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, partitions=partitions)]))
    schedule = build_schedule_from_dune_selection([assets], "parts", "0 7 * * *", **options)
    with dg.DagsterInstance.ephemeral() as ephemeral:
        resources = {"dune": DuneResource(api_key="unused")}
        repository = dg.Definitions(assets=[assets], schedules=[schedule], resources=resources).get_repository_def()
        context = dg.build_schedule_context(ephemeral, scheduled_execution_time=moment, repository_def=repository)
        return schedule.evaluate_tick(context)


def test_a_tick_runs_the_partition_that_ended_last():
    morning = datetime(2024, 1, 20, 7, tzinfo=UTC)
    (request,) = tick_of_partitions(DAILY, morning).run_requests
    assert request.partition_key == "2024-01-19"
    (request,) = tick_of_partitions(DAILY, morning, partitions_per_tick=3).run_requests
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == ("2024-01-17", "2024-01-19")
    too_early = tick_of_partitions(DAILY, datetime(2024, 1, 1, 7, tzinfo=UTC))
    assert too_early.skip_message == "There is no partition yet."


def test_no_tick_repeats_the_last_partition_once_partitions_have_ended():
    ended = {**DAILY, "end": "2024-01-11"}
    (request,) = tick_of_partitions(ended, datetime(2024, 1, 11, 7, tzinfo=UTC)).run_requests
    assert request.partition_key == "2024-01-10"
    assert tick_of_partitions(ended, datetime(2024, 1, 12, 7, tzinfo=UTC)).skip_message == (
        "2024-01-10 was the last partition, and its turn is over."
    )
    (request,) = tick_of_partitions(ended, datetime(2024, 1, 12, 7, tzinfo=UTC), partitions_per_tick=3).run_requests
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == ("2024-01-09", "2024-01-10")


def test_a_schedule_and_its_job_say_what_they_materialize():
    schedule = schedule_over()
    assert schedule.description == "Materializes 2 Dune assets (tag:dex) in one pipeline call."
    assert definitions(schedule).resolve_job_def("dex_job").description == schedule.description
    assert schedule_over(description="All of DEX").description == "All of DEX"
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, partitions=DAILY)]))
    by_day = build_schedule_from_dune_selection([assets], "parts", "0 7 * * *", partitions_per_tick=3)
    assert by_day.description == (
        "Materializes the 3 partitions that ended last, of 1 Dune asset (all there are), in one pipeline call."
    )


def test_a_tick_runs_all_partitions_that_are_no_spans_of_time():
    (request,) = tick_of_partitions(CHAINS, datetime(2024, 1, 20, 7, tzinfo=UTC)).run_requests
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == ("base", "zora")


@pytest.mark.parametrize(
    ("partitions", "options", "error", "message"),
    [
        (DAILY, {"partitions_per_tick": 0}, DuneConfigurationError, "at least 1, not 0"),
        (CHAINS, {"partitions_per_tick": 2}, DuneConfigurationError, "partitions that are no spans of time"),
        (None, {"partitions_per_tick": 2}, DuneConfigurationError, "the job parts has no partitions"),
    ],
)
def test_a_schedule_of_partitions_that_cannot_be_is_refused(partitions, options, error, message):
    with pytest.raises(error, match=message):
        tick_of_partitions(partitions, None, **options)


def test_a_job_that_would_repeat_a_matview_is_refused_unless_told_to():
    catalog = DuneCatalog(
        materialized_views=[MaterializedView(name="dune.acme.result_a")],
        queries=[Query(query_id=1, partitions=DAILY)],
    )
    assets = build_dune_assets(catalog)
    with pytest.raises(DuneCatalogError, match=r"holds partitioned queries and also dune/acme/result_a"):
        build_schedule_from_dune_selection([assets], "mixed", "0 7 * * *")
    assert build_schedule_from_dune_selection([assets], "mixed", "0 7 * * *", repeat_unpartitioned=True)


def test_a_job_of_two_kinds_of_partitions_is_refused():
    sets = [
        build_dune_assets(DuneCatalog(queries=[Query(query_id=1, partitions=DAILY)]), name="by_day"),
        build_dune_assets(DuneCatalog(queries=[Query(query_id=2, partitions=CHAINS)]), name="by_chain"),
    ]
    with pytest.raises(DuneCatalogError, match="no run can be of both"):
        build_schedule_from_dune_selection(sets, "both", "0 7 * * *")
