"""What an attempt takes over, case by case, from runs as Dagster stores them."""

from datetime import timedelta

import dagster as dg
import pytest

from dagster_dune import AmbiguousSubmission, DuneCatalog, DuneResource, Query, build_dune_assets
from dagster_dune._execution.reattachment import Origin, decide
from dagster_dune._execution.submission_record import RunTagRecord
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2, deps=["query_1"])])
PLAN = plan_pipeline(CATALOG, {"query_1": "a", "query_2": "b"})
ASSETS = build_dune_assets(CATALOG)
DAY = timedelta(days=1)
RESUMED = {"dagster/is_resume_retry": "true"}
ASSET_RESUMED = {"dagster/is_asset_resume_retry": "true"}


@pytest.fixture
def job():
    definitions = dg.Definitions(
        assets=[ASSETS], jobs=[dg.define_asset_job("job")], resources={"dune": DuneResource(api_key="unused")}
    )
    return definitions.resolve_job_def("job")


@pytest.fixture
def make_run(instance, job):
    """A function that stores a run, perhaps as the child of another, with its tags inherited as Dagster does."""

    def make(parent=None, status=dg.DagsterRunStatus.FAILURE, tags=None, selection=None):
        inherited = {}
        if parent:
            parent = instance.get_run_by_id(parent.run_id)
            inherited = {key: value for key, value in parent.tags.items() if key != "dagster/is_resume_retry"}
            root = parent.root_run_id or parent.run_id
            inherited |= {"dagster/parent_run_id": parent.run_id, "dagster/root_run_id": root}
        return instance.create_run_for_job(
            job,
            status=status,
            tags={**inherited, **(tags or {})},
            parent_run_id=parent.run_id if parent else None,
            root_run_id=(parent.root_run_id or parent.run_id) if parent else None,
            asset_selection=selection,
        )

    return make


def submit(instance, run, plan=PLAN, pipeline="P1"):
    record = RunTagRecord(instance, run.run_id, "dune_assets")
    record.intend(plan)
    if pipeline:
        record.submitted(pipeline)
    return record


def attempt(instance, run, plan=PLAN, *, resume=True, max_age=DAY, runs_still=False):
    return decide(
        instance, run.run_id, "dune_assets", plan, resume=resume, max_age=max_age, still_runs=lambda _: runs_still
    )


def taken_over(decision):
    return {
        attachment.pipeline_execution_id: [(node.id, node.sql_name) for node in attachment.plan.nodes]
        for attachment in decision.attachments
    }


BOTH = {"P1": [(1, "query_1"), (2, "query_2")]}


def test_a_step_retry_follows_its_own_run(instance, make_run):
    run = make_run(status=dg.DagsterRunStatus.STARTED)
    submit(instance, run)
    assert taken_over(attempt(instance, run)) == BOTH


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
@pytest.mark.parametrize("tags", [RESUMED, ASSET_RESUMED])
def test_a_resuming_run_takes_over(instance, make_run, status, tags):
    parent = make_run(status=status)
    submit(instance, parent)
    assert taken_over(attempt(instance, make_run(parent, tags=tags))) == BOTH


def test_a_run_with_another_selection_takes_over(instance, make_run):
    parent = make_run()
    submit(instance, parent)
    child = make_run(parent, selection=frozenset([dg.AssetKey(["dune", "query_2"])]))
    decision = attempt(instance, child, plan_pipeline(CATALOG, {"query_2": "b"}))
    assert decision.origin is Origin.FROM_ASSET_FAILURE
    assert taken_over(decision) == {"P1": [(2, "query_2")]}


def test_an_inherited_tag_does_not_count(instance, make_run):
    parent = make_run(tags=ASSET_RESUMED)
    submit(instance, parent)
    decision = attempt(instance, make_run(parent))
    assert decision.origin is Origin.EVERYTHING
    assert taken_over(decision) == {}


