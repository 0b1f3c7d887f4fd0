"""What an attempt takes over and what it sends, case by case, from runs as Dagster stores them."""

import json
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from dagster_dune import AmbiguousSubmission, DuneCatalog, MaterializedView, Query
from dagster_dune._execution.submissions import submission_record
from dagster_dune._execution.submissions.run_group import Origin, RunGroup, make_findable
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, submissions_of
from dagster_dune.errors import DunePipelineError
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2, deps=["query_1"])])
PLAN = plan_pipeline(CATALOG, {"query_1": "a", "query_2": "b"})
ONE, TWO = (plan_pipeline(CATALOG, {name: "a"}) for name in ("query_1", "query_2"))
RESUMED = {"dagster/is_resume_retry": "true"}
ASSET_RESUMED = {"dagster/is_asset_resume_retry": "true"}
BOTH = {"P1": [(1, "query_1"), (2, "query_2")]}
NAMES = ["query_1", "query_2"]


def test_a_step_retry_follows_its_own_run(make_run, submit, attempt):
    run = make_run(status=dg.DagsterRunStatus.STARTED)
    submit(run)
    assert attempt(run).taken_over == BOTH


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
@pytest.mark.parametrize("tags", [RESUMED, ASSET_RESUMED])
def test_a_resuming_run_takes_over(make_run, submit, attempt, status, tags):
    parent = make_run(status=status)
    submit(parent)
    told = attempt(make_run(parent, tags=tags))
    assert (told.taken_over, told.sent) == (BOTH, [])


def test_what_failed_is_sent_again_by_another_run_alone(make_run, submit, attempt):
    parent = make_run()
    submit(parent)
    assert attempt(make_run(parent, tags=RESUMED), failing=["query_2"]).sent == ["query_2"]
    assert attempt(parent, failing=["query_2"]).sent == []
    assert attempt(parent, failing=["query_2"], retry_failed_nodes=True).sent == ["query_2"]


def test_a_run_with_another_selection_takes_over(instance, make_run, submit, attempt):
    parent = make_run()
    submit(parent)
    child = make_run(parent, selection=frozenset([dg.AssetKey(["dune", "query_2"])]))
    assert RunGroup.of(instance, child.run_id).origin is Origin.FROM_ASSET_FAILURE
    assert attempt(child, TWO).taken_over == {"P1": [(2, "query_2")]}


@pytest.mark.parametrize("resumes", [True, False])
def test_what_still_runs_but_reads_what_is_sent_anew_is_waited_for_and_sent_too(make_run, submit, attempt, resumes):
    parent = make_run()
    first = submit(parent)
    submit(make_run(parent, tags=RESUMED), TWO, "P2", after=[first.id])
    told = attempt(make_run(parent, tags=RESUMED if resumes else {}), runs_still=["P2"])
    both = {"P1": [(1, "query_1")], "P2": [(1, "query_2")]}
    assert (told.taken_over, told.ended, told.sent) == ((both, [], []) if resumes else ({}, ["P2"], NAMES))


def test_what_still_runs_is_taken_over_beside_what_is_sent_anew(make_run, submit, attempt):
    catalog = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2)])
    apart = plan_pipeline(catalog, {"query_1": "a", "query_2": "b"})
    parent = make_run()
    first = submit(parent, apart)
    submit(make_run(parent, tags=RESUMED), TWO, "P2", after=[first.id])
    told = attempt(make_run(parent), apart, runs_still=["P2"])
    assert (told.taken_over, told.ended, told.sent) == ({"P2": [(1, "query_2")]}, [], ["query_1"])


def test_a_part_of_a_run_that_succeeded_is_run_anew(instance, make_run, submit, attempt):
    parent = make_run(status=dg.DagsterRunStatus.SUCCESS)
    submit(parent)
    child = make_run(parent, selection=frozenset([dg.AssetKey(["dune", "query_2"])]))
    assert RunGroup.of(instance, child.run_id).origin is Origin.ANEW
    told = attempt(child, TWO)
    assert (told.taken_over, told.sent) == ({}, ["query_2"])


def test_an_inherited_tag_does_not_count_where_something_was_materialized(
    instance, make_run, materialize, submit, attempt
):
    parent = make_run(tags=ASSET_RESUMED)
    submit(parent)
    materialize(parent)
    child = make_run(parent)
    assert RunGroup.of(instance, child.run_id).origin is Origin.EVERYTHING
    told = attempt(child)
    assert (told.taken_over, told.sent) == ({}, NAMES)


