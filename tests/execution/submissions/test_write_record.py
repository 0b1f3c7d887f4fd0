"""Writes of one table wait for each other, and for what may yet come of one that was cut off."""

import runpy
import subprocess
import sys
import time
from types import SimpleNamespace

import dagster as dg
import pytest
from waiting import wait_until

from dagster_dune._execution.submissions import write_record
from dagster_dune._execution.submissions.write import Write
from dagster_dune._execution.submissions.write_record import WriteRecord
from dagster_dune.errors import DuneUploadError
from dagster_dune.metadata import WRITE_KEY
from dagster_dune.resource import DuneResource

TABLE = "dune.acme.labels"
INSERT = "/api/v1/uploads/acme/labels/insert"
DAYS = dg.StaticPartitionsDefinition(["a", "b"])


def inserts(dune):
    """What became of each request that inserts; None as long as nothing has."""
    return [entry["status"] for entry in dune.journal() if entry["path"] == INSERT]


def count(resource):
    return resource.run_sql(f"SELECT count(*) AS n FROM {TABLE}").read().to_pylist()[0]["n"]


def words(instance, run_id):
    return [word["word"] for word in write_record.entries_under(WRITE_KEY, instance, run_id)]


@pytest.fixture
def clock(monkeypatch):
    """Time in which nobody really sleeps; what was slept."""
    slept = []
    stopped = SimpleNamespace(time=lambda: time.time() + sum(slept), sleep=slept.append)
    monkeypatch.setattr(write_record, "time", stopped)
    return slept


@pytest.fixture
def write(resource, instance):
    """A function that writes two rows in a run, and returns the run's result."""

    def run(frame=None, *, partition="a", name="labels", **options):
        @dg.asset(name=name, partitions_def=DAYS)
        def labels(context: dg.AssetExecutionContext):
            rows = frame() if frame else [{"n": 1}, {"n": 2}]
            resource.write_table(rows, TABLE, context=context, **options)

        return dg.materialize([labels], instance=instance, partition_key=partition, raise_on_error=False)

    return run


def waited(instance, result):
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    return [text for text in said if f"{TABLE} is being written by run" in text]


# --- which wait for which ---


@pytest.mark.parametrize(
    ("one", "other", "excludes"),
    [
        ({}, {}, True),
        ({}, {"table": "dune.acme.others"}, False),
        ({}, {"replaces": False}, True),
        ({"replaces": False}, {}, True),
        ({"replaces": False}, {"replaces": False}, False),
        ({"replaces": False, "marker": "a"}, {"replaces": False, "marker": "a"}, True),
        ({"replaces": False, "marker": "a"}, {"replaces": False, "marker": "b"}, False),
        ({"replaces": False, "marker": "a"}, {"replaces": False}, False),
    ],
)
def test_which_writes_must_not_overlap(one, other, excludes):
    defaults = {"table": TABLE, "replaces": True, "marker": None, "settle_seconds": 600.0}
    assert Write(**{**defaults, **one}).excludes(Write(**{**defaults, **other})) is excludes


def test_a_write_that_has_ended_is_not_waited_for(write, instance):
    first, second = write(), write()
    assert (first.success, second.success) == (True, True)
    assert words(instance, first.run_id) == ["announced", "begun", "sent", "ended"]
    assert waited(instance, second) == []


def interrupted():
    raise KeyboardInterrupt


@pytest.mark.parametrize("fails", [interrupted, lambda: 1 / 0])
def test_an_attempt_that_ended_before_it_wrote_is_not_waited_for(write, instance, fails):
    first = write(fails)
    assert (first.success, words(instance, first.run_id)) == (False, [])
    assert waited(instance, write()) == []


def test_a_write_that_dune_refused_is_not_waited_for(write, instance, dune):
    dune.inject("status", method="POST", path=INSERT, status=400, body={"error": "no"})
    first = write()
    assert (first.success, words(instance, first.run_id)) == (False, ["announced", "begun", "sent", "ended"])
    assert waited(instance, write()) == []


# --- what may yet come ---


@pytest.mark.parametrize("other", [{}, {"name": "others"}], ids=["the same asset", "another asset"])
def test_an_insert_without_an_answer_is_waited_for(write, instance, dune, resource, clock, other):
    dune.inject("reset", method="POST", path=INSERT, when="after")
    first = write()
    assert (first.success, words(instance, first.run_id)) == (False, ["announced", "begun", "sent"])
    slept = sum(clock)
    second = write(**other)
    assert second.success
    (said,) = waited(instance, second)
    assert first.run_id in said
    assert sum(clock) - slept == pytest.approx(600, abs=60)
    assert count(resource) == 2
    later = sum(clock)
    assert write().success
    assert sum(clock) == later  # by then nothing can come any more


