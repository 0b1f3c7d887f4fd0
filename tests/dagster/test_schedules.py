"""Selections by what assets are on Dune, and schedules over them."""

import dagster as dg
import pytest

from dagster_dune import (
    DuneCatalog,
    DuneCatalogError,
    DuneResource,
    DuneRunConfig,
    MaterializedView,
    Query,
    build_dune_asset_selection,
    build_dune_assets,
    build_schedule_from_dune_selection,
)

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
