"""Ctrl-C in a shell: where nobody can take the pipeline over it is cancelled, elsewhere it is told what runs on."""

import gc
import logging
import os
import pty
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from deployment import BIN, ROOT
from durable_location import chain, load, plain
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune import DuneCatalog, DuneCheck, DuneResource, Query, build_dune_assets, dune_assets
from dagster_dune._execution.interrupts import ends_with_process, is_terminated
from dagster_dune._execution.sent_pipelines import SentPipelines
from dagster_dune.emulator.server import DuneEmulator

LOCATION = ROOT / "tests" / "support" / "locations" / "durable_location.py"


@pytest.fixture
def endless_dune():
    with DuneEmulator(execution_seconds=600) as dune:
        load(dune)
        yield dune


@pytest.fixture
def command():
    return [BIN / "dagster", "asset", "materialize", "--select", "dune/acme/result_one_100", "-f", LOCATION]


@pytest.fixture
def environment(endless_dune, tmp_path):
    """A function that makes a shell's environment, perhaps with a DAGSTER_HOME."""

    def make(*, has_home):
        variables = {
            **os.environ,
            "DUNE_API_KEY": endless_dune.api_key,
            "DUNE_API_BASE_URL": endless_dune.url,
            "PYTHONPATH": str(ROOT),
        }
        variables.pop("DAGSTER_HOME", None)
        if has_home:
            home = tmp_path / "home"
            home.mkdir()
            (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
            variables["DAGSTER_HOME"] = str(home)
        return variables

    return make


def is_polled(dune):
    return any(entry["path"].startswith("/api/v1/pipelines/executions") for entry in dune.journal())


def cancelled(dune):
    return [entry for entry in dune.journal() if entry["path"].endswith("/cancel")]


@pytest.mark.processes
@pytest.mark.parametrize("has_home", [False, True])
def test_an_interrupt_cancels_only_where_nobody_could_take_over(endless_dune, tmp_path, command, environment, has_home):
    variables = environment(has_home=has_home)
    said = tmp_path / "said.log"
    with said.open("wb") as log:
        shell = subprocess.Popen(command, env=variables, cwd=tmp_path, stdout=log, stderr=log)
    wait_until(lambda: shell.poll() is not None or is_polled(endless_dune))
    assert shell.poll() is None, said.read_text()
    shell.send_signal(signal.SIGINT)
    shell.wait(120)
    if has_home:
        assert cancelled(endless_dune) == []
        with dg.DagsterInstance.from_config(variables["DAGSTER_HOME"]) as lasting:
            (run,) = lasting.get_runs()
            told = [record.event_log_entry.user_message for record in lasting.get_records_for_run(run.run_id).records]
        assert any("goes on running on Dune" in line and "dagster-dune cancel" in line for line in told)
    else:
        assert len(cancelled(endless_dune)) == 1, said.read_text()
        assert "ends with the process" in said.read_text()


@pytest.mark.processes
@pytest.mark.parametrize("has_home", [False, True])
def test_ctrl_c_in_a_terminal(endless_dune, tmp_path, command, environment, has_home):
    """It ends every process of the shell's job: a step hears of it twice, and what carries its output ends too."""
    variables = environment(has_home=has_home)
    said = bytearray()
    shell, terminal = pty.fork()
    if shell == 0:
        os.chdir(tmp_path)
        os.execve(command[0], [str(word) for word in command], variables)

    def read():
        try:
            while chunk := os.read(terminal, 4096):
                said.extend(chunk)
        except OSError:
            return  # as Linux says that the last process has closed the other end

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: not reader.is_alive() or is_polled(endless_dune))
    os.write(terminal, b"\x03")
    os.waitpid(shell, 0)
    reader.join()
    os.close(terminal)
    text = said.decode()
    if has_home:
        polled = next(e["path"] for e in endless_dune.journal() if "/pipelines/executions/" in e["path"])
        pipeline = polled.split("/")[-2]
        assert f"Pipeline {pipeline} goes on running on Dune." in text, text
        assert f"dagster-dune cancel {pipeline}" in text
        assert cancelled(endless_dune) == []
    else:
        assert len(cancelled(endless_dune)) == 1, text


def test_an_interrupt_in_a_python_session_tells_how_to_go_on(dune, resource, home):
    load(dune)
    dune.hold("dune.acme.result_one_100")

    def interrupt():
        wait_until(lambda: is_polled(dune))
        press_ctrl_c()

    with ThreadPoolExecutor() as threads, dg.DagsterInstance.from_config(home) as lasting:
        threads.submit(interrupt)
        with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
            dg.materialize(
                [plain], resources={"dune": resource}, instance=lasting, selection=["dune/acme/result_one_100"]
            )
        (run,) = lasting.get_runs()
        told = [record.event_log_entry.user_message for record in lasting.get_records_for_run(run.run_id).records]
    (line,) = [line for line in told if "goes on running on Dune" in line]
    assert f"retry run {run.run_id} from failure" in line
    assert cancelled(dune) == []