@pytest.mark.parametrize("status", [200, 302, 403, 409, 502])
def test_an_insert_that_a_gateway_has_answered_is_waited_for(write, instance, dune, clock, status):
    """It may have been handed on to Dune, whatever the gateway says."""
    dune.inject("status", method="POST", path=INSERT, status=status, body={"page": "Please log in"})
    first = write()
    assert (first.success, words(instance, first.run_id)) == (False, ["announced", "begun", "sent"])
    (said,) = waited(instance, write())
    assert first.run_id in said


@pytest.mark.parametrize("options", [{}, {"mode": "append"}], ids=["replace", "append"])
@pytest.mark.parametrize("ends", ["failed", "canceled"])
def test_a_write_whose_run_was_given_up_before_it_began_is_not_sent(
    write, instance, resource, dune, clock, ends, options
):
    """Dagster takes a run for failed while a process of it still makes the frame, and a retry has written it since."""

    def frame():
        (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        {"failed": instance.report_run_failed, "canceled": instance.report_run_canceled}[ends](run)
        assert write(**options).success
        return [{"n": 3}, {"n": 4}]

    given_up = write(frame, **options)
    assert not given_up.success
    (event,) = given_up.get_step_failure_events()
    assert "ended before anything was sent" in event.step_failure_data.error.cause.message
    assert words(instance, given_up.run_id) == ["announced", "begun", "ended"]
    assert len(inserts(dune)) == 1
    assert resource.run_sql(f"SELECT n FROM {TABLE}").read().to_pylist() == [{"n": 1}, {"n": 2}]


@pytest.fixture
def left(resource, instance, dune):
    """A function that makes a run of an asset whose write gets no answer, which is left at that: the run succeeds."""

    def run(**options):
        @dg.asset
        def lenient(context: dg.AssetExecutionContext):
            with pytest.raises(DuneUploadError):
                resource.write_table([{"n": 1}, {"n": 2}], TABLE, context=context, **options)

        dune.inject("reset", method="POST", path=INSERT, when="after")
        return dg.materialize([lenient], instance=instance)

    return run


def test_a_write_without_an_answer_in_a_run_that_succeeded_is_waited_for(left, write, instance, resource, clock):
    first = left()
    assert (first.success, words(instance, first.run_id)) == (True, ["announced", "begun", "sent"])
    second = write()
    (said,) = waited(instance, second)
    assert first.run_id in said
    assert sum(clock) == pytest.approx(600, abs=60)
    assert count(resource) == 2


def test_what_settles_later_than_ones_own_writes_is_waited_for_as_long(left, write, instance, clock):
    first = left(settle_seconds=3000.0)
    clock.append(700.0)
    (said,) = waited(instance, write(settle_seconds=0.0))
    assert first.run_id in said
    assert sum(clock) == pytest.approx(3000, abs=60)


@pytest.mark.parametrize(("settle_seconds", "passed"), [(600.0, 0.0), (3000.0, 700.0)])
def test_what_was_killed_is_waited_for_by_writes_that_settle_sooner(
    write, instance, dune, clock, monkeypatch, settle_seconds, passed
):
    dune.inject("reset", method="POST", path=INSERT, when="after")
    with monkeypatch.context() as killed:
        killed.setattr(WriteRecord, "leave", lambda _: None)
        first = write(settle_seconds=settle_seconds)
    clock.append(passed)
    (said,) = waited(instance, write(settle_seconds=0.0))
    assert first.run_id in said
    assert sum(clock) == pytest.approx(settle_seconds, abs=60)


class InUploads(dg.ConfigurableIOManager):
    """Writes what an asset returns to Dune, and whatever it is asked to when an input is read."""

    dune: DuneResource

    def handle_output(self, context, obj):
        self.dune.write_table(obj, TABLE, context=context)

    def load_input(self, context):
        self.dune.write_table([{"n": 1}, {"n": 2}], TABLE, context=context)


@dg.asset(io_manager_key="in_uploads")
def returned():
    return [{"n": 1}, {"n": 2}]


@dg.asset(deps=["labels"], ins={"given": dg.AssetIn("returned", input_manager_key="in_uploads")})
def reading(given): ...


@dg.asset_check(asset="labels")
def checking(context: dg.AssetCheckExecutionContext, dune: DuneResource):
    dune.write_table([{"n": 1}, {"n": 2}], TABLE, context=context)
    return dg.AssetCheckResult(passed=True)


@dg.success_hook(required_resource_keys={"dune"})
def hook(context):
    context.resources.dune.write_table([{"n": 1}, {"n": 2}], TABLE, context=context)


@dg.op
def hooked(): ...


@dg.job(hooks={hook})
def hooked_job():
    hooked()


@pytest.mark.parametrize(
    "job",
    [
        dg.define_asset_job("job", "returned"),
        dg.define_asset_job("job", "reading"),
        dg.define_asset_job("job", dg.AssetSelection.checks(checking)),
        hooked_job,
    ],
    ids=["an IO manager's output", "an IO manager's input", "a check", "a hook"],
)
def test_whatever_writes_in_a_step_waits_and_is_waited_for(job, write, instance, resource, dune, clock):
    resources = {"dune": resource, "in_uploads": InUploads(dune=resource)}
    defs = dg.Definitions([returned, reading], asset_checks=[checking], jobs=[job], resources=resources)

    dune.inject("reset", method="POST", path=INSERT, when="after")
    assert not write().success
    run = defs.resolve_job_def(job.name).execute_in_process(instance=instance, resources=resources)
    assert len(waited(instance, run)) == 1
    assert words(instance, run.run_id) == ["announced", "begun", "sent", "ended"]
    dune.inject("reset", method="POST", path=INSERT, when="after")
    left = defs.resolve_job_def(job.name).execute_in_process(
        instance=instance, resources=resources, raise_on_error=False
    )
    (said,) = waited(instance, write())
    assert left.run_id in said


def test_another_partition_is_not_waited_for(write, instance, dune, clock):
    with_marker = {"mode": "append", "marker_column": "day", "settle_seconds": 1.0}
    assert write(marker="a", **with_marker).success
    dune.inject("reset", method="POST", path=INSERT, when="before", times=None)
    failed = write(marker="b", max_credits=0.5, **with_marker)
    assert not failed.success
    dune.clear_faults()
    assert waited(instance, write(partition="b", marker="c", **with_marker)) == []


def test_an_interrupt_while_it_is_sent_is_waited_for(write, instance, resource, clock, monkeypatch):
    sent = "dagster_dune.frames.uploads.tables.RemoteTable.insert"
    with monkeypatch.context() as patched:
        patched.setattr(sent, lambda *_: interrupted())
        first = write()
    assert (first.success, words(instance, first.run_id)) == (False, ["announced", "begun", "sent"])
    second = write()
    assert second.success
    assert len(waited(instance, second)) == 1


def test_an_interrupt_while_it_waits_leaves_nothing_to_wait_for(write, instance, dune, monkeypatch):
    dune.inject("reset", method="POST", path=INSERT, when="after")
    assert not write().success
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 1:
            interrupted()

    with monkeypatch.context() as patched:
        patched.setattr(write_record, "time", SimpleNamespace(time=time.time, sleep=sleep))
        second = write()
    assert len(waited(instance, second)) == 1
    assert words(instance, second.run_id) == ["announced", "begun", "ended"]


def test_what_cannot_be_stored_is_not_sent(write, instance, dune, monkeypatch):
    monkeypatch.setattr(write_record, "acknowledged", lambda _: False)
    result = write()
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "could not be stored in run" in failure.step_failure_data.error.cause.message
    assert {entry["method"] for entry in dune.journal()} == {"GET"}


def test_an_insert_that_cannot_be_stored_is_not_sent(write, dune, monkeypatch):
    stored = iter([True, True, False])
    monkeypatch.setattr(write_record, "acknowledged", lambda act: next(stored, True))
    result = write()
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "is not whole. The table is new, and 0 of 2 rows are in" in failure.step_failure_data.error.cause.message
    assert inserts(dune) == []


# --- processes ---

ASSETS = """
import os, sys, threading, time
import dagster as dg
import httpx
import pyarrow as pa
from dagster_dune import DuneResource

INSERT = "/api/v1/uploads/acme/labels/insert"

def inserts():
    url, headers = f"{os.environ['DUNE']}/_emulator/journal", {"X-Dune-Api-Key": os.environ["KEY"]}
    return sum(entry["path"] == INSERT for entry in httpx.get(url, headers=headers).json())

def die_when_rows_are_sent(before):
    while inserts() == before:
        time.sleep(0.05)
    os._exit(9)

def write(context, dune):
    options = {"mode": "append", "marker": "a"} if os.environ["MODE"] == "append" else {}
    options["settle_seconds"] = float(os.environ["SETTLES"])
    dune.write_table(pa.table({"n": [1, 2]}), "dune.acme.labels", context=context, **options)

@dg.asset
def labels(context: dg.AssetExecutionContext, dune: DuneResource):
    write(context, dune)

@dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
def crashes(context: dg.AssetExecutionContext, dune: DuneResource):
    if context.retry_number == 0:
        threading.Thread(target=die_when_rows_are_sent, args=[inserts()]).start()
    write(context, dune)

def crashing_job():
    dune = DuneResource(api_key=os.environ["KEY"], base_url=os.environ["DUNE"], poll_interval=0.05)
    jobs = [dg.define_asset_job("job", [crashes])]
    return dg.Definitions([crashes], jobs=jobs, resources={"dune": dune}).resolve_job_def("job")

if __name__ == "__main__":
    home, name = sys.argv[1:]
    with dg.DagsterInstance.local_temp(home) as instance:
        if name == "job":
            assert dg.execute_job(dg.reconstructable(crashing_job), instance=instance).success
        else:
            dune = DuneResource(api_key=os.environ["KEY"], base_url=os.environ["DUNE"])
            dg.materialize([globals()[name]], instance=instance, resources={"dune": dune})
"""


@pytest.fixture(params=["append", "replace"])
def mode(request, monkeypatch):
    monkeypatch.setenv("MODE", request.param)
    return request.param


@pytest.fixture
def command(dune, tmp_path, monkeypatch):
    """What runs an asset in a process of its own, in the instance at a folder, but for the asset's name."""
    module = tmp_path / "cut_off_assets.py"
    module.write_text(ASSETS)
    monkeypatch.setenv("KEY", dune.api_key)
    monkeypatch.setenv("DUNE", dune.url)
    return [sys.executable, str(module), str(tmp_path)]


@pytest.fixture
def late_insert(dune, resource, mode, monkeypatch):
    """A function that lets the next insert be carried out late, whatever becomes of its sender; the table is empty.

    It returns how many inserts there were before.
    """
    marking = {"marker": "before"} if mode == "append" else {}
    resource.write_table([{"n": 0}], TABLE, mode=mode, **marking)
    with resource.get_client() as client:
        client.clear_upload("acme", "labels")

    def inject(seconds):
        monkeypatch.setenv("SETTLES", str(seconds + 2))
        dune.inject("delay", method="POST", path=INSERT, seconds=seconds, when="before", times=1)
        return len(inserts(dune))

    return inject


@pytest.mark.processes
def test_rows_of_a_killed_process_never_come_beside_those_of_a_run_that_is_launched_anew(
    command, tmp_path, dune, resource, late_insert
):
    before = late_insert(2)
    with subprocess.Popen([*command, "labels"]) as process:
        wait_until(lambda: len(inserts(dune)) > before or process.poll() is not None)
        process.kill()
    assert len(inserts(dune)) == before + 1
    labels = runpy.run_path(command[1])["labels"]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert dg.materialize([labels], instance=instance, resources={"dune": resource}).success
    wait_until(lambda: inserts(dune), all)
    assert count(resource) == 2


@pytest.mark.processes
def test_rows_of_a_killed_step_never_come_beside_those_of_its_next_attempt(command, dune, resource, late_insert):
    late_insert(8)
    subprocess.run([*command, "job"], check=True)
    wait_until(lambda: inserts(dune), all)
    assert count(resource) == 2


# --- other versions ---


@pytest.mark.parametrize(
    "form",
    [
        {"table": TABLE, "replaces": True, "marker": None, "settles": 600.0},
        {"write": {"table": TABLE, "replaces": True, "marker": None, "settle_seconds": 600.0, "of_later": 1}},
    ],
    ids=["the first form of 0.2.0.dev0", "a later one"],
)
def test_a_write_that_another_version_has_told_of_is_waited_for(form, write, instance, clock):
    other = instance.create_run_for_job(hooked_job, status=dg.DagsterRunStatus.STARTED)
    word = {"id": "123456789abc", "word": "begun", "step": "labels", "at": time.time(), **form}
    instance.report_dagster_event(write_record.event_with(WRITE_KEY, word, other, "It begins."), other.run_id)
    result = write()
    assert result.success
    (said,) = waited(instance, result)
    assert other.run_id in said


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_table_that_changes_between_the_look_and_the_announcement_is_looked_at_again(
    write, resource, dune, monkeypatch, mode
):
    begin = WriteRecord.begin
    assert write().success

    def changed_before(record):
        monkeypatch.setattr(WriteRecord, "begin", begin)
        resource.write_table([{"other": "x"}], TABLE, on_schema_change="replace")
        return begin(record)

    monkeypatch.setattr(WriteRecord, "begin", changed_before)
    result = write(mode=mode)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "The columns of dune.acme.labels differ" in failure.step_failure_data.error.cause.message
    assert count(resource) == 1
    assert inserts(dune) == [200, 200]
