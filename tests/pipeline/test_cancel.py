"""Stopping a pipeline, against the local Dune."""

import logging
from itertools import chain, repeat
from threading import Barrier

import pytest
from waiting import PATIENCE

from dagster_dune import DuneCatalog, Query
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.models import PipelineStatus, QueryExecution
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.pipeline import cancel as cancel_module
from dagster_dune.pipeline.cancel import CANCELLERS, Remains, cancel_pipeline
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
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
    assert cancel(client, started) == Remains()
    assert states(dune) == {10: "QUERY_STATE_CANCELLED"}


def test_what_starts_while_others_are_cancelled_is_cancelled_too(dune, client, started):
    """The first node has completed by the time that its cancellation arrives, and the next has started."""

    def first_ends():
        dune.release(10)
        dune.wait_until_held(11, timeout=PATIENCE)

    assert cancel(Behind(client, first_ends), started) == Remains()
    assert states(dune) == {10: "QUERY_STATE_COMPLETED", 11: "QUERY_STATE_CANCELLED"}


@pytest.mark.parametrize("path", ["/api/v1/execution/*/cancel", "/api/v1/pipelines/executions/*/status"])
def test_a_dune_that_does_not_answer_keeps_nobody_beyond_the_patience(dune, started, path, monkeypatch, caplog):
    monkeypatch.setattr(cancel_module, "CANCEL_SECONDS", 0.5)
    dune.inject("delay", path=path, seconds=SILENCE, times=None)
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, max_retries=50) as client:
        still_open = cancel_pipeline(client, *started, LOG)
    assert "within 0." in caplog.text  # and not the client's own patience
    assert still_open == Remains(own=("query_10", "query_11"))
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
    monkeypatch.setattr(cancel_module, "CANCEL_SECONDS", PATIENCE)
    numbers = range(20, 20 + CANCELLERS)
    for number in numbers:
        dune.load_query(number, f"query {number}", "SELECT 1 AS n")
        dune.hold(number)
    plan = plan_pipeline(DuneCatalog(queries=[Query(query_id=n) for n in numbers]), {f"query_{n}": "" for n in numbers})
    pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    for number in numbers:
        dune.wait_until_held(number, timeout=PATIENCE)
    assert cancel_pipeline(Together(client, CANCELLERS), plan, pipeline, LOG) == Remains()
    assert set(states(dune).values()) == {"QUERY_STATE_CANCELLED"}


SEVERAL = DuneCatalog(
    queries=[Query(query_id=10), Query(query_id=11, deps=["query_10"]), Query(query_id=20), Query(query_id=21)]
)


@pytest.fixture
def cancel_some(dune, client, monkeypatch):
    """A function that sends all of `SEVERAL`, waits until it runs, and cancels some of it, perhaps after one look."""
    monkeypatch.setattr(cancel_module, "CANCEL_SECONDS", PATIENCE)

    def cancel(*names, looks_once=False):
        for obj in SEVERAL:
            dune.load_query(obj.query_id, obj.sql_name, "SELECT 1 AS n")
            dune.hold(obj.query_id)
        whole = plan_pipeline(SEVERAL, {obj.sql_name: "" for obj in SEVERAL})
        pipeline = client.execute_pipeline(whole.to_wire()).pipeline_execution_id
        for number in (10, 20, 21):
            dune.wait_until_held(number, timeout=PATIENCE)
        own = whole.renumbered({node.id: node.id for node in whole.nodes if node.sql_name in names})
        times = chain([0.0], repeat(2 * PATIENCE if looks_once else 0.0))
        return cancel_pipeline(client, own, pipeline, LOG, size=len(whole.nodes), clock=lambda: next(times))

    return cancel


def test_what_others_may_follow_is_named_and_left_alone(dune, cancel_some):
    assert cancel_some("query_20") == Remains(others=("query_10", "query_11", "query_21"))
    running = dict.fromkeys((10, 21), "QUERY_STATE_EXECUTING")
    assert states(dune) == {**running, 20: "QUERY_STATE_CANCELLED"}


def test_what_waits_for_what_was_cancelled_does_not_go_on(dune, cancel_some):
    """Dune says only after a while that nothing of the pipeline can start any more."""
    assert cancel_some("query_10", "query_20", "query_21") == Remains()
    assert states(dune) == dict.fromkeys((10, 20, 21), "QUERY_STATE_CANCELLED")


def test_what_waits_for_what_others_follow_may_still_run(dune, cancel_some):
    remains = cancel_some("query_11", looks_once=True)
    assert remains == Remains(own=("query_11",), others=("query_10", "query_20", "query_21"))
    assert set(states(dune).values()) == {"QUERY_STATE_EXECUTING"}


def test_nodes_that_dune_does_not_list_are_counted(dune, cancel_some):
    dune.inject("null_nodes", path="/api/v1/pipelines/executions/*/status", times=None)
    assert cancel_some("query_20", looks_once=True) == Remains(
        own=("query_20",), others=("3 that Dune has not listed",)
    )
    dune.clear_faults()


class Tells:
    """A client to which Dune tells one status for ever."""

    def __init__(self, status, *nodes):
        self._status = PipelineStatus.model_validate({"status": status, "node_executions": nodes})
        self.cancelled = []

    def get_pipeline_status(self, _):
        return self._status

    def cancel_execution(self, execution_id):
        self.cancelled.append(execution_id)
        return True


def node(id_, status, execution_id=None, query_id=10):
    progress = {"query_id": query_id, "status": status, "execution_id": execution_id, "error": None}
    return {"id": id_, "query_execution_status": progress if query_id else None}


def test_another_partition_of_the_same_query_is_not_cancelled(monkeypatch):
    """Of two nodes of one name, Dune lists only the one that is not to be cancelled."""
    monkeypatch.setattr(cancel_module, "CANCEL_SECONDS", 0.0)
    own = PlannedNode(1, "query_10", (), QueryExecution(query_id=10), partition=Partition(("2026-01-01",)))
    client = Tells("executing", node(2, "QUERY_STATE_EXECUTING", "E2"))
    remains = cancel_pipeline(client, PipelinePlan((own,)), "P", LOG, size=2)
    assert remains == Remains(own=("query_10 (2026-01-01)",), others=("query_10",))
    assert client.cancelled == []


@pytest.mark.parametrize(
    ("status", "other", "names"),
    [
        ("executing", node(2, "QUERY_STATE_PENDING", "E2", 11), ("query_11",)),  # it waits in Dune's queue
        ("executing", node(2, "napping", query_id=11), ("query_11",)),
        ("executing", node(2, None, query_id=None), ("node 2",)),
        ("executing", node(2, "QUERY_STATE_COMPLETED", "E2", 11), ()),
        ("failed", node(2, "QUERY_STATE_EXECUTING", "E2", 11), ("query_11",)),
        ("failed", node(2, "QUERY_STATE_PENDING", query_id=11), ()),
    ],
)
def test_whether_another_node_may_go_on(monkeypatch, status, other, names):
    monkeypatch.setattr(cancel_module, "CANCEL_SECONDS", 0.0)
    own = plan_pipeline(CATALOG, {"query_10": ""})
    client = Tells(status, node(1, "QUERY_STATE_CANCELLED", "E1"), other)
    assert cancel_pipeline(client, own, "P", LOG, size=2) == Remains(others=names)
    assert client.cancelled == []