def test_from_asset_failure_twice_with_the_same_selection_takes_over(make_run, submit, attempt):
    """Dagster says the same of it as of everything again; the parent has materialized nothing, so it is the same."""
    parent = make_run(tags=ASSET_RESUMED)
    submit(parent)
    told = attempt(make_run(parent))
    assert (told.taken_over, told.sent) == (BOTH, [])


ONE_CHECK, BOTH_CHECKS = (
    frozenset(dg.AssetCheckKey(dg.AssetKey(["dune", "query_1"]), name) for name in names) for names in ("a", "ab")
)


def test_from_asset_failure_twice_with_other_checks_takes_over(instance, make_run, submit, attempt):
    """Of checks alone, or of assets that are none of the parent's, the checks are all that differs."""
    parent = make_run(tags=ASSET_RESUMED, selection=frozenset(), checks=BOTH_CHECKS)
    submit(parent)
    child = make_run(parent, selection=frozenset(), checks=ONE_CHECK)
    assert RunGroup.of(instance, child.run_id).origin is Origin.FROM_ASSET_FAILURE
    assert attempt(child, TWO).taken_over == {"P1": [(2, "query_2")]}


def test_all_checks_are_no_others_than_those_that_nobody_has_named(instance, make_run):
    parent = make_run()
    child = make_run(parent, checks=ONE_CHECK)
    assert RunGroup.of(instance, child.run_id).origin is Origin.EVERYTHING


@pytest.mark.parametrize(
    ("passed", "blocking", "origin"),
    [
        (False, True, Origin.FROM_ASSET_FAILURE),
        (False, False, Origin.EVERYTHING),
        (True, True, Origin.EVERYTHING),
    ],
)
def test_from_asset_failure_twice_after_a_blocking_check_said_no(
    instance, make_run, materialize, evaluate, passed, blocking, origin
):
    """Dagster selects its asset again, so that the selection may be the same though something was materialized."""
    parent = make_run(tags=ASSET_RESUMED)
    materialize(parent)
    evaluate(parent, passed, blocking)
    assert RunGroup.of(instance, make_run(parent).run_id).origin is origin


@pytest.mark.parametrize("tags", [RESUMED, ASSET_RESUMED])
def test_a_retry_of_a_run_that_succeeds_meanwhile_takes_over(instance, make_run, submit, attempt, tags):
    """Dagster accepts a re-execution from asset failure of a run that has not ended."""
    parent = make_run(status=dg.DagsterRunStatus.STARTED)
    submit(parent)
    child = make_run(parent, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent("PIPELINE_SUCCESS", parent.job_name, message="It has succeeded."), parent.run_id
    )
    assert instance.get_run_by_id(parent.run_id).is_success
    told = attempt(child)
    assert (told.taken_over, told.sent) == (BOTH, [])


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS])
def test_everything_again_takes_over_only_what_still_runs(make_run, submit, attempt, status):
    parent = make_run(status=status)
    submit(parent)
    running, ended = attempt(make_run(parent), runs_still=["P1"]), attempt(make_run(parent))
    assert (running.taken_over, running.sent) == (BOTH, [])
    assert (ended.taken_over, ended.sent) == ({}, NAMES)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
def test_what_resumes_a_run_of_everything_takes_over_nothing_older_than_that(
    instance, make_run, submit, attempt, status
):
    first = make_run(status=status)
    old = submit(first)
    everything = make_run(first)
    retry = make_run(everything, tags=RESUMED)
    assert RunGroup.of(instance, retry.run_id).origin is Origin.FROM_FAILURE
    told = attempt(retry)
    assert (told.taken_over, told.sent) == ({}, NAMES)
    submit(everything, ONE, "P2", after=[old.id])
    told = attempt(retry)
    assert (told.taken_over, told.sent) == ({"P2": [(1, "query_1")]}, ["query_2"])
    assert attempt(make_run(first, tags=RESUMED)).taken_over == {"P1": [(2, "query_2")], "P2": [(1, "query_1")]}


