"""Stopping a pipeline, against the local Dune."""

import logging
from threading import Barrier

import pytest
from waiting import PATIENCE

from dagster_dune import DuneCatalog, Query
from dagster_dune.api.client import DuneApiClient
from dagster_dune.pipeline import cancel as cancel_module
from dagster_dune.pipeline.cancel import CANCELLERS, cancel_pipeline
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=10), Query(query_id=11, deps=["query_10"])])
LOG = logging.getLogger(__name__)
SILENCE = 3600


@pytest.fixture
def started(dune, client):
    """A pipeline of two queries, each of which is held, and its plan."""
    dune.load_query(10, "first", "SELECT 1 AS n")
    dune.load_query(11, "second", "SELECT n FROM query_10")
    dune.hold(10)
    dune.hold(11)
    plan = plan_pipeline(CATALOG, {obj.sql_name: "" for obj in CATALOG})
    pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    dune.wait_until_held(10, timeout=PATIENCE)
    return plan, pipeline


def cancel(client, started):
    """Cancel without any end of patience."""
    return cancel_pipeline(client, *started, LOG, clock=lambda: 0.0, sleep=lambda _: None)


def states(dune):
    return {execution["query_id"]: execution["state"] for execution in dune.executions()}


class Behind:
    """A client whose first status is old when it arrives: something has happened meanwhile."""

    def __init__(self, client, meanwhile):
        self._client = client
        self._meanwhile = [meanwhile]

    def get_pipeline_status(self, pipeline_execution_id):
        status = self._client.get_pipeline_status(pipeline_execution_id)
        while self._meanwhile:
            self._meanwhile.pop()()
        return status

    def cancel_execution(self, execution_id):
        return self._client.cancel_execution(execution_id)


def test_what_runs_is_cancelled_and_what_reads_it_never_starts(dune, client, started):
    assert cancel(client, started) == []
    assert states(dune) == {10: "QUERY_STATE_CANCELLED"}


def test_what_starts_while_others_are_cancelled_is_cancelled_too(dune, client, started):
    """The first node has completed by the time that its cancellation arrives, and the next has started."""

    def first_ends():
        dune.release(10)
        dune.wait_until_held(11, timeout=PATIENCE)

    assert cancel(Behind(client, first_ends), started) == []
    assert states(dune) == {10: "QUERY_STATE_COMPLETED", 11: "QUERY_STATE_CANCELLED"}


@pytest.mark.parametrize("path", ["/api/v1/execution/*/cancel", "/api/v1/pipelines/executions/*/status"])
def test_a_dune_that_does_not_answer_keeps_nobody_beyond_the_patience(dune, started, path, monkeypatch, caplog):
    monkeypatch.setattr(cancel_module, "PATIENCE_SECONDS", 0.5)
    dune.inject("delay", path=path, seconds=SILENCE, times=None)
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, max_retries=50) as client:
        still_open = cancel_pipeline(client, *started, LOG)
    assert "within 0." in caplog.text  # and not the client's own patience
    assert still_open == ["query_10", "query_11"]
    dune.clear_faults()


class Together:
    """A client whose cancellations end only once so many are under way."""

    def __init__(self, client, number):
        self.get_pipeline_status = client.get_pipeline_status
        self._client, self._all_are_sent = client, Barrier(number)

    def cancel_execution(self, execution_id):
        self._all_are_sent.wait(PATIENCE)
        return self._client.cancel_execution(execution_id)


def test_executions_are_cancelled_several_at_once(dune, client, monkeypatch):
    monkeypatch.setattr(cancel_module, "PATIENCE_SECONDS", PATIENCE)
    numbers = range(20, 20 + CANCELLERS)
    for number in numbers:
        dune.load_query(number, f"query {number}", "SELECT 1 AS n")
        dune.hold(number)
    plan = plan_pipeline(DuneCatalog(queries=[Query(query_id=n) for n in numbers]), {f"query_{n}": "" for n in numbers})
    pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    for number in numbers:
        dune.wait_until_held(number, timeout=PATIENCE)
    assert cancel_pipeline(Together(client, CANCELLERS), plan, pipeline, LOG) == []
    assert set(states(dune).values()) == {"QUERY_STATE_CANCELLED"}
