"""A real deployment of Dagster for tests: SQLite on disk, a webserver, a daemon, runs in processes of their own.

Its processes fork from one that has imported everything, unless a test wants them from Dagster's own launcher.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import httpx
from forks import SOCKET, ForkedProcess, fork_server
from plain_http import plain
from waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent
BIN = Path(sys.executable).parent

INSTANCE = f"""
telemetry:
  enabled: false
run_coordinator:
  module: dagster
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
run_retries:
  enabled: true
code_servers:
  local_startup_timeout: {PATIENCE}
"""
FORKS = """
run_launcher:
  module: forks
  class: ForkingRunLauncher
"""
# Dagster's own patience with code servers.
TIMEOUTS = (
    "DAGSTER_GRPC_TIMEOUT_SECONDS",
    "DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS",
    "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS",
    "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS",
    "DAGSTER_CODE_SERVER_STARTUP_TIMEOUT",
)
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidSubsetError { message }
    ... on PipelineNotFoundError { message }
  }
}
"""
NOTHING_LEFT = "No steps needed to be retried"
NO_ASSETS_LEFT = "No assets or asset checks needed to be retried"
REEXECUTE = """
mutation Reexecute($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
  }
}
"""
TERMINATE = """
mutation Terminate($runId: String!) {
  terminateRun(runId: $runId, terminatePolicy: SAFE_TERMINATE) { __typename ... on PythonError { message } }
}
"""


class Deployment:
    """Dagster's processes over one DAGSTER_HOME, loading one code location against a local Dune."""

    def __init__(self, home, dune, location_args, location_name, storage="", *, forks=True):
        self.home = home
        self.location_args = location_args
        self.location_name = location_name
        home.mkdir(parents=True, exist_ok=True)
        (home / "dagster.yaml").write_text(INSTANCE + storage + (FORKS if forks else ""))
        self.environment = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "DUNE_API_KEY": dune.api_key,
            "DUNE_API_BASE_URL": dune.url,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT), str(SUPPORT / "locations")]),
            **dict.fromkeys(TIMEOUTS, str(PATIENCE)),
        }
        if forks:
            self._forks = fork_server()
            self.environment[SOCKET] = self._forks.address
        self.instance = dg.DagsterInstance.from_config(str(home))
        self._processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE)
        self.instance.dispose()

    def start(self, program, *args):
        """Start one of Dagster's programs; what it says goes into a file of DAGSTER_HOME."""
        return self._begin(f"{program}.log", [program, *args, *self.location_args])

    def _begin(self, log, command):
        if SOCKET in self.environment:
            process = ForkedProcess(self._forks, command, self.environment, self.home / log)
        else:
            with (self.home / log).open("wb") as out:
                command = [BIN / command[0], *command[1:]]
                process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=out, stderr=out)
        self._processes.append(process)
        return process

    def start_code_server(self, port, *location):
        """Serve the code location from a process of its own; it ends after the programs that use it."""
        command = ["dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port), *location]
        self._begin("code-server.log", command)
        log = self.home / "code-server.log"
        wait_until(lambda: log.exists() and "Started Dagster code" in log.read_text())

    def start_webserver(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.webserver = process = self.start("dagster-webserver", "--port", str(port))
        self.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or self._answers())
        assert process.poll() is None, (self.home / "dagster-webserver.log").read_text()

    def _answers(self):
        try:
            return plain.get(f"{self.url}/server_info").is_success
        except httpx.HTTPError:
            return False

    def graphql(self, query, **variables):
        response = plain.post(f"{self.url}/graphql", json={"query": query, "variables": variables})
        answer = response.json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch(self, *asset_keys, job="__ASSET_JOB", tags=None, run_config=None):
        """Launch a run as the UI does, and return its id."""
        selector = {
            "repositoryLocationName": self.location_name,
            "repositoryName": "__repository__",
            "pipelineName": job,
            "assetSelection": [{"path": list(key)} for key in asset_keys],
            "assetCheckSelection": [],
        }
        if not asset_keys:
            selector.pop("assetSelection")
            selector.pop("assetCheckSelection")
        metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": run_config or {},
            "executionMetadata": metadata,
        }
        launched = self.graphql(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def reexecute(self, run_id, strategy, **tags):
        """Try a run again as the UI does: FROM_FAILURE, FROM_ASSET_FAILURE or ALL_STEPS.

        Returns the new run's id, or None where Dagster finds nothing left to do (a step that has outlived its run).
        """
        extra = [{"key": key, "value": value} for key, value in tags.items()]
        params = {"parentRunId": run_id, "strategy": strategy, "extraTags": extra}
        launched = self.graphql(REEXECUTE, params=params)["launchRunReexecution"]
        if NOTHING_LEFT in launched.get("message", "") or NO_ASSETS_LEFT in launched.get("message", ""):
            return None
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def terminate(self, run_id):
        """Terminate a run as the UI does, and return whether it had not ended yet."""
        answer = self.graphql(TERMINATE, runId=run_id)["terminateRun"]
        assert answer["__typename"] in ("TerminateRunSuccess", "TerminateRunFailure"), answer
        return answer["__typename"] == "TerminateRunSuccess"

    def step_process(self, run_id):
        """Wait until a run has a step process, and return the id of the newest."""
        return wait_until(lambda: self.step_processes(run_id))[-1]

    def step_processes(self, run_id):
        """The ids of the step processes that a run has started so far."""
        return self._pids(run_id, "STEP_WORKER_STARTED")

    def run_worker(self, run_id):
        """Wait until a run has a worker, and return its process id."""
        return wait_until(lambda: self._pids(run_id, "ENGINE_EVENT"))[0]

    def _pids(self, run_id, event_type):
        records = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType(event_type)).records
        found = [record.event_log_entry.dagster_event.event_specific_data.metadata.get("pid") for record in records]
        return [int(value.value) for value in found if value is not None]

    def failure_text(self, run_id):
        """What the failed steps of a run say, as one text; empty if none has failed."""
        records = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        failures = [record.event_log_entry.dagster_event.step_failure_data for record in records]
        return "\n".join(
            data.user_failure_data.description if data.user_failure_data else str(data.error) for data in failures
        )

    def log_of(self, run_id):
        """Every message of a run's log, as one text."""
        records = self.instance.get_records_for_run(run_id).records
        return "\n".join(record.event_log_entry.user_message for record in records)

    def finish(self, run_id):
        """Wait until a run has ended, and return it."""
        return wait_until(lambda: (run := self.instance.get_run_by_id(run_id)) and run.is_finished and run)

    def succeed(self, run_id):
        """Wait until a run has ended, which must be well, and return it."""
        run = self.finish(run_id)
        assert run.is_success, f"{self.log_of(run_id)}\n{self.failure_text(run_id)}"
        return run

    def materialized(self, run_id):
        """The keys that a run has materialized, in the order of their events."""
        return [event.asset_key.to_user_string() for event in self.materializations(run_id)]

    def materializations(self, run_id):
        records = self.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, ascending=True
        ).records
        return [record.event_log_entry.asset_materialization for record in records]
