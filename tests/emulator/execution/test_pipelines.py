"""Pipelines over HTTP: order, concurrency, failures, cancellation, lineage and what is refused."""

import pytest
from waiting import PATIENCE, wait_until

from dagster_dune.api import models


def refresh(node_id, name, *dependencies):
    return {"id": node_id, "dependencies": dependencies, "materialized_view_refresh": {"name": f"dune.acme.{name}"}}


def execute(node_id, query_id, *dependencies, **options):
    return {
        "id": node_id,
        "dependencies": dependencies,
        "query_execution": {"query_id": query_id} | options,
    }


def submit(http, *nodes):
    answer = http.post("/pipelines/execute", json={"pipeline": {"nodes": nodes}})
    assert answer.status_code == 200, answer.text
    return answer.json()["pipeline_execution_id"]


def wire(*nodes):
    return models.Pipeline.model_validate({"nodes": nodes})


def progress(status):
    """The progress of each node of a status by the node's id."""
    return {node.id: node.progress for node in status.node_executions}


@pytest.fixture
def ones(dune):
    """Queries 1 to 9: each gives its own number."""
    for number in range(1, 10):
        dune.load_query(number, f"Number {number}", f"SELECT {number} AS n")


@pytest.fixture
def layers(dune):
    """Matviews a <- b <- c, where b reads a through a query view, and a query over b and c."""
    dune.load_query(1, "a", "SELECT n FROM (VALUES 1, 2, 3) AS t(n)")
    dune.load_query(10, "view", "SELECT n FROM dune.acme.result_a WHERE n > {{least}}", parameters=[LEAST])
    dune.load_query(2, "b", "SELECT sum(n) AS n FROM query_10")
    dune.load_query(3, "c", "SELECT n * 10 AS n FROM dune.acme.result_b")
    dune.load_query(4, "sink", "SELECT b.n AS b, c.n AS c FROM dune.acme.result_b b CROSS JOIN dune.acme.result_c c")
    for name, query_id in (("a", 1), ("b", 2), ("c", 3)):
        dune.load_materialized_view(f"dune.acme.result_{name}", query_id)


LEAST = {"key": "least", "type": "number", "value": "1"}


def test_rows_flow_through_layers(http, client, layers, finish_pipeline):
    nodes = (execute(4, 4, 2, 3), refresh(3, "result_c", 2), refresh(2, "result_b", 1), refresh(1, "result_a"))
    status = finish_pipeline(client, submit(http, *nodes))
    assert status.status == "completed"
    assert [node.id for node in status.node_executions] == [4, 3, 2, 1]
    sink = progress(status)[4]
    assert client.get_execution_results(sink.execution_id).result.rows == ({"b": 5, "c": 50},)
    executions = {node_id: client.get_execution_status(node.execution_id) for node_id, node in progress(status).items()}
    assert [executions[node_id].query_id for node_id in (1, 2, 3, 4)] == [1, 2, 3, 4]
    for before, after in ((1, 2), (2, 3), (3, 4)):
        assert executions[before].execution_ended_at <= executions[after].submitted_at


def test_a_node_takes_its_own_parameters(http, client, layers, finish_pipeline):
    pipeline = submit(http, refresh(1, "result_a"), execute(2, 10, 1), execute(3, 10, 1, query_parameters={"least": 2}))
    nodes = progress(finish_pipeline(client, pipeline))
    rows = [client.get_execution_results(nodes[node_id].execution_id).result.rows for node_id in (2, 3)]
    assert [len(page) for page in rows] == [2, 1]


def test_a_failed_node_stops_its_dependents_and_nothing_else(http, client, dune, ones, finish_pipeline):
    dune.load_query(13, "Broken", "SELECT n FROM dex.no_such_table")
    dune.load_materialized_view("dune.acme.result_broken", 13)
    pipeline = submit(
        http,
        execute(1, 1),
        refresh(2, "result_broken"),
        execute(3, 3, 2),
        execute(4, 4, 3, 1),
        execute(5, 5, 1),
    )
    status = finish_pipeline(client, pipeline)
    assert status.status == "failed"
    assert "node 2 (dune.acme.result_broken) failed" in status.error
    assert "no_such_table" in status.error
    assert "2 dependent nodes were not started" in status.error
    nodes = progress(status)
    assert [nodes[node_id].status for node_id in (1, 2, 3, 4, 5)] == [
        "QUERY_STATE_COMPLETED",
        "QUERY_STATE_FAILED",
        "QUERY_STATE_PENDING",
        "QUERY_STATE_PENDING",
        "QUERY_STATE_COMPLETED",
    ]
    assert "no_such_table" in nodes[2].error
    assert (nodes[3].execution_id, nodes[4].execution_id) == (None, None)
    failed = client.get_execution_status(nodes[2].execution_id)
    assert failed.execution_cost_credits == 1


