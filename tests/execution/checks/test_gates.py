"""What is run again after a gate has said no: nothing by itself, all of it by hand, and nothing past the gate."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import dagster as dg
import gated_location as location
import pytest
from gated_location import A, B
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune import DuneCheck, DunePlanError, build_dune_assets
from dagster_dune._execution.checks.gates import gated_plan
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.api.client import DuneApiClient
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.run import Polling, follow

KEYS = {A: dg.AssetKey(A.split(".")), B: dg.AssetKey(B.split(".")), 4: dg.AssetKey(["dune", "query_4"])}
RESUMES = {"dagster/is_resume_retry": "true"}
RESUMES_ASSETS = {"dagster/is_asset_resume_retry": "true"}
AUTOMATIC = {"dagster/retry_number": "1"}
EVERYTHING = {}
LOG = logging.getLogger(__name__)


@pytest.fixture
def world(dune, calls, monkeypatch, instance):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    location.load(dune)
    return World(dune, calls, instance)


class World:
    def __init__(self, dune, calls, instance):
        self.dune, self.instance = dune, instance
        self._calls, self._seen = calls, 0

    def run(self, parent=None, *, job=location.gated, tags=EVERYTHING, assets=None):
        """Run the job, perhaps again after another run, with the tags that tell Dagster's ways apart."""
        options = dg.ReexecutionOptions(parent_run_id=parent.run_id) if parent else None
        return dg.execute_job(
            dg.reconstructable(job),
            self.instance,
            tags={**(self.inherited(parent) if parent else {}), **tags},
            reexecution_options=options,
            asset_selection=assets,
        )

    def inherited(self, parent):
        """The tags that Dagster gives to a run that repeats another."""
        run = self.instance.get_run_by_id(parent.run_id)
        kept = {key: value for key, value in run.tags.items() if key not in (*RESUMES, *AUTOMATIC)}
        return {**kept, "dagster/root_run_id": run.root_run_id or run.run_id}

    def sent(self):
        """What was sent since it was last asked, call by call."""
        bodies = self._calls()[self._seen :]
        self._seen += len(bodies)
        return [sorted((target(node) for node in body["pipeline"]["nodes"]), key=str) for body in bodies]


def target(node):
    return node["materialized_view_refresh"]["name"] if "materialized_view_refresh" in node else query(node)


def query(node):
    return node["query_execution"]["query_id"]


def materialized(result):
    events = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    return {event.asset_key.path[-1] for event in events}


def failure(result):
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return event.step_failure_data.user_failure_data.description


@pytest.fixture
def closed(world):
    """A run whose gate has said no, and which has another failure beside it."""
    result = world.run()
    assert not result.success
    assert world.sent() == [[14, 3, 4, A, B]]
    assert materialized(result) == {"result_amounts"}
    assert f"2 were skipped because of check gate of {A}" in failure(result)
    return result


@pytest.mark.parametrize("how", [RESUMES, RESUMES_ASSETS, EVERYTHING])
def test_an_automatic_retry_sends_nothing_that_the_gate_held_back(world, closed, how):
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    again = world.run(closed, tags={**how, **AUTOMATIC})
    assert not again.success
    assert world.sent() == [[3]]
    assert materialized(again) >= {"query_3"}
    assert f"check gate of {A}: It said no in run {closed.run_id}" in failure(again)
    once_more = world.run(again, tags={**how, "dagster/retry_number": "2"})
    assert world.sent() == ([] if how == RESUMES else [[3]])
    assert f"check gate of {A}: It said no in run {closed.run_id}" in failure(once_more)


def test_an_automatic_retry_that_takes_nothing_over_does_not_ask_again_either(world, closed):
    world.run(closed, job=location.anew, tags=AUTOMATIC)
    assert world.sent() == [[3]]


def test_a_step_retry_sends_nothing_that_the_gate_held_back(world):
    result = world.run(job=location.retried)
    assert not result.success
    assert world.sent() == [[14, 3, 4, A, B]]


@pytest.mark.parametrize("how", [RESUMES, RESUMES_ASSETS, EVERYTHING])
def test_by_hand_the_asset_the_gate_and_its_readers_run_anew(world, closed, how):
    """From asset failure Dagster selects the gate's asset again, though it was materialized."""
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    location.amounts(world.dune, 1)
    again = world.run(closed, tags=how)
    assert again.success
    assert world.sent() == [[14, 3, 4, A, B]]
    assert materialized(again) == {"result_amounts", "result_totals", "query_3", "query_4"}


