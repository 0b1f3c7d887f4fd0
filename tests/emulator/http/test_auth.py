"""Whose requests are answered: by key, by the host that they name, and by the page that sends them."""

import pytest
from plain_http import plain

from dagster_dune.emulator.server import DuneEmulator

ROUTES = [
    ("GET", "/api/v1/queries"),
    ("POST", "/api/v1/sql/execute"),
    ("GET", "/api/whoami"),
    ("GET", "/_emulator/journal"),
    ("GET", "/_emulator/executions"),
    ("GET", "/_emulator/faults"),
    ("POST", "/_emulator/faults"),
    ("DELETE", "/_emulator/faults"),
    ("POST", "/_emulator/release"),
    ("POST", "/_emulator/reset"),
    ("GET", "/nothing"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_asks_for_key_host_and_origin(dune, method, path):
    key = {"X-Dune-Api-Key": dune.api_key}
    dune.load_query(1, "n", "SELECT 1 AS n")
    for headers, status in (
        ({}, 401),
        ({"X-Dune-Api-Key": "wrong"}, 401),
        (key | {"Host": "evil.example"}, 403),
        (key | {"Host": f"evil.example:{dune.port}"}, 403),
        (key | {"Host": "192.0.2.1"}, 403),
        (key | {"Host": "127.0.0.1.evil.example"}, 403),
        (key | {"Origin": "http://evil.example"}, 403),
        (key | {"Origin": "null"}, 403),
        (key | {"Origin": "http://127.0.0.1:1"}, 403),
    ):
        answer = plain.request(method, f"{dune.url}{path}", headers=headers)
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), headers
    assert plain.get(f"{dune.url}/api/v1/query/1", headers=key).status_code == 200  # nothing was reset


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_the_names_of_loopback_are_answered(dune, host):
    headers = {"X-Dune-Api-Key": dune.api_key, "Host": f"{host}:{dune.port}"}
    assert plain.get(f"{dune.url}/api/v1/queries", headers=headers).status_code == 200
    headers["Origin"] = f"http://{host}:{dune.port}"
    assert plain.get(f"{dune.url}/api/v1/queries", headers=headers).status_code == 200


def test_other_names_can_be_allowed():
    with DuneEmulator(allowed_hosts=["Dune.internal"]) as dune:
        for host, status in (("dune.internal:80", 200), ("evil.internal", 403)):
            headers = {"X-Dune-Api-Key": dune.api_key, "Host": host}
            assert plain.get(f"{dune.url}/api/v1/queries", headers=headers).status_code == status