def test_a_pipeline_fails_only_when_nothing_more_can_run(dune, client, finish_pipeline):
    dune.load_query(1, "Broken", "SELECT nonsense FROM dex.trades")
    dune.load_query(2, "Held", "SELECT 2 AS n")
    dune.hold(2)
    pipeline = client.execute_pipeline(wire(execute(1, 1), execute(2, 2), execute(3, 2, 2))).pipeline_execution_id
    early = wait_until(
        lambda: client.get_pipeline_status(pipeline), lambda seen: progress(seen)[1].status == "QUERY_STATE_FAILED"
    )
    assert (early.status, early.error) == ("executing", None)
    dune.release(2)
    last = finish_pipeline(client, pipeline)
    assert last.status == "failed"
    assert last.error is not None
    assert progress(last)[3].status == "QUERY_STATE_COMPLETED"


def test_words_and_order_while_nodes_run(two_workers, two_workers_client, finish_pipeline):
    """Two workers take the first two nodes; the third waits for a worker, the fourth for the first."""
    for number in range(1, 5):
        two_workers.load_query(number, "Held", f"SELECT {number} AS n")
        two_workers.hold(number)
    nodes = (execute(1, 1), execute(2, 2), execute(3, 3), execute(4, 4, 1))
    pipeline = two_workers_client.execute_pipeline(wire(*nodes)).pipeline_execution_id
    for number in (1, 2):
        two_workers.wait_until_held(number, timeout=PATIENCE)
    waiting = two_workers_client.get_pipeline_status(pipeline)
    assert waiting.status == "executing"
    words = [node.progress.status for node in waiting.node_executions]
    assert words == ["QUERY_STATE_EXECUTING"] * 2 + ["QUERY_STATE_PENDING"] * 2
    assert progress(waiting)[3].execution_id is not None
    assert progress(waiting)[4].execution_id is None
    two_workers.release(1)
    two_workers.wait_until_held(3, timeout=PATIENCE)
    two_workers.release()
    assert finish_pipeline(two_workers_client, pipeline).status == "completed"


def test_independent_nodes_run_at_once(dune, client, finish_pipeline):
    dune.load_query(1, "Held", "SELECT 1 AS n")
    dune.hold(1)
    pipeline = client.execute_pipeline(wire(*(execute(number, 1) for number in (1, 2))))
    dune.wait_until_held(1, executions=2, timeout=PATIENCE)
    dune.release(1)
    status = finish_pipeline(client, pipeline.pipeline_execution_id)
    one, two = (client.get_execution_status(node.execution_id) for node in progress(status).values())
    assert max(one.execution_started_at, two.execution_started_at) < min(one.execution_ended_at, two.execution_ended_at)


