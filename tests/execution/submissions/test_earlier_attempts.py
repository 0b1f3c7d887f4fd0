"""Whether an earlier attempt at a step was cut off: of the same run, of one that it retries, or of any other."""

import runpy
import subprocess
import sys
import time
from contextlib import suppress

import dagster as dg
import pytest
from waiting import wait_until

from dagster_dune._execution.submissions.earlier_attempts import cut_off_at
from dagster_dune.api.errors import AmbiguousSubmission
from dagster_dune.errors import DuneUploadError

DAYS = dg.StaticPartitionsDefinition(["a", "b"])
INSERT = "/api/v1/uploads/acme/labels/insert"


class Killed(BaseException):
    """Nobody catches it."""


def interrupted():
    raise KeyboardInterrupt


def killed():
    raise Killed


def lost():
    raise AmbiguousSubmission("lost", method="POST", path=INSERT)


def wrong():
    raise ValueError("of its own")


def unanswered():
    try:
        lost()
    except AmbiguousSubmission as error:
        raise DuneUploadError("not known") from error


def unanswered_and_not_counted():
    try:
        lost()
    except AmbiguousSubmission:
        try:
            wrong()
        except ValueError as error:
            raise DuneUploadError("not counted") from error


def right():
    pass


@pytest.fixture
def attempt(instance):
    """A function that runs a step, which ends like one of the functions above, and returns what each attempt found."""

    def run(ends=right, *, before=right, partition="a", seconds=600, retries=0):
        found = []

        @dg.asset
        def upstream():
            before()

        @dg.asset(deps=[upstream], partitions_def=DAYS, retry_policy=dg.RetryPolicy(max_retries=retries))
        def rows(context: dg.AssetExecutionContext):
            found.append(cut_off_at(context, seconds))
            if len(found) <= max(1, retries):
                ends()

        with suppress(Killed):
            dg.materialize([upstream, rows], instance=instance, partition_key=partition, raise_on_error=False)
        return found

    return run


@pytest.mark.parametrize("ends", [interrupted, killed, unanswered, unanswered_and_not_counted])
def test_a_run_that_is_launched_anew_knows_of_one_that_was_cut_off(attempt, instance, ends):
    assert attempt(ends) == [None]
    (record,) = instance.get_run_records()
    (found,) = attempt()
    assert found.timestamp() == pytest.approx(record.end_time)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {}),
        ({"ends": wrong}, {}),
        ({"before": killed}, {}),
        ({"ends": killed}, {"partition": "b"}),
        ({"ends": killed}, {"seconds": 0}),
    ],
    ids=["success", "an error of its own", "a step before", "another partition", "long ago"],
)
def test_what_could_send_nothing_any_more_was_not_cut_off(attempt, earlier, later):
    attempt(**earlier)
    assert attempt(**later) == [None]


@pytest.mark.parametrize(("ends", "is_cut_off"), [(wrong, False), (unanswered, True)])
def test_a_step_that_is_tried_again_in_its_run(attempt, ends, is_cut_off):
    begun = time.time()
    first, second = attempt(ends, retries=1)
    assert first is None
    assert (second is not None and begun <= second.timestamp() <= time.time()) is is_cut_off


def test_an_asset_that_is_called_like_a_function_has_no_earlier_attempts(instance):
    assert cut_off_at(dg.build_asset_context(instance=instance), 600) is None


ASSETS = """
import os, sys
import dagster as dg
import pyarrow as pa
from dagster_dune import DuneResource
from dagster_dune._execution.submissions.earlier_attempts import cut_off_at

@dg.asset
def killed():
    os._exit(9)

@dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
def crashes(context: dg.AssetExecutionContext):
    if context.retry_number == 0:
        os._exit(9)
    context.add_output_metadata({"was cut off": cut_off_at(context, 600) is not None})

@dg.asset
def labels(context: dg.AssetExecutionContext, dune: DuneResource):
    options = {"mode": "append", "marker": "a"} if os.environ["MODE"] == "append" else {}
    dune.write_table(pa.table({"n": [1, 2]}), "dune.acme.labels", context=context, settle_seconds=4, **options)

def crashing_job():
    return dg.Definitions([crashes], jobs=[dg.define_asset_job("job", [crashes])]).resolve_job_def("job")

if __name__ == "__main__":
    home, name = sys.argv[1:]
    dune = DuneResource(api_key=os.environ["KEY"], base_url=os.environ["DUNE"])
    with dg.DagsterInstance.local_temp(home) as instance:
        if name == "job":
            dg.execute_job(dg.reconstructable(crashing_job), instance=instance)
        else:
            dg.materialize([globals()[name]], instance=instance, resources={"dune": dune})
"""


@pytest.fixture
def command(dune, tmp_path, monkeypatch):
    """What runs an asset in a process of its own, in the instance at a folder, but for the asset's name."""
    module = tmp_path / "cut_off_assets.py"
    module.write_text(ASSETS)
    monkeypatch.setenv("KEY", dune.api_key)
    monkeypatch.setenv("DUNE", dune.url)
    return [sys.executable, str(module), str(tmp_path)]


def test_a_run_whose_process_was_killed_and_that_seems_to_go_on(command, tmp_path):
    assert subprocess.run([*command, "killed"], check=False).returncode == 9
    found = []

    @dg.asset
    def killed(context: dg.AssetExecutionContext):
        found.append(cut_off_at(context, 600))

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED
        begun = time.time()
        dg.materialize([killed], instance=instance)
        assert begun <= found[0].timestamp() <= time.time()


def test_a_step_whose_process_was_killed_and_that_is_tried_again_in_its_run(command, tmp_path):
    subprocess.run([*command, "job"], check=True)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("crashes"))
        assert event.asset_materialization.metadata["was cut off"].value is True


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_rows_of_a_killed_process_never_come_beside_those_of_a_run_that_is_launched_anew(
    command, tmp_path, dune, resource, monkeypatch, mode
):
    monkeypatch.setenv("MODE", mode)
    marking = {"marker": "before"} if mode == "append" else {}
    resource.write_table([{"n": 0}], "dune.acme.labels", mode=mode, **marking)
    dune.inject("delay", method="POST", path=INSERT, seconds=2, when="before", times=1)

    def inserts():
        return [entry["status"] for entry in dune.journal() if entry["path"] == INSERT]

    with subprocess.Popen([*command, "labels"]) as process:
        wait_until(inserts, lambda statuses: len(statuses) == 2 or process.poll() is not None)
        process.kill()
    assert len(inserts()) == 2
    labels = runpy.run_path(command[1])["labels"]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert dg.materialize([labels], instance=instance, resources={"dune": resource}).success
    wait_until(inserts, all)
    read = resource.run_sql("SELECT count(*) AS n FROM dune.acme.labels WHERE n > 0").read()
    assert read.to_pylist() == [{"n": 2}]
