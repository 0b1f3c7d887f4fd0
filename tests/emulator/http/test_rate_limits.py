"""Limits of requests a minute, by the clock and over HTTP."""

import httpx
import pytest
from waiting import PATIENCE

from dagster_dune.emulator.http.rate_limits import LIMITS, RateLimiter, kind_of
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError


def test_a_minute_slides():
    times = iter([0.0] * 10 + [30.0] * 5 + [59.0, 60.0, 60.0])
    limiter = RateLimiter("free", clock=lambda: next(times))
    assert [limiter.seconds_to_wait("low") for _ in range(15)] == [0.0] * 15
    assert limiter.seconds_to_wait("low") == 1.0
    assert limiter.seconds_to_wait("low") == 0.0
    assert limiter.seconds_to_wait("high") == 0.0


def test_refused_requests_do_not_count():
    times = iter([0.0] * 15 + [1.0] * 50 + [60.0] * 16)
    limiter = RateLimiter("free", clock=lambda: next(times))
    answers = [limiter.seconds_to_wait("low") for _ in range(81)]
    assert answers == [0.0] * 15 + [59.0] * 50 + [0.0] * 15 + [60.0]


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/api/v1/queries", "high"),
        ("GET", "/api/v1/pipelines/executions/x/status", "high"),
        ("POST", "/api/v1/execution/x/cancel", "high"),
        ("POST", "/api/v1/pipelines/execute", "low"),
        ("PATCH", "/api/v1/query/1", "low"),
        ("POST", "/api/v1/uploads/csv", "low"),
        ("DELETE", "/api/v1/materialized-views/dune.acme.result_x", "low"),
    ],
)
def test_writes_and_reads_have_limits_of_their_own(method, path, kind):
    assert kind_of(method, path) == kind


@pytest.mark.parametrize("plan", ["free", "plus"])
def test_what_is_too_much_is_answered_with_429(plan, database):
    limits = LIMITS[plan]
    with (
        DuneEmulator(rate_limit=plan, database=database) as dune,
        httpx.Client(
            verify=False, base_url=dune.url, headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
        ) as http,
    ):
        reads = [http.get("/api/v1/queries") for _ in range(limits.high + 2)]
        writes = [http.post("/api/v1/usage") for _ in range(limits.low + 1)]
        assert http.get("/_emulator/journal").status_code == 200
        dune.reset()
        assert http.get("/api/v1/queries").status_code == 200
    assert [answer.status_code for answer in reads] == [200] * limits.high + [429] * 2
    assert [answer.status_code for answer in writes] == [200] * limits.low + [429]
    assert 1 <= int(reads[-1].headers["Retry-After"]) <= 60
    assert "Too many requests" in reads[-1].json()["error"]


def test_a_wrong_key_uses_nothing_up(database):
    with (
        DuneEmulator(rate_limit="free", database=database) as dune,
        httpx.Client(verify=False, base_url=f"{dune.url}/api/v1", timeout=PATIENCE) as http,
    ):
        refused = [http.get("/queries").status_code for _ in range(50)]
        allowed = http.get("/queries", headers={"X-Dune-Api-Key": dune.api_key})
    assert (set(refused), allowed.status_code) == ({401}, 200)


def test_an_unknown_plan():
    with pytest.raises(DuneConfigurationError, match="free, plus, none"):
        DuneEmulator(rate_limit="gold")
