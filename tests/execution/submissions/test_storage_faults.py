"""Runs while Dagster's own storage misbehaves: nothing is sent without its record, and nothing paid is lost."""

import json
import logging
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import dagster as dg
import pytest
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune import DuneCatalog, DuneCheck, DuneResource, Query, build_dune_assets
from dagster_dune._execution import event_log
from dagster_dune._execution.submissions import sender, submission_record
from dagster_dune._execution.submissions.actions import NotSent, Submit, View
from dagster_dune._execution.submissions.policy import policy_of
from dagster_dune._execution.submissions.run_group import RunGroup
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, submissions_of
from dagster_dune.errors import DunePipelineError
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=1)])
ASSETS = build_dune_assets(CATALOG)


@pytest.fixture(autouse=True)
def account(dune):
    dune.load_query(1, "one", "SELECT 1 AS n")


@pytest.fixture
def fail(instance, monkeypatch):
    """A function that lets the next writes of a word fail; what is stored all the same is stored before the error."""

    def arm(word, times, *, stores=False):
        store = instance.report_dagster_event
        left = [times]

        def failing(event, *args, **options):
            text = (event.logging_tags or {}).get("dagster-dune/submission")
            if text is None or json.loads(text)["word"] != word or left[0] == 0:
                return store(event, *args, **options)
            left[0] -= 1
            if stores:
                store(event, *args, **options)
            raise sqlite3.OperationalError("database is locked")

        monkeypatch.setattr(instance, "report_dagster_event", failing)

    return arm


def run(resource, instance, **options):
    return dg.materialize([ASSETS], resources={"dune": resource}, instance=instance, raise_on_error=False, **options)


def records(instance):
    return submissions_of(instance, instance.get_runs(), "dune_assets")


def failure_of(result):
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.user_failure_data.description


def log_of(instance):
    records_ = [record for run_ in instance.get_runs() for record in instance.get_records_for_run(run_.run_id).records]
    return [record.event_log_entry.user_message for record in records_]


@pytest.mark.parametrize("stores", [True, False])
def test_a_hiccup_after_the_answer_ends_nothing(resource, instance, calls, fail, stores):
    fail("answer", 3, stores=stores)
    result = run(resource, instance)
    assert result.success
    assert len(calls()) == 1
    (record,) = records(instance)
    assert record.state is State.ANSWERED


@pytest.mark.parametrize("stores", [True, False])
def test_a_hiccup_before_the_request_delays_it(resource, instance, calls, fail, stores):
    fail("intent", 2, stores=stores)
    assert run(resource, instance).success
    assert len(calls()) == 1
    assert [record.state for record in records(instance)] == [State.ANSWERED]


@pytest.mark.parametrize("stores", [True, False])
def test_an_intent_that_is_never_confirmed_is_not_sent_and_stops_no_retry(
    resource, instance, calls, fail, stores, monkeypatch
):
    monkeypatch.setattr(submission_record, "WRITE_SECONDS", 0.3)
    fail("intent", 100, stores=stores)
    result = run(resource, instance)
    (event,) = result.get_step_failure_events()
    assert "not confirmed" in event.step_failure_data.user_failure_data.description
    assert calls() == []
    assert all(record.state is State.WITHDRAWN for record in records(instance))
    fail("intent", 0)
    monkeypatch.undo()
    assert run(resource, instance).success
    assert len(calls()) == 1


def test_an_answer_that_is_never_kept_is_told_with_what_to_do(resource, instance, calls, fail, monkeypatch):
    monkeypatch.setattr(sender, "LAST_SECONDS", 0.2)
    fail("answer", 10_000)
    result = run(resource, instance)
    assert result.success
    (record,) = records(instance)
    assert record.state is State.INTENDED
    (told,) = [text for text in log_of(instance) if "has not kept" in text]
    assert f"dagster-dune/adopt={record.id}:" in told


def test_an_interrupt_while_an_answer_is_not_kept_ends_its_writing(resource, instance, fail, monkeypatch):
    """Python waits for the threads of a pool before a process ends."""
    monkeypatch.setattr(sender, "LAST_SECONDS", PATIENCE)
    fail("answer", 10_000)

    def interrupt():
        wait_until(lambda: any("Waiting until Dagster's storage has kept" in text for text in log_of(instance)))
        press_ctrl_c()

    with ThreadPoolExecutor(1) as presser:
        presser.submit(interrupt)
        assert not run(resource, instance).success
    wait_until(lambda: not any(thread.name.startswith("dune-record") for thread in threading.enumerate()))


