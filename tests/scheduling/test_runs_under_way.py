"""Which run a schedule with `skip_if_running` waits for, on an instance with more than one job of its job's name."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import teams_location
import yaml
from deployment import Deployment

from dagster_dune import (
    DuneCatalog,
    DuneCheck,
    DuneResource,
    Query,
    build_dune_assets,
    build_schedule_from_dune_selection,
)

MORNING = datetime(2026, 1, 1, 6, tzinfo=UTC)
DRY_RUN = """
mutation Tick($selector: ScheduleSelector!, $timestamp: Float) {
  scheduleDryRun(selectorData: $selector, timestamp: $timestamp) {
    __typename
    ... on DryRunInstigationTick { evaluationResult { skipReason error { message } runRequests { jobName } } }
    ... on PythonError { message }
  }
}
"""


def location(*query_ids, checks=()):
    """The definitions of a code location, and its schedule of the job `daily`."""
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=id_) for id_ in query_ids], checks=checks))
    schedule = build_schedule_from_dune_selection(
        [assets], "daily", "0 6 * * *", select=[str(id_) for id_ in query_ids], skip_if_running=True
    )
    resources = {"dune": DuneResource(api_key="unused")}
    return dg.Definitions(assets=[assets], schedules=[schedule], resources=resources)


CHECK = DuneCheck(asset="query_1", name="few", kind="row_count", at_least=1)
OWN = location(1, 2)


@pytest.fixture
def instance():
    with dg.DagsterInstance.local_temp() as on_disk:
        yield on_disk


def tick(definitions, instance):
    """Why a tick of the location's schedule is skipped; None if it is not."""
    repository = definitions.get_repository_def()
    (schedule,) = repository.schedule_defs
    with dg.build_schedule_context(instance, scheduled_execution_time=MORNING, repository_def=repository) as context:
        return schedule.evaluate_tick(context).skip_message


@dg.op
def other() -> None:
    pass


@dg.job(name="daily")
def no_assets():
    other()


@pytest.mark.parametrize("job", [location(3).resolve_job_def("daily"), no_assets])
def test_a_run_of_another_locations_job_is_not_waited_for(instance, job):
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert tick(OWN, instance) is None


@pytest.mark.parametrize("status", [status for status in dg.DagsterRunStatus if status.value != "QUEUED"])
def test_a_run_of_the_job_is_waited_for_until_it_has_ended(instance, status):
    for job in (no_assets, location(3).resolve_job_def("daily")):
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    run = instance.create_run_for_job(OWN.resolve_job_def("daily"), status=status)
    skipped = tick(OWN, instance) == f"Run {run.run_id} of daily is still under way."
    assert skipped is not run.is_finished


def test_a_run_of_the_job_as_it_was_or_of_a_part_of_it_counts(instance):
    before = location(9, 2).resolve_job_def("daily")
    run = instance.create_run_for_job(before, status=dg.DagsterRunStatus.STARTED)
    assert run.run_id in tick(OWN, instance)
    assert tick(location(1, 3), instance) is None


def test_a_run_of_checks_alone_counts(instance):
    checked = location(1, checks=[CHECK])
    (key,) = checked.resolve_asset_graph().asset_check_keys
    job = checked.resolve_job_def("daily").get_subset(asset_selection=set(), asset_check_selection={key})
    run = instance.create_run_for_job(job, asset_selection=set(), status=dg.DagsterRunStatus.STARTED)
    assert run.run_id in tick(checked, instance)


@pytest.mark.processes
def test_two_locations_of_one_deployment(dune, tmp_path):
    """Nothing takes runs from the queue here, so that they stay under way."""
    file = Path(teams_location.__file__)
    places = [
        {"python_file": {"relative_path": str(file), "attribute": team, "location_name": team}}
        for team in ("dex", "nft")
    ]
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": places}))
    with Deployment(tmp_path / "home", dune, ["-w", str(workspace)], "nft") as deployment:
        deployment.start_webserver()

        def ticked(team):
            selector = {
                "repositoryLocationName": team,
                "repositoryName": "__repository__",
                "scheduleName": "daily_schedule",
            }
            moment = MORNING.timestamp()
            answer = deployment.graphql(DRY_RUN, selector=selector, timestamp=moment)["scheduleDryRun"]
            assert answer["__typename"] == "DryRunInstigationTick", answer
            assert answer["evaluationResult"]["error"] is None
            return answer["evaluationResult"]["skipReason"]

        run_id = deployment.launch(job="daily")
        assert ticked("dex") is None
        assert ticked("nft") == f"Run {run_id} of daily is still under way."