@pytest.mark.parametrize("how", [RESUMES, RESUMES_ASSETS, EVERYTHING])
@pytest.mark.parametrize("bad", [[500], [1, 1, 1]])
def test_by_hand_what_another_blocking_check_said_no_of_runs_anew(world, how, bad):
    """Its query, or a check without one: by itself nothing, by hand the asset and what checks and reads it."""
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    location.amounts(world.dune, *bad)
    first = world.run(job=location.blocked)
    assert world.sent() == [[14, 15, 3, 4, A, B]]
    retry = world.run(first, job=location.blocked, tags={**RESUMES, **AUTOMATIC})
    assert not retry.success
    assert "1 blocking check failed" in failure(retry)
    assert world.sent() == []
    location.amounts(world.dune, 1)
    again = world.run(retry, job=location.blocked, tags={**AUTOMATIC, **how})
    assert again.success
    assert world.sent() == [[14, 15, 3, 4, A, B] if how == EVERYTHING else [14, 15, 4, A, B]]


def test_by_hand_again_after_the_refusals_of_two_checks(world):
    """The later no of one counts also where the other said no before."""
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    location.amounts(world.dune, -1, 500)
    first = world.run(job=location.blocked)
    assert world.sent() == [[14, 15, 3, 4, A, B]]
    location.amounts(world.dune, -1)
    second = world.run(first, job=location.blocked, tags=RESUMES)
    assert world.sent() == [[14, 15, 4, A, B]]
    location.amounts(world.dune, 1)
    third = world.run(second, job=location.blocked, tags=RESUMES)
    assert world.sent() == [[14, 15, 4, A, B]]
    assert third.success


def test_by_hand_again_after_another_no(world, closed):
    second = world.run(closed, tags=RESUMES)
    assert world.sent() == [[14, 3, 4, A, B]]
    retry = world.run(second, tags={**RESUMES, **AUTOMATIC})
    assert world.sent() == [[3]]
    assert not retry.success
    location.amounts(world.dune, 1)
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    third = world.run(retry, tags={**RESUMES, **AUTOMATIC})
    assert third.success
    assert world.sent() == [[14, 3, 4, A, B]]


def test_an_automatic_retry_of_a_run_by_hand_takes_over_what_that_has_sent(world, closed):
    location.amounts(world.dune, 1)
    by_hand = world.run(closed, tags=RESUMES)
    assert not by_hand.success
    assert world.sent() == [[14, 3, 4, A, B]]
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    assert world.run(by_hand, tags={**RESUMES, **AUTOMATIC}).success
    assert world.sent() == [[3]]


def nobody_is_asked(plan, pipeline):
    raise AssertionError((plan, pipeline))


@pytest.mark.parametrize("tags", [EVERYTHING, RESUMES_ASSETS, {**RESUMES_ASSETS, **AUTOMATIC}])
def test_readers_without_their_gate_are_refused_while_it_says_no(world, closed, tags):
    assets = DuneAssetSet.of_definition(next(iter(location.definitions().assets)), frozenset([KEYS[B], KEYS[4]]))
    plan = plan_pipeline(assets.catalog, assets.selection, extra_deps=assets.deps_by_name)
    again = world.instance.create_run_for_job(
        location.gated(), parent_run_id=closed.run_id, root_run_id=closed.run_id, tags=tags
    )
    with pytest.raises(DunePlanError, match=f"The gate gate of {A} said no in run {closed.run_id}.*: {B}. Nothing"):
        gated_plan(world.instance, again.run_id, assets, plan, nobody_is_asked, resume=True)
    first = world.instance.create_run_for_job(location.gated())
    assert gated_plan(world.instance, first.run_id, assets, plan, nobody_is_asked, resume=True).plan == plan


def test_a_reader_alone_is_not_gated_where_no_gate_has_said_no(world):
    location.amounts(world.dune, 1)
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    assert world.run().success
    location.amounts(world.dune, -1)
    assert world.run(assets=[KEYS[B]]).success


def test_a_gate_that_failed_to_run_is_asked_again_before_its_readers(world):
    world.dune.load_query(14, "gate", f"SELECT missing FROM {A}")
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    result = world.run()
    assert "check gate of dune.acme.result_amounts: " in failure(result)
    assert world.sent() == [[14, 3, 4, A, B]]
    world.dune.load_query(14, "gate", location.GATE_SQL)
    location.amounts(world.dune, 1)
    again = world.run(result, tags={**RESUMES, **AUTOMATIC})
    assert world.sent() == [[14, 4, B]]
    assert not again.success  # the amounts of the first attempt are those that are checked
    assert "1 blocking check failed" in failure(again)


