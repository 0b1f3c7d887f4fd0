"""Runs while Dagster's own storage misbehaves: nothing is sent without its record, and nothing paid is lost."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune import DuneCatalog, Query, build_dune_assets
from dagster_dune._execution.submissions import sender, submission_record
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import submissions_of

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
