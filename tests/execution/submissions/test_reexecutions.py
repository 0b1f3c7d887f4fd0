"""Runs that are tried again by `dg.execute_job(reexecution_options=...)`, which sets fields and no tags."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import dagster as dg
import pytest
import reexecuted_job
from sibling_runs import ONE
from waiting import wait_until

from dagster_dune._execution.submissions.run_group import Origin, RunGroup

pytestmark = pytest.mark.processes

BOTH = ["dune/acme/result_one", "dune/query_2"]
BROKEN, MENDED = f"SELECT CAST('x' AS BIGINT) AS n FROM {ONE}", f"SELECT n FROM {ONE}"


@pytest.fixture(scope="module")
def hands():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def lasting(home):
    with dg.DagsterInstance.from_config(home) as instance:
        yield instance


@pytest.fixture
def start(dune, home, hands):
    """A function that executes the job in another process, and returns its future."""
    dune.load_query(1, "one", "SELECT 1 AS n")
    dune.load_materialized_view(ONE, 1)
    dune.load_query(2, "two", MENDED)
    return lambda *again: hands.submit(reexecuted_job.execute, home, dune.api_key, dune.url, *again)


@pytest.fixture
def failed(dune, start):
    """A run whose first node ended well and whose second failed, which would not fail again."""
    dune.load_query(2, "two", BROKEN)
    run_id, succeeded, keys = start().result()
    assert (succeeded, keys) == (False, BOTH[:1])
    dune.load_query(2, "two", MENDED)
    return run_id


def completed(dune):
    """How often each object was executed well."""
    done = [execution for execution in dune.executions() if execution["state"] == "QUERY_STATE_COMPLETED"]
    return Counter(execution["materialized_view"] or f"query_{execution['query_id']}" for execution in done)


def lines(instance, run_id):
    return [record.event_log_entry.user_message for record in instance.get_records_for_run(run_id).records]


@pytest.mark.parametrize("strategy", ["from failure", "one step"])
def test_what_ended_well_is_taken_over_where_no_tag_says_so(dune, start, failed, lasting, strategy):
    again, succeeded, keys = start(failed, strategy).result()
    assert (succeeded, keys) == (True, BOTH)
    assert completed(dune) == {ONE: 1, "query_2": 1}
    assert not any(key.startswith("dagster/") and "retry" in key for key in lasting.get_run_by_id(again).tags)


def test_a_step_that_succeeds_after_its_retry_was_made_changes_nothing(start, failed, lasting):
    """A step's process may outlive its run; the retry, which no tag tells of, was made before the step ended well."""
    child, succeeded, _ = start(failed, "from failure").result()
    assert succeeded
    for kind in (dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.STEP_SUCCESS):
        for record in lasting.get_records_for_run(child, of_type=kind).records:
            lasting.report_dagster_event(record.event_log_entry.dagster_event, failed)
    assert RunGroup.of(lasting, child).origin is Origin.FROM_FAILURE
    other, _, _ = start(failed, "everything").result()
    assert RunGroup.of(lasting, other).origin is Origin.EVERYTHING


def test_everything_again_and_a_step_that_succeeded_run_anew(dune, start, failed):
    _, succeeded, _ = start(failed, "everything").result()
    assert succeeded
    assert completed(dune) == {ONE: 2, "query_2": 1}


def test_what_resumes_a_run_of_everything_that_sent_nothing_runs_everything_anew(dune, start):
    first, succeeded, _ = start().result()
    assert succeeded
    dune.inject("status", method="POST", path="/api/v1/pipelines/execute", status=402, body={"error": "no credits"})
    everything, succeeded, keys = start(first, "everything").result()
    assert (succeeded, keys) == (False, [])
    _, succeeded, keys = start(everything, "from failure").result()
    assert (succeeded, keys) == (True, BOTH)
    assert completed(dune) == {ONE: 2, "query_2": 2}


def test_what_resumes_a_run_of_everything_takes_over_what_that_had_taken_over(dune, start, lasting):
    """The pipeline still ran then, and has ended since."""
    dune.load_query(2, "two", BROKEN)
    dune.hold(2)
    first = start()
    dune.wait_until_held(2)
    (run,) = lasting.get_runs()
    everything = start(run.run_id, "everything")
    wait_until(
        lambda: any("Taking over 2 nodes" in line for run in lasting.get_runs() for line in lines(lasting, run.run_id))
    )
    dune.release()
    assert not first.result()[1]
    again, succeeded, keys = everything.result()
    assert (succeeded, keys) == (False, BOTH[:1])
    assert completed(dune) == {ONE: 1}
    dune.load_query(2, "two", MENDED)
    assert start(again, "from failure").result()[1:] == (True, BOTH)
    assert completed(dune) == {ONE: 1, "query_2": 1}


def test_two_children_at_once_send_what_is_missing_once(dune, start, failed):
    dune.hold(2)
    children = [start(failed, "from failure") for _ in range(2)]
    dune.wait_until_held(2)
    dune.release()
    assert [child.result()[1:] for child in children] == [(True, BOTH)] * 2
    assert completed(dune) == {ONE: 1, "query_2": 1}


def test_a_child_of_a_child_finds_what_its_uncle_has_sent(dune, start, failed):
    first, succeeded, _ = start(failed, "from failure").result()
    assert succeeded
    again, succeeded, keys = start(failed, "from failure").result()
    assert (succeeded, keys) == (True, BOTH)
    assert again != first
    assert completed(dune) == {ONE: 1, "query_2": 1}


def test_a_child_takes_over_what_it_can_read_though_the_root_is_deleted_and_sends_no_more(dune, start, failed, lasting):
    dune.hold(2)
    first = start(failed, "from failure")
    dune.wait_until_held(2)
    (child,) = [run for run in lasting.get_runs() if run.parent_run_id == failed]
    lasting.delete_run(failed)
    second = start(child.run_id, "everything")

    def taken_over():
        (grandchild,) = [run for run in lasting.get_runs() if run.parent_run_id == child.run_id] or [None]
        return grandchild and any("Taking over" in line for line in lines(lasting, grandchild.run_id))

    wait_until(taken_over)
    dune.release()
    assert first.result()[1:] == (True, BOTH)
    assert second.result()[1:] == (False, BOTH[1:])  # what the deleted run has sent is not known any more
    assert completed(dune) == {ONE: 1, "query_2": 1}


def test_a_child_of_a_deleted_parent_sends_nothing_that_it_cannot_know(dune, start, failed, lasting, calls):
    dune.load_query(2, "two", BROKEN)
    child, succeeded, _ = start(failed, "from failure").result()
    assert not succeeded
    before = len(calls())
    lasting.delete_run(failed)
    dune.load_query(2, "two", MENDED)
    again, succeeded, _ = start(child, "everything").result()
    assert not succeeded
    assert len(calls()) == before
    failures = lasting.get_records_for_run(again, of_type=dg.DagsterEventType.STEP_FAILURE).records
    told = failures[0].event_log_entry.dagster_event.step_failure_data
    assert f"{failed}, which this one goes back to, was deleted" in str(told)
