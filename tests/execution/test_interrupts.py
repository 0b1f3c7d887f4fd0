"""Ctrl-C in a shell: where nobody can take the pipeline over it is cancelled, elsewhere it is told what runs on."""

import os
import signal
import subprocess

import dagster as dg
import pytest
from deployment import BIN, ROOT
from durable_location import load
from waiting import wait_until

from dagster_dune._execution.interrupts import ends_with_process, is_terminated
from dagster_dune.emulator.server import DuneEmulator

LOCATION = ROOT / "tests" / "support" / "durable_location.py"


@pytest.fixture
def endless_dune():
    with DuneEmulator(execution_seconds=600) as dune:
        load(dune)
        yield dune


@pytest.mark.parametrize("has_home", [False, True])
def test_an_interrupt_cancels_only_where_nobody_could_take_over(endless_dune, tmp_path, has_home):
    environment = {
        **os.environ,
        "DUNE_API_KEY": endless_dune.api_key,
        "DUNE_API_BASE_URL": endless_dune.url,
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("DAGSTER_HOME", None)
    if has_home:
        home = tmp_path / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        environment["DAGSTER_HOME"] = str(home)
    command = [BIN / "dagster", "asset", "materialize", "--select", "dune/acme/result_one_100", "-f", LOCATION]
    said = tmp_path / "said.log"
    with said.open("wb") as log:
        shell = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    polled = "/api/v1/pipelines/executions"
    wait_until(lambda: shell.poll() is not None or any(e["path"].startswith(polled) for e in endless_dune.journal()))
    assert shell.poll() is None, said.read_text()
    shell.send_signal(signal.SIGINT)
    shell.wait(120)
    cancelled = [entry for entry in endless_dune.journal() if entry["path"].endswith("/cancel")]
    text = said.read_text()
    if has_home:
        assert cancelled == []
        # The step has a process of its own, which tells the run's log and not the shell.
        with dg.DagsterInstance.from_config(str(home)) as lasting:
            (run,) = lasting.get_runs()
            told = [record.event_log_entry.user_message for record in lasting.get_records_for_run(run.run_id).records]
        assert any("goes on running on Dune" in line and "dagster-dune cancel" in line for line in told)
    else:
        assert len(cancelled) == 1, text
        assert "ends with the process" in text


def test_which_instances_end_with_their_process(instance, tmp_path):
    assert ends_with_process(instance)
    for folder, ends in ((".tmp_dagster_home_abc", True), ("dagster_home", False)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        with dg.DagsterInstance.from_config(str(tmp_path / folder)) as made:
            assert ends_with_process(made) == ends


def test_a_run_that_took_too_long_is_terminated_though_its_status_is_failure(instance, job):
    """As run monitoring does at `dagster/max_runtime`: canceling, and failure as soon as the worker was told."""
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert not is_terminated(instance, run.run_id)
    instance.report_run_canceling(run, "Canceling due to exceeding maximum runtime of 1 seconds.")
    instance.report_run_failed(run, "Exceeded maximum runtime of 1 seconds.")
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert is_terminated(instance, run.run_id)


def test_a_run_that_failed_is_not_terminated(instance, job):
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "The run worker is gone.")
    assert not is_terminated(instance, run.run_id)