@pytest.mark.parametrize("resumes", [True, False])
def test_unless_that_has_taken_it_over_while_it_ran(instance, make_run, submit, attempt, resumes):
    first = make_run()
    submit(first)
    everything = make_run(first)
    assert attempt(everything, runs_still=["P1"]).taken_over == BOTH
    told = attempt(make_run(everything, tags=RESUMED) if resumes else everything)
    assert (told.taken_over, told.sent) == (BOTH, [])
    told = attempt(make_run(everything, tags=RESUMED) if resumes else everything, max_age=timedelta(0))
    assert (told.taken_over, told.sent) == ({}, NAMES)
    told = attempt(make_run(everything))
    assert (told.taken_over, told.sent) == ({}, NAMES)


def test_a_repeated_success_starts_anew_but_waits_for_what_a_sibling_is_sending(instance, make_run, submit, attempt):
    parent = make_run(status=dg.DagsterRunStatus.SUCCESS)
    submit(parent)
    sibling, child = (make_run(parent) for _ in range(2))
    assert RunGroup.of(instance, child.run_id).origin is Origin.ANEW
    submit(sibling, pipeline=None)
    with pytest.raises(AmbiguousSubmission, match=sibling.run_id):
        attempt(child)


def test_a_launch_knows_nothing_of_other_runs(instance, make_run, submit, attempt):
    submit(make_run(), pipeline=None)
    run = make_run()
    assert RunGroup.of(instance, run.run_id).origin is Origin.FIRST
    assert attempt(run).sent == NAMES


def test_old_pipelines_and_foreign_parameters_are_left_alone(make_run, submit, attempt):
    parent = make_run()
    submit(parent)
    child = make_run(parent, tags=RESUMED)
    assert attempt(child, max_age=timedelta(0)).sent == NAMES
    changed = DuneCatalog(queries=[Query(query_id=1, query_parameters={"day": "2026-01-01"}), Query(query_id=2)])
    told = attempt(child, plan_pipeline(changed, {"query_1": "a"}))
    assert (told.taken_over, told.sent) == ({}, ["query_1"])


def test_no_age_closes_an_intent(make_run, submit, attempt):
    parent = make_run()
    submit(parent, pipeline=None)
    with pytest.raises(AmbiguousSubmission):
        attempt(make_run(parent, tags=RESUMED), max_age=timedelta(0))


def test_without_resuming_an_old_pipeline_is_waited_for_and_everything_sent_anew(make_run, submit, attempt):
    parent = make_run()
    submit(parent)
    told = attempt(make_run(parent, tags=RESUMED), resume=False)
    assert (told.taken_over, told.ended, told.sent) == ({}, ["P1"], NAMES)


def test_the_last_word_wins_also_that_of_a_sibling(make_run, submit, attempt):
    parent = make_run()
    first = submit(parent)
    submit(make_run(parent, tags=RESUMED), TWO, "P2", after=[first.id])
    told = attempt(make_run(parent, tags=RESUMED))
    assert told.taken_over == {"P1": [(1, "query_1")], "P2": [(1, "query_2")]}


def test_where_nobody_knows_the_order_every_pipeline_is_asked_before_anything_is_sent(make_run, submit, attempt):
    parent = make_run()
    submit(parent, ONE, "P1")
    submit(make_run(parent, tags=RESUMED), ONE, "P2")
    told = attempt(make_run(parent, tags=RESUMED), ONE, failing=["query_1"])
    assert set(told.taken_over) == {"P1", "P2"}
    assert told.sent == ["query_1"]


@pytest.mark.parametrize("state", [None, State.LOST])
def test_a_lost_request_stops_every_retry_until_the_user_has_spoken(make_run, submit, attempt, state):
    parent = make_run()
    record = submit(parent, pipeline=None, state=state)
    for tags in (RESUMED, {}):
        with pytest.raises(AmbiguousSubmission, match=f"dagster-dune/resubmit={record.id}"):
            attempt(make_run(parent, tags=tags))
    allowed = make_run(parent, tags={**RESUMED, "dagster-dune/resubmit": record.id})
    assert attempt(allowed).sent == NAMES


def test_what_was_sent_again_at_the_users_word_closes_the_lost_request_for_others(make_run, submit, attempt):
    parent = make_run()
    lost = submit(parent, pipeline=None, state=State.LOST)
    submit(make_run(parent, tags={**RESUMED, "dagster-dune/resubmit": lost.id}), pipeline="P2", after=[lost.id])
    told = attempt(make_run(parent, tags=RESUMED))
    assert told.taken_over == {"P2": [(1, "query_1"), (2, "query_2")]}