def test_by_hand_again_takes_over_what_the_run_by_hand_before_has_sent(world, closed):
    """And not the old answer of the gate, that stands in the pipeline before."""
    location.amounts(world.dune, 1)
    second = world.run(closed, tags=RESUMES)
    assert not second.success
    assert world.sent() == [[14, 3, 4, A, B]]
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    for parent in (second, closed):
        third = world.run(parent, tags=RESUMES)
        assert third.success, failure(third)
    assert world.sent() == [[3]]


@pytest.fixture
def untold(world, finish_pipeline):
    """A run whose process has died after the gate's no, so that it has told nothing."""
    return dead_run(world, finish_pipeline)


def dead_run(world, finish_pipeline, *, is_held=False, sent_as=("dune_assets", None)):
    definition = next(iter(location.definitions().assets))
    assets = replace(DuneAssetSet.of_definition(definition), selected=frozenset(definition.keys))
    plan = plan_pipeline(assets.catalog, assets.selection, extra_deps=assets.deps_by_name, checks=[location.GATE])
    run = world.instance.create_run_for_job(location.gated(), status=dg.DagsterRunStatus.FAILURE)
    record = SubmissionRecord(world.instance, run, *sent_as)
    assert record.intend(plan)
    with DuneApiClient(world.dune.api_key, world.dune.url, timeout=PATIENCE, max_retries=0) as client:
        pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
        if is_held:
            world.dune.wait_until_held(14, timeout=PATIENCE)
        else:
            finish_pipeline(client, pipeline)
    assert record.close(State.ANSWERED, pipeline)
    assert world.sent() == [[14, 3, 4, A, B]]
    return run


@pytest.mark.parametrize("how", [RESUMES, RESUMES_ASSETS, EVERYTHING])
def test_a_no_that_nobody_has_told_is_heard_by_an_automatic_retry(world, untold, how):
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    again = world.run(untold, tags={**how, **AUTOMATIC})
    assert not again.success
    assert world.sent() == [[3]]
    assert materialized(again) == {"result_amounts", "query_3"}
    (found,) = said(again)
    assert not found.passed
    assert "gate closed" not in failure(again)
    assert "1 blocking check failed" in failure(again)


def test_so_is_one_that_was_asked_for_while_the_definition_had_another_name(world, finish_pipeline):
    """Its step, in the plan of the run that asked, had the gate."""
    untold = dead_run(world, finish_pipeline, sent_as=("old_name", "dune_assets"))
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    again = world.run(untold, tags=AUTOMATIC)
    assert not again.success
    assert materialized(again) == {"result_amounts", "query_3"}
    assert world.sent() == [[3]]


