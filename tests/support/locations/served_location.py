"""A code location with a component, as a server of its own; what is shown of it, and what it has asked of Dune."""

import socket
from collections import Counter
from contextlib import contextmanager

from deployment import Deployment

LISTS = ["/api/v1/materialized-views", "/api/v1/queries"]
RELOAD = """
mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry {
      locationOrLoadError { __typename ... on PythonError { errorChain { error { message } } } }
    }
  }
}
"""
ASSETS = """
query { assetNodes { assetKey { path } groupName isMaterializable } }
"""


def reads(dune):
    """How often each path of the API was asked for, but those that runs ask for."""
    paths = (entry["path"].split("?")[0] for entry in dune.journal() if entry["method"] == "GET")
    return Counter(path for path in paths if path in LISTS or path.startswith("/api/v1/query/"))


def once(*query_ids):
    return Counter([*LISTS, *(f"/api/v1/query/{query_id}" for query_id in query_ids)])


def shown_assets(deployment):
    return {"/".join(node["assetKey"]["path"]): node for node in deployment.graphql(ASSETS)["assetNodes"]}


def reload_location(deployment):
    answer = deployment.graphql(RELOAD, name=deployment.location_name)["reloadRepositoryLocation"]
    return answer["locationOrLoadError"]


@contextmanager
def served(home, dune, *location):
    """A deployment whose code location is a server of its own, which webserver and daemon share."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    args = ["--grpc-host", "127.0.0.1", "--grpc-port", str(port)]
    with Deployment(home, dune, args, f"grpc:127.0.0.1:{port}") as deployment:
        deployment.start_code_server(port, *location)
        deployment.start_webserver()
        deployment.start("dagster-daemon", "run")
        yield deployment


def assert_runs(deployment, *asset_keys):
    run = deployment.finish(deployment.launch(*asset_keys))
    assert run.is_success, deployment.failure_text(run.run_id)
    assert set(deployment.materialized(run.run_id)) == {"/".join(key) for key in asset_keys}
    assert deployment.run_worker(run.run_id) != deployment.step_process(run.run_id)
