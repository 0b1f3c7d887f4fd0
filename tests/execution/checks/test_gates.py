"""What is run again after a gate has said no: nothing by itself, all of it by hand, and nothing past the gate."""

import dagster as dg
import gated_location as location
import pytest
from gated_location import A, B

from dagster_dune import DunePlanError
from dagster_dune._execution.checks.gates import ruling
from dagster_dune._specs.asset_set import DuneAssetSet
from dagster_dune.pipeline.plan import plan_pipeline

KEYS = {A: dg.AssetKey(A.split(".")), B: dg.AssetKey(B.split(".")), 4: dg.AssetKey(["dune", "query_4"])}
RESUMES = {"dagster/is_resume_retry": "true"}
RESUMES_ASSETS = {"dagster/is_asset_resume_retry": "true"}
AUTOMATIC = {"dagster/retry_number": "1"}
EVERYTHING = {}


@pytest.fixture
def world(dune, calls, monkeypatch, tmp_path):
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    location.load(dune)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield World(dune, calls, instance)


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


@pytest.mark.parametrize("how", [RESUMES, EVERYTHING])
def test_by_hand_the_asset_the_gate_and_its_readers_run_anew(world, closed, how):
    world.dune.load_query(3, "other", "SELECT 1 AS one")
    location.amounts(world.dune, 1)
    again = world.run(closed, tags=how)
    assert again.success
    assert world.sent() == [[14, 3, 4, A, B]]
    assert materialized(again) == {"result_amounts", "result_totals", "query_3", "query_4"}


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


@pytest.mark.parametrize("tags", [EVERYTHING, RESUMES_ASSETS, {**RESUMES_ASSETS, **AUTOMATIC}])
def test_readers_without_their_gate_are_refused_while_it_says_no(world, closed, tags):
    assets = DuneAssetSet.of_definition(next(iter(location.definitions().assets)), frozenset([KEYS[B], KEYS[4]]))
    plan = plan_pipeline(assets.catalog, assets.selection, extra_deps=assets.deps_by_name)
    again = world.instance.create_run_for_job(
        location.gated(), parent_run_id=closed.run_id, root_run_id=closed.run_id, tags=tags
    )
    with pytest.raises(DunePlanError, match=f"The gate gate of {A} said no in run {closed.run_id}.*: {B}. Nothing"):
        ruling(world.instance, again.run_id, assets, plan)
    first = world.instance.create_run_for_job(location.gated())
    assert ruling(world.instance, first.run_id, assets, plan).plan == plan


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