def test_cancelling_a_node_stops_its_dependents(dune, client, finish_pipeline):
    dune.load_query(1, "Held", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_slow", 1)
    dune.hold("dune.acme.result_slow")
    nodes = (refresh(1, "result_slow"), execute(2, 1, 1), execute(3, 1))
    pipeline = client.execute_pipeline(wire(*nodes)).pipeline_execution_id
    dune.wait_until_held("dune.acme.result_slow", timeout=PATIENCE)
    running = progress(client.get_pipeline_status(pipeline))[1].execution_id
    assert client.cancel_execution(running) is True
    status = finish_pipeline(client, pipeline)
    assert status.status == "failed"
    assert "node 1 (dune.acme.result_slow) was cancelled" in status.error
    assert [progress(status)[node_id].status for node_id in (1, 2, 3)] == [
        "QUERY_STATE_CANCELLED",
        "QUERY_STATE_PENDING",
        "QUERY_STATE_COMPLETED",
    ]
    assert progress(status)[2].execution_id is None


def test_a_thousand_nodes(http, client, dune, finish_pipeline):
    dune.load_query(1, "One", "SELECT 1 AS n")
    nodes = [execute(number, 1, *(d for d in (number - 1, number - 10) if d > 0)) for number in range(1, 1001)]
    nodes.reverse()
    pipeline = submit(http, *nodes)
    status = finish_pipeline(client, pipeline)
    assert status.status == "completed"
    assert len(status.node_executions) == 1000


def test_a_wide_pipeline_needs_no_more_threads(http, client, dune, ones, finish_pipeline):
    status = finish_pipeline(client, submit(http, *(execute(number, 1 + number % 9) for number in range(1000))))
    assert {node.status for node in progress(status).values()} == {"QUERY_STATE_COMPLETED"}


def test_what_is_run_is_what_was_saved_at_the_submission(dune, client, finish_pipeline):
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.hold(1)
    pipeline = client.execute_pipeline(wire(execute(1, 1), execute(2, 1, 1))).pipeline_execution_id
    dune.wait_until_held(1, timeout=PATIENCE)
    client.update_query(1, query_sql="SELECT 2 AS n")
    dune.release(1)
    nodes = progress(finish_pipeline(client, pipeline))
    for node in nodes.values():
        assert client.get_execution_results(node.execution_id).result.rows == ({"n": 1},)


def test_a_matview_that_is_deleted_meanwhile_is_not_stored_again(dune, client, finish_pipeline):
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_x", 1)
    dune.hold(1)
    pipeline = client.execute_pipeline(wire(execute(1, 1), refresh(2, "result_x", 1))).pipeline_execution_id
    dune.wait_until_held(1, timeout=PATIENCE)
    client.delete_materialized_view("dune.acme.result_x")
    dune.release(1)
    status = finish_pipeline(client, pipeline)
    assert "dune.acme.result_x was deleted" in progress(status)[2].error


# --- lineage ---


def test_lineage_comes_from_the_sql(http, layers):
    nodes = http.get("/query/4/pipeline").json()["pipeline"]["nodes"]
    assert nodes == [
        {"id": 1, "dependencies": [], "materialized_view_refresh": {"name": "dune.acme.result_a"}},
        {"id": 2, "dependencies": [1], "materialized_view_refresh": {"name": "dune.acme.result_b"}},
        {"id": 3, "dependencies": [2], "materialized_view_refresh": {"name": "dune.acme.result_c"}},
        {"id": 4, "dependencies": [2, 3], "query_execution": {"query_id": 4}},
    ]
    assert http.get("/query/10/pipeline").json()["pipeline"]["nodes"][-1] == {
        "id": 2,
        "dependencies": [1],
        "query_execution": {"query_id": 10},
    }


def test_lineage_runs_from_the_raw_tables_up(http, client, layers, finish_pipeline):
    submitted = http.post("/pipelines/execute", json={"query_id": 4, "performance": "large"}).json()
    status = finish_pipeline(client, submitted["pipeline_execution_id"])
    assert status.status == "completed"
    sink = client.get_execution_status(progress(status)[4].execution_id)
    assert sink.execution_cost_credits > 2
    assert client.get_query_results(4).result.rows == ({"b": 5, "c": 50},)


def test_lineage_takes_options_in_the_query_string(http, layers):
    options = {"performance": "medium", "query_parameters": '{"least": "2"}'}
    nodes = http.get("/query/10/pipeline", params=options).json()["pipeline"]["nodes"]
    assert nodes[0]["materialized_view_refresh"]["performance"] == "medium"
    assert nodes[1]["query_execution"] == {
        "query_id": 10,
        "performance": "medium",
        "query_parameters": {"least": "2"},
    }


def test_a_query_without_matviews_is_a_pipeline_of_one(http, ones):
    nodes = http.get("/query/1/pipeline").json()["pipeline"]["nodes"]
    assert nodes == [{"id": 1, "dependencies": [], "query_execution": {"query_id": 1}}]


def test_matviews_that_read_each_other_have_no_pipeline(http, dune):
    dune.load_query(1, "a", "SELECT * FROM dune.acme.result_b")
    dune.load_query(2, "b", "SELECT * FROM dune.acme.result_a")
    dune.load_materialized_view("dune.acme.result_a", 1)
    dune.load_materialized_view("dune.acme.result_b", 2)
    for answer in (http.get("/query/1/pipeline"), http.post("/pipelines/execute", json={"query_id": 1})):
        assert answer.status_code == 400
        assert "cycle" in answer.json()["error"]


def test_a_long_chain_of_matviews(http, dune):
    dune.load_query(1, "first", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_1", 1)
    for number in range(2, 151):
        dune.load_query(number, "next", f"SELECT n FROM dune.acme.result_{number - 1}")
        dune.load_materialized_view(f"dune.acme.result_{number}", number)
    nodes = http.get("/query/150/pipeline").json()["pipeline"]["nodes"]
    assert [node["dependencies"] for node in nodes] == [[], *([number] for number in range(1, 150))]


# --- refusals ---


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "either a pipeline or a query_id"),
        ({"pipeline": {"nodes": [execute(1, 1)]}, "query_id": 1}, "either a pipeline or a query_id"),
        ({"pipeline": {"nodes": [execute(1, 1)]}, "performance": "large"}, "into the nodes"),
        ({"pipeline": {}}, "pipeline.nodes: Field required"),
        ({"pipeline": {"nodes": None}}, "pipeline.nodes"),
        ({"pipeline": {"nodes": []}}, "no nodes"),
        ({"pipeline": [execute(1, 1)]}, "pipeline: "),
        ({"pipeline": {"nodes": [{"id": 1}]}}, "Node 1 has neither"),
        ({"pipeline": {"nodes": [execute(1, 1) | refresh(1, "result_x")]}}, "Node 1 has both"),
        ({"pipeline": {"nodes": [execute(1, 1), execute(1, 2)]}}, "Node id 1 is used twice"),
        ({"pipeline": {"nodes": [execute(1, 1, 2)]}}, "Node 1 depends on node 2, which does not exist"),
        ({"pipeline": {"nodes": [execute(1, 1, 1)]}}, "cycle: 1 -> 1"),
        ({"pipeline": {"nodes": [execute(1, 1, 3), execute(2, 1, 1), execute(3, 1, 2)]}}, "cycle: "),
        ({"pipeline": {"nodes": [refresh(7, "result_x")]}}, "Node 7: materialized view dune.acme.result_x not found"),
        ({"pipeline": {"nodes": [execute(1, 1, performance="huge")]}}, "performance: Input should be 'free', 'small'"),
        ({"pipeline": {"nodes": [execute("1", 1)]}}, "pipeline.nodes.0.id"),
        ({"pipeline": {"nodes": [execute(True, 1)]}}, "pipeline.nodes.0.id"),
        ({"pipeline": {"nodes": [execute(1, 1.5)]}}, "query_id"),
        ({"pipeline": {"nodes": [execute(1, 1, "0")]}}, "dependencies.0"),
        ({"pipeline": {"nodes": [execute(1, 1, query_parameters=["a"])]}}, "query_parameters"),
        ({"pipeline": {"nodes": [execute(1, 1, query_parameters={"a": "b"})]}}, "unknown parameters (a)"),
        ({"pipeline": {"nodes": [execute(1, 1) | {"depends_on": [2]}]}}, "depends_on"),
        ({"query_id": "1"}, "query_id"),
        ({"query_id": 1, "performance": "huge"}, "performance"),
        ({"query_id": 1, "query_parameters": {"a": 1}}, "unknown parameters (a)"),
        ([], "The request is not valid"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(http, client, ones, body, words):
    answer = http.post("/pipelines/execute", json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert words in answer.json()["error"]
    assert client.get_usage().billing_periods[0].credits_used == 0


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/query/1/pipeline", {"params": {"performance": "huge"}}, 400),
        ("GET", "/query/1/pipeline", {"params": {"query_parameters": "no JSON"}}, 400),
        ("GET", "/query/1/pipeline", {"params": {"query_parameters": "[1]"}}, 400),
        ("GET", "/query/404/pipeline", {}, 404),
        ("POST", "/pipelines/execute", {"json": {"query_id": 404}}, 404),
        ("POST", "/pipelines/execute", {"json": {"pipeline": {"nodes": [execute(1, 404)]}}}, 404),
        ("POST", "/query/404/pipeline/execute", {"json": {"performance": "medium"}}, 404),
        ("GET", "/pipelines/executions/unknown/status", {}, 404),
        ("POST", "/pipelines/execute", {"content": "{"}, 400),
    ],
)
def test_other_refusals(http, ones, method, path, options, status):
    answer = http.request(method, path, **options)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