@pytest.mark.parametrize("runs_still", [True, False])
def test_everything_again_takes_over_only_what_still_runs(instance, make_run, runs_still):
    parent = make_run()
    submit(instance, parent)
    expected = BOTH if runs_still else {}
    assert taken_over(attempt(instance, make_run(parent), runs_still=runs_still)) == expected


def test_a_repeated_success_starts_anew(instance, make_run):
    parent = make_run(status=dg.DagsterRunStatus.SUCCESS)
    submit(instance, parent)
    decision = attempt(instance, make_run(parent, tags=RESUMED), runs_still=True)
    assert decision.origin is Origin.ANEW
    assert taken_over(decision) == {}


def test_a_launch_knows_nothing_of_other_runs(instance, make_run):
    submit(instance, make_run())
    assert taken_over(attempt(instance, make_run())) == {}


def test_old_submissions_and_foreign_parameters_are_left_alone(instance, make_run):
    parent = make_run()
    submit(instance, parent)
    child = make_run(parent, tags=RESUMED)
    assert taken_over(attempt(instance, child, max_age=timedelta(0))) == {}
    changed = DuneCatalog(queries=[Query(query_id=1, query_parameters={"day": "2026-01-01"}), Query(query_id=2)])
    assert taken_over(attempt(instance, child, plan_pipeline(changed, {"query_1": "a"}))) == {}


def test_resuming_can_be_turned_off(instance, make_run):
    parent = make_run()
    submit(instance, parent)
    assert taken_over(attempt(instance, make_run(parent, tags=RESUMED), resume=False)) == {}


def test_the_newest_word_wins_also_that_of_a_sibling(instance, make_run):
    parent = make_run()
    submit(instance, parent)
    sibling = make_run(parent, tags=RESUMED)
    submit(instance, sibling, plan_pipeline(CATALOG, {"query_2": "b"}), "P2")
    child = make_run(parent, tags=RESUMED)
    assert taken_over(attempt(instance, child)) == {"P1": [(1, "query_1")], "P2": [(1, "query_2")]}


def test_a_lost_request_stops_every_retry_until_the_user_has_spoken(instance, make_run):
    parent = make_run()
    record = submit(instance, parent, pipeline=None)
    with pytest.raises(AmbiguousSubmission, match=f"dagster-dune/resubmit={record.id}"):
        attempt(instance, make_run(parent, tags=RESUMED))
    with pytest.raises(AmbiguousSubmission):
        attempt(instance, make_run(parent))
    allowed = make_run(parent, tags={**RESUMED, "dagster-dune/resubmit": record.id})
    assert taken_over(attempt(instance, allowed)) == {}


@pytest.mark.parametrize("options", [{}, {"resume": False}], ids=str)
@pytest.mark.parametrize("tags", [RESUMED, {}], ids=str)
def test_a_pipeline_that_the_user_has_found_is_taken_over(instance, make_run, tags, options):
    parent = make_run()
    record = submit(instance, parent, pipeline=None)
    adopting = make_run(parent, tags={**tags, "dagster-dune/adopt": f"0ther:P0, {record.id}:P9"})
    assert taken_over(attempt(instance, adopting, **options)) == {"P9": [(1, "query_1"), (2, "query_2")]}


def test_an_adopted_pipeline_needs_an_id(instance, make_run):
    parent = make_run()
    record = submit(instance, parent, pipeline=None)
    with pytest.raises(AmbiguousSubmission):
        attempt(instance, make_run(parent, tags={**RESUMED, "dagster-dune/adopt": record.id}))


def test_a_refused_request_stops_nothing(instance, make_run):
    parent = make_run()
    submit(instance, parent, pipeline=None).refused()
    assert taken_over(attempt(instance, make_run(parent, tags=RESUMED))) == {}


def test_another_definition_of_the_same_run_is_left_alone(instance, make_run):
    run = make_run(status=dg.DagsterRunStatus.STARTED)
    RunTagRecord(instance, run.run_id, "other").intend(PLAN)
    assert taken_over(attempt(instance, run)) == {}
