"""What becomes of the pipelines that an attempt is attached to, when it is terminated or runs into its timeout."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune import DuneCatalog, Query, build_dune_assets
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2), Query(query_id=3, deps=["query_2"])])
ASSETS = build_dune_assets(CATALOG)
RESUMED = {"dagster/is_resume_retry": "true"}
INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)
CANCELLED, EXECUTING = "QUERY_STATE_CANCELLED", "QUERY_STATE_EXECUTING"


@pytest.fixture
def instance(home):
    """An instance that lasts: where it ends with its process, every interrupt cancels."""
    with dg.DagsterInstance.from_config(home) as lasting:
        yield lasting


class World:
    """Runs that have ended while their pipelines run on, and what a retry of the last one makes of these."""

    def __init__(self, dune, client, instance, resource_with, make_run, submit):
        self.dune, self.instance = dune, instance
        self._client, self._resource_with = client, resource_with
        self._make_run, self._submit = make_run, submit
        self._runs, self._records = [], []
        for number in (1, 2, 3):
            dune.load_query(number, f"query {number}", f"SELECT {number} AS n")
            dune.hold(number)

    def sends(self, *numbers, until_held):
        """Let another run of the run group send some queries in a pipeline, wait until one runs, and fail."""
        plan = plan_pipeline(CATALOG, {f"query_{number}": "" for number in numbers})
        pipeline = self._client.execute_pipeline(plan.to_wire()).pipeline_execution_id
        self.dune.wait_until_held(until_held, timeout=PATIENCE)
        run = self._make_run(self._runs[-1] if self._runs else None)
        self._records.append(self._submit(run, plan, pipeline, after=[record.id for record in self._records]))
        self._runs.append(run)
        return pipeline

    def retry(self, *numbers, how=RESUMED, raises=False, **settings):
        """Try the last run again, for some of the queries."""
        parent, root = self._runs[-1].run_id, self._runs[0].run_id
        return dg.materialize(
            [ASSETS],
            resources={"dune": self._resource_with(**settings)},
            instance=self.instance,
            selection=[f"dune/query_{number}" for number in numbers],
            tags={"dagster/parent_run_id": parent, "dagster/root_run_id": root, **how},
            raise_on_error=raises,
        )

    def last_run(self):
        return self.instance.get_runs(limit=1)[0]

    def told(self):
        """What the last run has logged."""
        records = self.instance.get_records_for_run(self.last_run().run_id).records
        return [record.event_log_entry.user_message for record in records]

    def interrupt(self, *numbers, once, is_terminated, **settings):
        """Retry, and interrupt that once the log says so."""
        known = {run.run_id for run in self.instance.get_runs()}

        def interrupt():
            wait_until(lambda: self.last_run().run_id not in known and any(once in line for line in self.told()))
            if is_terminated:
                self.instance.report_run_canceling(self.last_run())
            press_ctrl_c()

        with ThreadPoolExecutor() as threads:
            threads.submit(interrupt)
            with pytest.raises(INTERRUPTS):
                self.retry(*numbers, raises=True, **settings)

    def end(self, how, *numbers, once, **settings):
        """Retry, and let that end early: by a termination, or by its timeout."""
        if how == "termination":
            self.interrupt(*numbers, once=once, is_terminated=True, **settings)
        else:
            result = self.retry(*numbers, run_timeout=0.5, **settings)
            (event,) = result.get_step_failure_events()
            assert "has not ended within 0.5 s" in event.step_failure_data.user_failure_data.description

    def states(self):
        """The state of each execution, by its pipeline and query."""
        return {(e["pipeline_execution_id"], e["query_id"]): e["state"] for e in self.dune.executions()}


@pytest.fixture
def world(dune, client, instance, resource_with, make_run, submit):
    return World(dune, client, instance, resource_with, make_run, submit)


def executing(pipeline):
    """What the log says once a pipeline is followed, and some of it runs."""
    return f"Pipeline {pipeline} after"


@pytest.mark.parametrize("how", ["termination", "timeout"])
def test_what_an_attempt_has_not_selected_is_named_and_left_alone(world, how):
    pipeline = world.sends(1, 2, 3, until_held=2)
    world.dune.wait_until_held(1, timeout=PATIENCE)
    world.end(how, 1, once=executing(pipeline))
    assert world.states() == {(pipeline, 1): CANCELLED, (pipeline, 2): EXECUTING}
    (line,) = [line for line in world.told() if "go on running on Dune" in line]
    assert (
        f"Pipeline {pipeline} may go on running on Dune with what this run has not selected: query_2, query_3." in line
    )
    assert f"dagster-dune cancel {pipeline}" in line
    assert not any(line.endswith("is stopped.") for line in world.told())


@pytest.mark.parametrize("how", ["termination", "timeout"])
def test_every_pipeline_that_an_attempt_is_attached_to_is_cancelled(world, how):
    """They are followed one after another; the first is followed when the attempt ends."""
    first, second = world.sends(2, 3, until_held=2), world.sends(1, until_held=1)
    world.end(how, 1, 2, 3, once=executing(first))
    assert world.states() == {(first, 2): CANCELLED, (second, 1): CANCELLED}
    told = world.told()
    assert {f"Pipeline {pipeline} is stopped." for pipeline in (first, second)} <= set(told)
    assert not any("go on" in line or "goes on" in line for line in told)


@pytest.mark.parametrize("how", ["termination", "timeout"])
def test_where_nothing_is_to_be_cancelled_every_pipeline_is_named(world, how):
    first, second = world.sends(2, 3, until_held=2), world.sends(1, until_held=1)
    world.end(how, 1, 2, 3, once=executing(first), cancel_on_termination=False)
    assert set(world.states().values()) == {EXECUTING}
    for pipeline in (first, second):
        assert (
            f"Pipeline {pipeline} is left to Dune (cancel_on_termination is off). To stop it: dagster-dune cancel "
            f"{pipeline}" in world.told()
        )


def test_an_interrupt_that_cancels_nothing_names_every_pipeline(world):
    first, second = world.sends(2, 3, until_held=2), world.sends(1, until_held=1)
    world.interrupt(1, 2, 3, once=executing(first), is_terminated=False)
    assert set(world.states().values()) == {EXECUTING}
    run_id = world.last_run().run_id
    how = f"To take it over, retry run {run_id} from failure; to stop it: dagster-dune cancel"
    told = world.told()
    assert f"Pipeline {first} goes on running on Dune. {how} {first}" in told
    assert f"Pipeline {second}, which was to be followed next, may go on running on Dune. {how} {second}" in told


def test_a_pipeline_that_was_followed_to_its_end_is_not_named(world):
    first, second = world.sends(2, 3, until_held=2), world.sends(1, until_held=1)
    world.dune.release(2)
    world.dune.release(3)
    world.interrupt(1, 2, 3, once=executing(second), is_terminated=False)
    (line,) = [line for line in world.told() if "running on Dune" in line]
    assert f"Pipeline {second} goes on" in line
    assert first not in line


def test_a_pipeline_that_turns_out_to_have_ended_is_not_named(world, client, finish_pipeline):
    """A run that repeats everything follows only what still runs."""
    first, second = world.sends(2, 3, until_held=2), world.sends(1, until_held=1)
    world.dune.release(2)
    world.dune.release(3)
    finish_pipeline(client, first)
    world.interrupt(1, 2, 3, once=executing(second), is_terminated=False, how={})
    (line,) = [line for line in world.told() if "running on Dune" in line]
    assert f"Pipeline {second} goes on" in line


def test_several_pipelines_that_cannot_be_cancelled_are_all_named(world, monkeypatch):
    monkeypatch.setattr("dagster_dune.pipeline.cancel.CANCEL_SECONDS", 1.0)
    first, second = world.sends(2, 3, until_held=2), world.sends(1, until_held=1)
    world.dune.inject("status", method="POST", path="/api/v1/execution/*/cancel", times=None, status=503)
    world.end("timeout", 1, 2, 3, once="", max_retries=0)
    told = world.told()
    assert f"These may still run in pipeline {first}, and cost: query_2, query_3." in told
    assert f"These may still run in pipeline {second}, and cost: query_1." in told
    assert not any(line.endswith("is stopped.") for line in told)