@pytest.mark.parametrize("options", [{}, {"resume": False}], ids=str)
@pytest.mark.parametrize("tags", [RESUMED, {}], ids=str)
def test_a_pipeline_that_the_user_has_found_is_taken_over(make_run, submit, attempt, tags, options):
    parent = make_run()
    record = submit(parent, pipeline=None)
    adopting = make_run(parent, tags={**tags, "dagster-dune/adopt": f"0ther:P0, {record.id}:P9"})
    assert attempt(adopting, **options).taken_over == {"P9": [(1, "query_1"), (2, "query_2")]}


def test_a_tag_that_was_heard_does_not_count_for_what_repeats_everything(instance, make_run, submit, attempt):
    parent = make_run()
    record = submit(parent, pipeline=None, state=State.LOST)
    adopting = make_run(parent, tags={"dagster-dune/adopt": f"{record.id}:P9"})
    assert attempt(adopting).taken_over == {"P9": BOTH["P1"]}
    assert attempt(adopting).taken_over == {"P9": BOTH["P1"]}
    assert attempt(make_run(adopting, tags=RESUMED)).taken_over == {"P9": BOTH["P1"]}
    told = attempt(make_run(adopting))
    assert (told.taken_over, told.sent) == ({}, NAMES)


def test_an_adopted_pipeline_needs_an_id(make_run, submit, attempt):
    parent = make_run()
    record = submit(parent, pipeline=None)
    with pytest.raises(AmbiguousSubmission):
        attempt(make_run(parent, tags={**RESUMED, "dagster-dune/adopt": record.id}))


@pytest.mark.parametrize("state", [State.REFUSED, State.WITHDRAWN])
def test_what_was_surely_not_started_stops_nothing(make_run, submit, attempt, state):
    parent = make_run()
    submit(parent, pipeline=None, state=state)
    assert attempt(make_run(parent, tags=RESUMED)).sent == NAMES


def test_another_definition_of_the_same_run_is_left_alone(instance, make_run, attempt):
    run = make_run(status=dg.DagsterRunStatus.STARTED)
    assert SubmissionRecord(instance, run, "other").intend(PLAN)
    assert attempt(run).sent == NAMES


def sent_as(definition, instance, run, plan=PLAN, pipeline="P1"):
    record = SubmissionRecord(instance, run, definition)
    assert record.intend(plan)
    assert pipeline is None or record.close(State.ANSWERED, pipeline)


def test_what_an_earlier_run_has_sent_counts_though_its_definition_has_another_name_now(instance, make_run, attempt):
    parent = make_run()
    sent_as("old_name", instance, parent)
    told = attempt(make_run(parent, tags=RESUMED))
    assert (told.taken_over, told.sent) == (BOTH, [])


def test_so_does_an_open_intent_of_a_definition_that_held_the_node_then(instance, make_run, attempt):
    parent = make_run()
    sent_as("old_name", instance, parent, TWO, pipeline=None)
    with pytest.raises(AmbiguousSubmission):
        attempt(make_run(parent, tags=RESUMED))
    assert attempt(make_run(parent, tags=RESUMED), ONE).sent == ["query_1"]


def test_a_node_that_two_definitions_of_a_run_have_sent_stays_with_each(instance, make_run, submit, attempt):
    parent = make_run()
    sent_as("other", instance, parent, pipeline="P0")
    submit(parent, pipeline="P1")
    child = make_run(parent, tags=RESUMED)
    sent_as("other", instance, child, pipeline=None)
    assert attempt(child).taken_over == BOTH


def test_a_pipeline_is_as_large_as_it_was_sent_whichever_of_its_nodes_are_wanted(instance, make_run, submit, attempt):
    """A name in its answers stands for a node only where one node of all the pipeline has it."""
    parent = make_run()
    sent_as("other", instance, parent, pipeline="P0")
    submit(parent, ONE, pipeline="P1")
    told = attempt(make_run(parent, tags=RESUMED))
    assert told.taken_over == {"P1": [(1, "query_1")], "P0": [(2, "query_2")]}
    assert told.sizes == {"P1": 1, "P0": 2}


# The run group.


