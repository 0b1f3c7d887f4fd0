"""Dune's official TypeScript client against the emulator: every method that it has."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from waiting import PATIENCE, finished_over

from dagster_dune.emulator.server import DuneEmulator

CLIENT = "@duneanalytics/client-sdk@0.4.0"
SCRIPT = Path(__file__).parents[2] / "support" / "typescript_client.mjs"
REQUIRED = "DUNE_TYPESCRIPT_CLIENT_REQUIRED"
DONE = "QUERY_STATE_COMPLETED"
CREATED = {
    "namespace": "acme",
    "table_name": "made",
    "full_name": "dune.acme.made",
    "example_query": "select * from dune.acme.made limit 10",
    "already_existed": False,
    "message": "Table dune.acme.made was created",
}
WRITTEN = {"name": "dune.acme.made", "rows_written": 2, "bytes_written": 6}
ANSWERS = {
    "client.downloadCSV": "n\n7\n8\n9\n",
    "client.getLatestResult": [7, 8, 9],
    "client.refresh": [9],
    "client.refreshResults": DONE,
    "client.runQuery": [8, 9],
    "client.runQueryCSV": "n\n7\n8\n9\n",
    "client.runSql": [1],
    "custom.getResults": [1, 2],
    "dataset.getBySlug": "spell",
    "dataset.list": ["dune.acme.dataset_table", "dune.acme.dataset_uploads"],
    "exec.cancelExecution": False,  # it had ended
    "exec.execute": DONE,
    "exec.executeQuery": "QUERY_STATE_PENDING",
    "exec.executeQueryPipeline": ["pipeline_execution_id"],
    "exec.executeSql": DONE,
    "exec.getExecutionResults": [9, 8],
    "exec.getExecutionStatus": DONE,
    "exec.getLastExecutionResults": {"rows": [3, 4, 5, 6, 7, 8, 9], "isExpired": False},
    "exec.getLastResultCSV": "n\n3\n4\n5\n6\n7\n8\n9\n",
    "exec.getResult": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "exec.getResultCSV": "n\n3\n",
    "exec.getStatus": DONE,
    "pipeline.getPipelineStatus": ["node_executions", "status"],
    "query.archiveQuery": True,
    "query.createQuery": 2,
    "query.makePrivate": 2,
    "query.makePublic": 2,
    "query.unarchiveQuery": False,
    "query.updateQuery": 2,
    "table.create": CREATED,
    "table.delete": {"message": "Table acme.made successfully deleted"},
    "table.insert": WRITTEN,
    "table.uploadCsv": True,
    "uploads.clear": {"message": "Table acme.made successfully cleared"},
    "uploads.create": CREATED,
    "uploads.delete": {"message": "Table acme.made successfully deleted"},
    "uploads.insert": WRITTEN,
    "uploads.list": ["dune.acme.made"],
    "uploads.uploadCsv": True,
    "usage.getUsage": ["billing_periods", "bytes_allowed", "bytes_used", "private_dashboards", "private_queries"],
}


def missing(reason):
    if REQUIRED in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the client in it, from npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        missing("Dune's TypeScript client needs node and npm")
    path = tmp_path_factory.mktemp("typescript")
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(path), CLIENT]
    try:
        installed = subprocess.run(command, check=False, cwd=path, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        missing(f"npm did not install {CLIENT} in {PATIENCE} seconds")
    if installed.returncode:
        missing(f"npm cannot install {CLIENT}: {installed.stderr.strip().splitlines()[-1:]}")
    return path


@pytest.fixture(scope="module")
def called(folder):
    """What every method gave, and which there are."""
    with DuneEmulator() as dune:
        dune.load_query(1, "numbers", "SELECT n FROM UNNEST(sequence(1, 3)) AS t(n) ORDER BY n")
        dune.load_endpoint("numbers", 1)
        with httpx.Client(
            verify=False, base_url=f"{dune.url}/api/v1", headers={"X-Dune-Api-Key": dune.api_key}
        ) as http:
            execution = http.post("/query/1/execute").json()["execution_id"]
            finished_over(http, execution)
        environment = os.environ | {"DUNE_API_KEY": dune.api_key, "DUNE_API_BASE_URL": dune.url}
        done = subprocess.run(
            ["node", str(SCRIPT)],
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("method", sorted(ANSWERS))
def test_method(called, method):
    assert called["answers"][method] == ANSWERS[method]


def test_read_query(called):
    query = called["answers"]["query.readQuery"]
    assert (query["name"], query["is_archived"]) == ("numbers", False)
    assert query["parameters"] == [{"key": "least", "type": "text", "value": "1"}]


def test_every_method_is_called(called):
    assert set(called["methods"]) == set(ANSWERS) | {"query.readQuery"}