def test_an_interrupt_before_the_attempt_knows_of_its_pipeline_cancels_that(dune, resource, instance, monkeypatch):
    """The instance ends with the process, so that nobody could take the pipeline over."""
    load(dune)
    dune.hold("dune.acme.result_one_100")
    attach, attached = SentPipelines.attach, []

    def interrupted_once(pipelines, *args, **options):
        attached.append(args)
        if len(attached) == 1:
            raise KeyboardInterrupt
        attach(pipelines, *args, **options)

    monkeypatch.setattr(SentPipelines, "attach", interrupted_once)
    with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
        dg.materialize([plain], resources={"dune": resource}, instance=instance, selection=["dune/acme/result_one_100"])
    assert len(cancelled(dune)) == 1


class InterruptAtAMaterialization(logging.Handler):
    """Interrupts this process while Dagster stores the first materialization: the step waits at its `yield` then."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.has_interrupted = False

    def emit(self, record):
        if "Materialized value" in record.getMessage() and not self.has_interrupted:
            self.has_interrupted = True
            self.before()
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("decorated", [False, True])
@pytest.mark.parametrize("is_terminated", [False, True])
def test_an_interrupt_between_two_events_is_heard_of_too(dune, resource, home, decorated, is_terminated):
    load(dune)
    dune.hold("dune.acme.result_two_100")
    lasting = dg.DagsterInstance.from_config(home)

    def terminate():
        if is_terminated:
            (run,) = lasting.get_runs()
            lasting.report_run_canceling(run)

    handler = InterruptAtAMaterialization(terminate)

    @dg.logger
    def interrupting(_):
        log = logging.Logger("interrupting")
        log.addHandler(handler)
        return log

    @dune_assets(catalog=chain(100), name="decorated")
    def own(context, dune: DuneResource):
        yield from dune.run(context)

    definitions = dg.Definitions(
        assets=[own if decorated else plain],
        resources={"dune": resource},
        loggers={"interrupting": interrupting},
        jobs=[dg.define_asset_job("all_of_it", config={"loggers": {"interrupting": {}}})],
    )
    with lasting, pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
        definitions.resolve_job_def("all_of_it").execute_in_process(instance=lasting)
    assert handler.has_interrupted
    assert len(cancelled(dune)) == is_terminated


CHECKED = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2), Query(query_id=3)])


@pytest.fixture
def checked(dune):
    """A function that makes assets with a check of one query, beside another query that is held."""
    for number in (1, 2, 3):
        dune.load_query(number, f"query {number}", f"SELECT {number} AS n")
    dune.hold(2)

    def make(kind, **settings):
        return build_dune_assets(
            CHECKED, checks=[DuneCheck(asset="query_1", name="check", kind=kind, query_id=3, **settings)]
        )

    return make


SILENT = {
    "the value": ({"kind": "value", "at_least": 0}, "/api/v1/execution/*/results"),
    "the number of rows": ({"kind": "rows"}, "/api/v1/execution/*/status"),
    "the rows": ({"kind": "rows", "sample_rows": 1}, "/api/v1/execution/*/results"),
}


@pytest.mark.parametrize("is_terminated", [False, True])
@pytest.mark.parametrize("silent", SILENT)
def test_an_interrupt_while_the_answer_of_a_check_is_read(dune, checked, resource_with, home, silent, is_terminated):
    """What follows the pipeline is suspended then, and hears nothing of it."""
    settings, path = SILENT[silent]
    lasting = dg.DagsterInstance.from_config(home)

    def interrupt():
        wait_until(lambda: any(rule["struck"] for rule in dune.faults() if rule["fault"]["kind"] == "delay"))
        dune.wait_until_held(2, timeout=PATIENCE)
        if is_terminated:
            (run,) = lasting.get_runs()
            lasting.report_run_canceling(run)
        press_ctrl_c()

    dune.inject("delay", method="GET", path=path, seconds=3600, times=None)
    resource = resource_with(details=False, timeout=PATIENCE)
    with lasting, ThreadPoolExecutor() as threads:
        threads.submit(interrupt)
        with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
            dg.materialize([checked(**settings)], resources={"dune": resource}, instance=lasting)
        told = told_by_the_run(lasting)
    assert [entry["status"] for entry in cancelled(dune)] == [200] * is_terminated
    assert states(dune)[2] == ("QUERY_STATE_CANCELLED" if is_terminated else "QUERY_STATE_EXECUTING")
    assert any(line.endswith("is stopped.") for line in told) == is_terminated
    assert any("goes on running on Dune. To take it over" in line for line in told) != is_terminated


def told_by_the_run(instance):
    (run,) = instance.get_runs()
    return [record.event_log_entry.user_message for record in instance.get_records_for_run(run.run_id).records]


def states(dune):
    return {execution["query_id"]: execution["state"] for execution in dune.executions()}


def test_an_error_while_the_answer_of_a_check_is_read_cancels_nothing(dune, checked, resource, instance, monkeypatch):
    """Not even where nobody could take the pipeline over: what is left of the attempt is no interrupt."""

    def fail(*_, **__):
        dune.wait_until_held(2, timeout=PATIENCE)
        raise RuntimeError("The storage is gone.")

    monkeypatch.setattr(instance.event_log_storage, "get_asset_check_execution_history", fail)
    assets = checked("value", at_least=0, change_at_most="50%")
    result = dg.materialize([assets], resources={"dune": resource}, instance=instance, raise_on_error=False)
    (event,) = result.get_step_failure_events()
    assert "The storage is gone." in event.step_failure_data.error_display_string
    del result, event
    gc.collect()
    assert cancelled(dune) == []
    assert states(dune)[2] == "QUERY_STATE_EXECUTING"


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