def test_where_nobody_knows_whether_the_run_goes_on_nothing_is_sent_and_no_retry_is_stopped(instance):
    """It is not a lost answer: the request was never sent."""
    definitions = dg.Definitions(assets=[ASSETS], resources={"dune": DuneResource(api_key="unused")})
    stored = instance.create_run_for_job(definitions.resolve_implicit_global_asset_job_def())
    plan = plan_pipeline(CATALOG, {"query_1": "a"})

    def unreadable():
        raise DunePipelineError("Dagster's storage could not be read: OSError: away", hint="Look at it.")

    sending = sender.Sender(
        SubmissionRecord(instance, stored, "dune_assets"),
        plan,
        lambda: pytest.fail("it was sent"),
        look=lambda: View(()),
        still_wanted=unreadable,
        log=logging.getLogger(__name__),
    )
    policy = policy_of(
        RunGroup.of(instance, stored.run_id), resume=True, max_age=timedelta(days=1), retry_failed_nodes=False
    )
    with pytest.raises(NotSent, match=r"The pipeline was not sent. Dagster's storage could not be read: OSError"):
        sending.carry_out(Submit(frozenset(plan.digests), frozenset()), policy)
    (record,) = submissions_of(instance, [stored])
    assert record.state is State.WITHDRAWN


READS = ("get_run_by_id", "get_runs", "get_records_for_run", "get_execution_plan_snapshot", "fetch_materializations")


def is_ours():
    """Whether this library called what calls the caller of this function; Dagster calls the same for itself."""
    frames = (sys._getframe(depth) for depth in range(2, 5))
    return any(frame.f_globals["__name__"].startswith("dagster_dune._execution") for frame in frames)


@pytest.fixture
def fail_reads(monkeypatch):
    """A function that lets each read of this library fail so often before it succeeds."""

    def arm(instance, times, names=READS):
        def failing(read):
            left = [times]

            def attempt(*args, **options):
                if is_ours() and left[0] > 0:
                    left[0] -= 1
                    raise sqlite3.OperationalError("database is locked")
                left[0] = times
                return read(*args, **options)

            return attempt

        for name in names:
            monkeypatch.setattr(instance, name, failing(getattr(instance, name)))

    return arm


CHECKED = build_dune_assets(
    CATALOG,
    checks=[
        DuneCheck(asset="query_1", name="steady", kind="value", query_id=2, change_at_most="20%"),
        DuneCheck(asset="query_1", name="as_many", kind="row_count", factor_at_most=2),
    ],
)


def test_reads_that_fail_for_a_moment_end_no_attempt(dune, resource, instance, calls, fail_reads):
    dune.load_query(2, "two", "SELECT 1 AS n")
    dune.inject("failing_node", node=2)
    fail_reads(instance, 1)
    options = {"resources": {"dune": resource}, "instance": instance, "raise_on_error": False}
    first = dg.materialize([CHECKED], **options)
    assert "check has no result" in failure_of(first)
    names = dict.fromkeys(["dagster/root_run_id", "dagster/parent_run_id"], first.run_id)
    again = dg.materialize([CHECKED], tags={**names, "dagster/is_resume_retry": "true"}, **options)
    assert again.success
    assert len(again.get_asset_check_evaluations()) == 2
    assert [len(call["pipeline"]["nodes"]) for call in calls()] == [2, 1]


def test_a_storage_that_cannot_be_read_is_told(resource, instance, calls, fail_reads, monkeypatch):
    monkeypatch.setattr(event_log, "READ_SECONDS", 0.1)
    fail_reads(instance, 1000)
    assert "DunePipelineError: Dagster's storage could not be read: OperationalError" in failure_of(
        run(resource, instance)
    )
    assert calls() == []


@pytest.mark.parametrize("times", [2, 1000])
def test_a_termination_while_the_storage_cannot_be_read(dune, resource, home, monkeypatch, fail_reads, times):
    """It is heard of once the storage can be read again; until then, nobody knows of it."""
    if times == 1000:
        monkeypatch.setattr(event_log, "READ_SECONDS", 0.1)
    dune.hold(1)

    def terminate(lasting):
        dune.wait_until_held(1, timeout=PATIENCE)
        wait_until(lambda: any("/pipelines/executions/" in entry["path"] for entry in dune.journal()))
        (stored,) = lasting.get_runs()
        lasting.report_run_canceling(stored)
        fail_reads(lasting, times, ["get_run_by_id", "get_records_for_run"])
        press_ctrl_c()

    with dg.DagsterInstance.from_config(home) as lasting, ThreadPoolExecutor() as threads:
        threads.submit(terminate, lasting)
        with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
            dg.materialize([ASSETS], resources={"dune": resource}, instance=lasting)
        told = log_of(lasting)
    cancelled = [entry for entry in dune.journal() if entry["path"].endswith("/cancel")]
    assert len(cancelled) == (times == 2)
    assert any("Whether somebody has terminated the run is not known." in line for line in told) == (times == 1000)
    assert any("goes on running on Dune" in line for line in told) == (times == 1000)
