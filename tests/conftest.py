"""What tests share: the local Dune (one in each test process, empty at the start of each test), and how to ask it."""

import os
import shutil
import signal

import dagster as dg
import httpx
import pytest
from deployment import ROOT, Deployment
from faulty_server import FaultyServer
from filelock import FileLock
from hypothesis import HealthCheck, settings
from odd_server import OddServer
from waiting import PATIENCE, finished, let_work, wait_until

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.http.rate_budget import forget_budgets
from dagster_dune.cli import load_folder
from dagster_dune.emulator.engine.engine import Engine
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.resource import DuneResource

EXECUTE = "/api/v1/pipelines/execute"

pytest_plugins = ["reached_messages"]

# Shells start what is in the background with Ctrl-C switched off, and every process of a test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items):
    """What has processes of its own begins first: while it waits for them, the others use the processor."""
    items.sort(key=lambda item: item.get_closest_marker("processes") is None)


@pytest.fixture(autouse=True)
def new_budget():
    """What one test has learned of a limit slows no other."""
    forget_budgets()


@pytest.fixture
def dune(dune_emulator):
    """The emulator of this project's own pytest plugin, under a shorter name."""
    return dune_emulator


@pytest.fixture
def client(dune):
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, max_retries=1) as opened:
        yield opened


@pytest.fixture
def finish():
    """A function that waits for an execution to end."""
    return finished


@pytest.fixture
def finish_pipeline():
    """A function that waits for a pipeline to end."""

    def wait(client, pipeline_execution_id):
        return wait_until(
            lambda: client.get_pipeline_status(pipeline_execution_id),
            lambda status: status.status in ("completed", "failed"),
        )

    return wait


@pytest.fixture(scope="session")
def http_of_session(dune_emulator_of_session):
    dune = dune_emulator_of_session
    headers = {"X-Dune-Api-Key": dune.api_key}
    # Connections are given up before the server gives them up, so that none is closed under a request.
    limits = httpx.Limits(keepalive_expiry=1)
    with httpx.Client(
        verify=False, base_url=dune.url + "/api/v1", headers=headers, timeout=PATIENCE, limits=limits
    ) as opened:
        yield opened


@pytest.fixture
def http(dune, http_of_session):
    """Plain HTTP with the key, for what the client refuses to send or hides."""
    return http_of_session


@pytest.fixture(scope="session")
def sample_database(tmp_path_factory):
    """A database file with the sample tables, which take a second to make: emulators start over copies of it.

    It is one for all processes of a run: what xdist starts has folders beside each other.
    """
    folder = tmp_path_factory.getbasetemp()
    file = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "sample.db"
    with FileLock(f"{file}.lock"):
        if not file.exists():
            Engine(unfinished := file.with_suffix(".new")).close()
            unfinished.rename(file)
    return file


@pytest.fixture
def database(sample_database, tmp_path):
    """A database file of the test's own, with the sample tables alone in it."""
    return shutil.copy(sample_database, tmp_path / "dune.db")


@pytest.fixture(scope="session")
def emulator_of_two_workers(sample_database, tmp_path_factory):
    database = shutil.copy(sample_database, tmp_path_factory.mktemp("two_workers") / "dune.db")
    with DuneEmulator(database=database, workers=2) as running:
        yield running


@pytest.fixture
def two_workers(emulator_of_two_workers):
    """A local Dune that runs two executions at once."""
    emulator_of_two_workers.reset()
    return emulator_of_two_workers


@pytest.fixture
def two_workers_client(two_workers):
    with DuneApiClient(two_workers.api_key, two_workers.url, timeout=PATIENCE, max_retries=0) as opened:
        yield opened


@pytest.fixture
def endless():
    """SQL that runs for hours unless it is interrupted."""
    tables = " CROSS JOIN ".join(f"UNNEST(sequence(1, 10000)) AS {name}({name})" for name in "abcd")
    return f"SELECT count(*) AS n FROM {tables} WHERE a + b > c + d"


@pytest.fixture
def until_running():
    """A function that waits until the SQL of an execution has been running for a while."""

    def wait(client, execution_id):
        wait_until(
            lambda: client.get_execution_status(execution_id), lambda status: status.state != "QUERY_STATE_PENDING"
        )
        let_work(0.2)
        status = client.get_execution_status(execution_id)
        assert status.state == "QUERY_STATE_EXECUTING", status

    return wait


@pytest.fixture
def faulty():
    server = FaultyServer()
    yield server
    server.close()


@pytest.fixture
def odd():
    server = OddServer()
    yield server
    server.close()


@pytest.fixture
def resource_with(dune):
    """A function that makes a resource for the local Dune, which polls quickly."""
    defaults = {"api_key": dune.api_key, "base_url": dune.url, "poll_interval": 0.02, "max_poll_interval": 0.1}
    return lambda **settings: DuneResource(**{**defaults, **settings})


@pytest.fixture
def resource(resource_with):
    return resource_with()


@pytest.fixture(scope="session")
def instance_of_session():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def instance(instance_of_session):
    """An empty instance in memory: one a process, since making one reads all of Dagster's migrations."""
    instance_of_session.wipe()
    return instance_of_session


@pytest.fixture
def calls(dune):
    """A function that returns the bodies of all pipelines/execute requests since the test began."""

    def read():
        return [entry["body"] for entry in dune.journal() if (entry["method"], entry["path"]) == ("POST", EXECUTE)]

    return read


@pytest.fixture
def load_project():
    """A function that saves the example project's queries in a local Dune."""
    return lambda dune: load_folder(dune, ROOT / "dune_project" / "queries")


@pytest.fixture
def project(dune, tmp_path, load_project):
    """The example project in a real deployment with a webserver and a daemon."""
    load_project(dune)
    module = "dune_project.definitions"
    with Deployment(tmp_path / "home", dune, ["-m", module], module) as deployment:
        deployment.start("dagster-daemon", "run")
        deployment.start_webserver()
        yield deployment
