"""What the tests with Dagster share."""

import dagster as dg
import pytest
from deployment import ROOT, Deployment

from dagster_dune.cli import load_folder
from dagster_dune.resource import DuneResource

EXECUTE = "/api/v1/pipelines/execute"


@pytest.fixture
def resource_with(dune):
    """A function that makes a resource for the local Dune, which polls quickly."""
    defaults = {"api_key": dune.api_key, "base_url": dune.url, "poll_interval": 0.02, "max_poll_interval": 0.1}
    return lambda **settings: DuneResource(**{**defaults, **settings})


@pytest.fixture
def resource(resource_with):
    return resource_with()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


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