def said(result):
    events = [event for event in result.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
    return [event.asset_check_evaluation_data for event in events]


@pytest.mark.parametrize("how", [RESUMES, EVERYTHING])
def test_a_no_that_nobody_has_told_is_taken_over_by_hand_where_that_resumes(world, untold, how):
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    again = world.run(untold, tags=how)
    assert not again.success
    assert world.sent() == ([[3]] if how == RESUMES else [[14, 3, 4, A, B]])


def readers_of(world, parent, tags):
    """The nodes of a run that repeats what a gate held back, without the gate, and its id."""
    definition = next(iter(location.definitions().assets))
    assets = DuneAssetSet.of_definition(definition, frozenset([KEYS[B], KEYS[4]]))
    run = world.instance.create_run_for_job(
        location.gated(), parent_run_id=parent.run_id, root_run_id=parent.run_id, tags=tags
    )
    return assets, plan_pipeline(assets.catalog, assets.selection, extra_deps=assets.deps_by_name), run.run_id


def reading(world):
    """Ask the local Dune as a step does."""

    def of(plan, submission, *, is_own=True):
        pipeline, polling = submission.pipeline_execution_id, Polling(0.01, 0.1)
        with DuneApiClient(world.dune.api_key, world.dune.url, timeout=PATIENCE, max_retries=0) as client:
            for outcomes in follow(client, plan, pipeline, polling=polling, log=LOG, size=len(submission.node_ids)):
                yield from outcomes

    return of


@pytest.mark.parametrize("tags", [EVERYTHING, RESUMES_ASSETS, {**EVERYTHING, **AUTOMATIC}])
def test_readers_without_their_gate_are_refused_after_a_no_that_nobody_has_told(world, untold, tags):
    assets, plan, run_id = readers_of(world, untold, tags)
    with pytest.raises(DunePlanError, match=f"said no in run {untold.run_id}, and this run repeats"):
        gated_plan(world.instance, run_id, assets, plan, reading(world), resume=False)
    world.run(untold, tags={**RESUMES, **AUTOMATIC})  # tells it
    with pytest.raises(DunePlanError, match=f"The gate gate of {A} said no in run"):
        gated_plan(world.instance, run_id, assets, plan, nobody_is_asked, resume=False)


def test_what_a_sibling_has_heard_counts(world, untold):
    sibling = world.run(untold, tags={**RESUMES, **AUTOMATIC})
    world.sent()
    again = world.run(untold, tags={**EVERYTHING, "dagster/retry_number": "2"})
    assert f"check gate of {A}: It said no in run {sibling.run_id}" in failure(again)
    assert world.sent() == [[3]]
    location.amounts(world.dune, 1)
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    by_hand = world.run(untold, tags=RESUMES)
    assert by_hand.success, failure(by_hand)
    assert world.sent() == [[14, 3, 4, A, B]]
    assets, plan, run_id = readers_of(world, untold, RESUMES_ASSETS)
    assert gated_plan(world.instance, run_id, assets, plan, nobody_is_asked, resume=True).plan == plan


def test_other_checks_of_an_asset_that_runs_anew_are_asked_anew(world, closed):
    """Their old answers are of rows that are gone."""
    rows = DuneCheck(asset=A, name="rows", kind="rows", query_id=15)
    definition = build_dune_assets(location.CATALOG, checks=[location.GATE, rows])
    assets = replace(DuneAssetSet.of_definition(definition), selected=frozenset(definition.keys))
    checks = [location.GATE, rows]
    plan = plan_pipeline(assets.catalog, assets.selection, extra_deps=assets.deps_by_name, checks=checks)
    again = world.instance.create_run_for_job(
        location.gated(), parent_run_id=closed.run_id, root_run_id=closed.run_id, tags=RESUMES
    )
    ruled = gated_plan(world.instance, again.run_id, assets, plan, nobody_is_asked, resume=True).plan
    assert {node.sql_name: node.anew_after for node in ruled.nodes} == {
        name: "" if name == "query_3" else closed.run_id
        for name in (A, B, "query_3", "query_4", "query_14", "query_15")
    }


@pytest.mark.parametrize("selects_gate", [False, True])
def test_a_gate_that_is_waited_for_is_cancelled_only_where_it_is_selected(world, finish_pipeline, selects_gate):
    """Whoever runs what it held back without it waits for its answer, and does not take it over."""
    world.dune.hold(14)
    dead = dead_run(world, finish_pipeline, is_held=True)
    parent = {**world.inherited(dead), "dagster/parent_run_id": dead.run_id}
    how = {"tags": {**parent, **(AUTOMATIC if selects_gate else RESUMES_ASSETS)}}

    def terminate():
        polled = f"GET /api/v1/pipelines/executions/{pipeline}/status"
        wait_until(lambda: [f"{e['method']} {e['path']}" for e in world.dune.journal()].count(polled) > before)
        world.instance.report_run_canceling(world.instance.get_runs(limit=1)[0])
        press_ctrl_c()

    (pipeline,) = {e["pipeline_execution_id"] for e in world.dune.executions()}
    before = sum(e["path"].endswith(f"{pipeline}/status") for e in world.dune.journal())
    with ThreadPoolExecutor() as threads:
        threads.submit(terminate)
        with suppress(KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            world.run(**how, assets=None if selects_gate else [KEYS[B], KEYS[4]])
    cancels = [entry for entry in world.dune.journal() if entry["path"].endswith("/cancel")]
    assert len(cancels) == selects_gate
    (run,) = world.instance.get_runs(limit=1)
    assert run.run_id != dead.run_id
    told = [record.event_log_entry.user_message for record in world.instance.get_records_for_run(run.run_id).records]
    goes_on = [line for line in told if f"dagster-dune cancel {pipeline}" in line]
    assert len(goes_on) == (not selects_gate)
    assert all("has not selected: " in line and "query_14" in line for line in goes_on)
