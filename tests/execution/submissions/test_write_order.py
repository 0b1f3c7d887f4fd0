"""Which of several writes of one table goes first, in whatever order they act, and for how long it is waited for."""

import contextlib
import gc
import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from types import SimpleNamespace

import dagster as dg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from waiting import PATIENCE, wait_until

from dagster_dune._execution.submissions import write_record
from dagster_dune._execution.submissions.write import Write
from dagster_dune._execution.submissions.write_record import Step, WriteRecord
from dagster_dune.errors import DuneUploadError
from dagster_dune.metadata import WRITE_KEY

TABLE = "dune.acme.labels"
WRITERS = 4


@dg.job
def job():
    dg.op(name="nothing")(lambda: None)()


def new_write(instance):
    """The record of a write in a run of its own."""
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    step = Step(instance, run, "labels", logging.getLogger(__name__))
    return WriteRecord(step, Write(TABLE, replaces=True, marker=None, settle_seconds=600.0))


def run_of(record):
    return record._run.run_id


def entries(record):
    return list(write_record.entries_under(WRITE_KEY, record._instance, run_of(record)))


def is_begun(record):
    return any(entry["word"] == "begun" for entry in entries(record))


@contextlib.contextmanager
def ending(*records):
    """End writes, whatever becomes of a test: others would wait for them for ever."""
    try:
        yield
    finally:
        for record in records:
            record.end()


# --- several at the same moment ---


class Turns:
    """Lets threads act one at a time, in an order that is given.

    Args:
        number: How many threads there are.
        order: The number of the thread that is next, again and again; all in turn where it ends. One that has ended is
            left out.
    """

    def __init__(self, number, order):
        self._order = chain(order, count())
        self._waiting = dict.fromkeys(range(number))
        self._changed = threading.Condition()
        self._of_thread = threading.local()
        self._next = None

    @contextlib.contextmanager
    def taken_by(self, thread):
        """Be one of the threads."""
        self._of_thread.number = thread
        try:
            self.take()
            yield
        finally:
            with self._changed:
                del self._waiting[thread]
                self._choose()

    def take(self):
        """Wait until it is one's turn."""
        with self._changed:
            self._waiting[self._of_thread.number] = True
            self._choose()
            assert self._changed.wait_for(lambda: self._next == self._of_thread.number, PATIENCE)
            self._next = None
            self._waiting[self._of_thread.number] = None

    def _choose(self):
        if self._waiting and all(self._waiting.values()) and self._next is None:
            threads = sorted(self._waiting)
            self._next = threads[next(self._order) % len(threads)]
            self._changed.notify_all()


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), max_size=12),
    st.lists(st.integers(-500, 500), min_size=3, max_size=3),
)
@example([(0, 3), (1, 5), (0, 9)], [0, 0, 0])  # one has looked, and not yet said when it begins
@example([(0, 5), (1, 9)], [500, -500, 0])  # one begins after the other, and its clock says before
@example([(0, 3), (1, 3), (0, 2), (1, 3)], [0, 0, 0])
def test_one_goes_on_at_a_time_in_whatever_order_they_act(order, clocks):
    """Each act is one with the storage; between two of them others do anything, and clocks differ by minutes."""
    turns = Turns(3, [number for number, times in order for _ in range(times)])
    inside, went, clock = set(), [], threading.local()
    store, runs = write_record.acknowledged, WriteRecord._runs

    def write(number):
        clock.ahead = clocks[number]
        with turns.taken_by(number), ending(records[number]):
            records[number].begin()
            inside.add(number)
            assert inside == {number}
            records[number].go_on()
            inside.remove(number)
            went.append(number)

    stopped = SimpleNamespace(time=lambda: time.time() + clock.ahead, sleep=lambda _: None)
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.ephemeral() as instance:
        patched.setattr(write_record, "time", stopped)
        patched.setattr(write_record, "acknowledged", lambda act: (turns.take(), store(act))[1])
        patched.setattr(WriteRecord, "_runs", lambda record: (turns.take(), runs(record))[1])
        patched.setattr(WriteRecord, "_send_heartbeats", lambda _: None)
        records = [new_write(instance) for _ in range(3)]
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(write, range(3)))
    assert sorted(went) == [0, 1, 2]


@pytest.mark.parametrize("slow", [0.0, 0.6])
def test_of_writes_that_begin_at_the_same_moment_one_goes_on_at_a_time(stored, slow, monkeypatch):
    """However slow the storage is, which nobody takes for an answer."""
    inside, order, begun = set(), [], threading.Barrier(WRITERS)
    store = write_record.acknowledged

    def late(act):
        time.sleep(random.uniform(0, slow))
        is_stored = store(act)
        time.sleep(random.uniform(0, slow))
        return is_stored

    def write(number):
        record = new_write(stored)
        begun.wait(PATIENCE)
        with ending(record):
            record.begin()
            inside.add(number)
            assert inside == {number}
            record.go_on()
            time.sleep(0.2)
            inside.remove(number)
            order.append(number)

    monkeypatch.setattr(write_record, "acknowledged", late)
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(write, range(WRITERS)))
    assert sorted(order) == list(range(WRITERS))