def test_siblings_without_a_tag_find_each_other(instance, make_run, submit, attempt):
    """As `dg.execute_job(reexecution_options=...)` makes them: a root run id, and no tag."""
    parent = make_run()
    first, second = (make_run(parent, tags=RESUMED, is_tagged=False) for _ in range(2))
    make_findable(instance, first)
    submit(first)
    assert attempt(second).taken_over == BOTH
    assert {run.run_id for run in RunGroup.of(instance, second.run_id).members} == {
        run.run_id for run in (parent, first, second)
    }
    tags = instance.get_run_by_id(first.run_id).tags
    assert [(key, len(value)) for key, value in tags.items() if "dune" in key] == [(".dagster/dune_family", 36)]


def test_runs_that_dagster_has_tagged_get_no_tag_of_ours(instance, make_run):
    parent = make_run()
    child = make_run(parent)
    for run in (parent, child):
        make_findable(instance, run)
        assert not any(key.startswith(".dagster/") for key in instance.get_run_by_id(run.run_id).tags)


def test_a_run_that_cannot_be_made_findable_sends_nothing(instance, make_run, monkeypatch):
    child = make_run(make_run(), is_tagged=False)
    monkeypatch.setattr(submission_record, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(instance, "add_run_tags", lambda *_: None)
    with pytest.raises(
        DunePipelineError, match=f"could not be written to run {child.run_id}, so that nothing was sent"
    ):
        make_findable(instance, child)


def test_a_run_that_was_deleted_while_it_ran_sends_nothing(instance, make_run):
    run = make_run()
    instance.delete_run(run.run_id)
    with pytest.raises(DunePipelineError, match=f"does not know run {run.run_id}, which this step belongs to"):
        RunGroup.of(instance, run.run_id)


def test_where_the_parent_is_gone_what_can_be_read_is_taken_over_and_nothing_is_sent(
    instance, make_run, submit, attempt
):
    parent = make_run()
    submit(parent)
    sibling, child = (make_run(parent, tags=RESUMED) for _ in range(2))
    submit(sibling, ONE, "P2")
    instance.delete_run(parent.run_id)
    with pytest.raises(DunePipelineError, match=f"{parent.run_id}, which this one goes back to, was deleted"):
        attempt(child)
    told = attempt(child, ONE)
    assert (told.taken_over, told.sent) == ({"P2": [(1, "query_1")]}, [])
    released = make_run(parent, tags={**RESUMED, "dagster-dune/resubmit": parent.run_id})
    assert attempt(released, TWO).sent == ["query_2"]


# Records of 0.1, which stood in run tags. The file holds those of real runs.


def of_0_1(kind):
    return json.loads(Path(__file__).with_name("record_of_0_1.json").read_text())[kind]["tags"]


OLD = DuneCatalog(
    materialized_views=[
        MaterializedView(name="dune.acme.result_one_100", query_id=100),
        MaterializedView(name="dune.acme.result_two_100", query_id=101, deps=["dune.acme.result_one_100"]),
    ],
    queries=[Query(query_id=102, slug="three", deps=["dune.acme.result_two_100"])],
)
OLD_PLAN = plan_pipeline(OLD, {obj.sql_name: obj.sql_name for obj in OLD})


@pytest.mark.parametrize(
    ("kind", "state"), [("answered", State.ANSWERED), ("ambiguous", State.INTENDED), ("refused", State.REFUSED)]
)
def test_a_record_of_0_1_is_read(instance, make_run, kind, state):
    run = make_run(tags=of_0_1(kind))
    (submission,) = submissions_of(instance, [run], "plain")
    assert submission.state is state
    assert set(submission.node_ids) == set(OLD_PLAN.digests)
    assert (submission.pipeline_execution_id is not None) == (kind == "answered")


def test_the_last_record_of_0_1_wins_by_its_clock(instance, make_run):
    def tags(id_, hour, pipeline):
        at = f"2026-11-25T{hour}:00:00+00:00"
        return {
            f"dagster-dune/intent/dune_assets/{id_}": json.dumps({"run_id": "r", "at": at, "nodes": {}}),
            f"dagster-dune/pipeline/dune_assets/{id_}": json.dumps({"pipeline_execution_id": pipeline}),
        }

    run = make_run(tags={**tags("b", 10, "P1"), **tags("a", 11, "P2")})
    by_pipeline = {s.pipeline_execution_id: s for s in submissions_of(instance, [run], "dune_assets")}
    assert by_pipeline["P2"].follows(by_pipeline["P1"])
    assert not by_pipeline["P1"].follows(by_pipeline["P2"])