# --- for how long a write is waited for ---


@pytest.fixture
def pass_time(monkeypatch):
    """A function that lets time go on, without anybody sleeping for long, and each time waits for a condition."""
    passed = []
    stopped = SimpleNamespace(time=lambda: time.time() + sum(passed), sleep=lambda _: time.sleep(0.01))
    monkeypatch.setattr(write_record, "time", stopped)
    monkeypatch.setattr(write_record, "ALIVE_SECONDS", 0.05)

    def go_on(minutes, until):
        for _ in range(minutes):
            passed.append(60.0)
            wait_until(lambda: until(stopped.time()))

    return go_on


def has_told(record, moment):
    return [entry for entry in entries(record) if entry["at"] >= moment]


def test_a_write_that_goes_on_is_waited_for_however_long_it_takes(instance, pass_time):
    """One inserts for an hour, or waits for it: neither is taken for one whose process was killed."""
    first, second, third = (new_write(instance) for _ in range(3))
    with ThreadPoolExecutor(2) as threads, ending(first, second, third):
        first.begin()
        first.go_on()
        waiting = threads.submit(second.begin)
        wait_until(lambda: is_begun(second))
        waiting_behind = threads.submit(third.begin)
        wait_until(lambda: is_begun(third))
        pass_time(30, lambda now: all(has_told(record, now - 10) for record in (first, second, third)))
        assert (waiting.done(), waiting_behind.done()) == (False, False)
        first.end()
        assert waiting.result() is True
        pass_time(30, lambda now: all(has_told(record, now - 10) for record in (second, third)))
        assert waiting_behind.done() is False
        second.end()
        assert waiting_behind.result() is True


def test_a_write_of_a_process_that_outlives_its_run_is_waited_for(instance, monkeypatch):
    """A run worker died and its run failed an hour ago; the process of the step inserts its rows still."""
    first, second = new_write(instance), new_write(instance)
    first.begin()
    failure = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_FAILURE.value, job_name=job.name)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    instance.run_storage.handle_run_event(run_of(first), failure, update_timestamp=long_ago)
    first.go_on()
    looked, others = [], WriteRecord._others
    monkeypatch.setattr(WriteRecord, "_others", lambda record: looked.append(record) or others(record))
    with ThreadPoolExecutor(1) as threads, ending(first, second):
        waiting = threads.submit(second.begin)
        wait_until(lambda: len(looked) > 4 or waiting.done())
        assert waiting.done() is False
        first.end()
        assert waiting.result() is True


def test_what_was_killed_before_it_had_begun_is_told_and_waited_for(instance, pass_time, caplog):
    """That is a matter of milliseconds, and the next write cannot know that nothing was sent."""
    first, second = new_write(instance), new_write(instance)
    first._report_or_raise("announced", "It begins.", write=asdict(first._write))
    with ThreadPoolExecutor(1) as threads, ending(first, second):
        waiting = threads.submit(second.begin)
        wait_until(lambda: run_of(first) in caplog.text or waiting.done())
        assert waiting.done() is False
        pass_time(30, lambda now: has_told(second, now - 10) or waiting.done())
        assert waiting.result() is True


def test_a_write_whose_run_was_deleted_is_not_sent(instance):
    record = new_write(instance)
    instance.delete_run(run_of(record))
    with pytest.raises(DuneUploadError, match=f"Run {run_of(record)} ended before anything was sent"), ending(record):
        record.begin()


def heartbeats():
    return [thread for thread in threading.enumerate() if thread.name == "dune-write" and thread.is_alive()]


def test_the_heartbeat_of_a_write_that_nobody_ends_goes_with_its_record(instance):
    before = heartbeats()
    record = new_write(instance)
    record.begin()
    (own,) = [thread for thread in heartbeats() if thread not in before]
    del record
    gc.collect()
    own.join(PATIENCE)
    assert not own.is_alive()


def test_a_heartbeat_that_cannot_be_stored_says_nothing_once_its_write_has_ended(instance, monkeypatch, caplog):
    record = new_write(instance)
    monkeypatch.setattr(WriteRecord, "_send_heartbeats", lambda _: None)
    record.begin()
    tried = threading.Event()

    def gone(*_):
        tried.set()
        record._is_over.set()
        raise OSError("the instance is gone")

    monkeypatch.setattr(record._instance, "report_dagster_event", gone)
    record.report_alive()
    assert tried.is_set()
    assert "could not be written to" not in caplog.text
