"""Every method of the client, against the emulator."""

import json
from datetime import UTC, date, datetime

import pytest
from plain_http import plain
from waiting import PATIENCE

from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneAuthenticationError, DuneBadRequestError, DuneNotFoundError

CHAIN = {"key": "chain", "type": "enum", "value": "base", "enumOptions": ["base", "ethereum"]}
VOLUME = "dune.acme.result_volume"


@pytest.fixture
def volume(dune):
    """A matview with two rows and a query that reads it."""
    dune.load_query(1, "Volume", "SELECT 'base' AS chain, 5 AS usd UNION ALL SELECT 'ethereum', 7 ORDER BY chain")
    dune.load_materialized_view(VOLUME, 1)
    dune.load_query(2, "Total", f"SELECT sum(usd) AS usd FROM {VOLUME}", tags=["a", "b"], is_private=True)
    dune.load_query(3, "Chain", "SELECT '{{chain}}' AS chain", parameters=[CHAIN], description="One chain")


def test_a_pipeline_refreshes_matviews_before_their_readers(client, volume, finish_pipeline):
    pipeline = models.Pipeline(
        nodes=(
            models.PipelineNode(id=2, dependencies=(1,), query_execution=models.QueryExecution(query_id=2)),
            models.PipelineNode(id=1, materialized_view_refresh=models.MaterializedViewRefresh(name=VOLUME)),
        )
    )
    submitted = client.execute_pipeline(pipeline)
    status = finish_pipeline(client, submitted.pipeline_execution_id)
    assert (status.status, status.error) == ("completed", None)
    assert [(node.id, node.progress.status) for node in status.node_executions] == [
        (2, "QUERY_STATE_COMPLETED"),
        (1, "QUERY_STATE_COMPLETED"),
    ]
    query, refresh = (node.progress for node in status.node_executions)
    assert (query.query_id, refresh.name) == (2, VOLUME)
    assert client.get_execution_results(query.execution_id).result.rows == ({"usd": 12},)
    assert len(client.get_execution_results(refresh.execution_id).result.rows) == 2


def test_the_lineage_form_runs_what_the_query_pipeline_shows(client, volume, finish_pipeline, dune):
    shown = client.get_query_pipeline(2, performance="large")
    assert shown == models.Pipeline(
        nodes=(
            models.PipelineNode(
                id=1, materialized_view_refresh=models.MaterializedViewRefresh(name=VOLUME, performance="large")
            ),
            models.PipelineNode(
                id=2, dependencies=(1,), query_execution=models.QueryExecution(query_id=2, performance="large")
            ),
        )
    )
    for submit in (client.execute_lineage, client.execute_query_pipeline):
        status = finish_pipeline(client, submit(2, "large").pipeline_execution_id)
        assert status.status == "completed"
        assert [type(node.progress).__name__ for node in status.node_executions] == [
            "MaterializedViewRefreshStatus",
            "QueryExecutionStatus",
        ]
    bodies = [entry["body"] for entry in dune.journal() if entry["method"] == "POST"]
    assert bodies == [{"query_id": 2, "performance": "large"}, {"performance": "large"}]


def test_a_lineage_takes_parameters(client, volume, finish_pipeline):
    values = {"chain": "ethereum"}
    assert client.get_query_pipeline(3, query_parameters=values).nodes[0].query_execution.query_parameters == values
    for submitted in (
        client.execute_lineage(3, query_parameters=values),
        client.execute_query_pipeline(3, "medium", values),
    ):
        node = finish_pipeline(client, submitted.pipeline_execution_id).node_executions[0]
        assert client.get_execution_results(node.progress.execution_id).result.rows == ({"chain": "ethereum"},)


def test_matviews_are_written_read_refreshed_and_deleted(client, volume, finish):
    written = client.upsert_materialized_view(
        "result_other", 1, cron_expression="0 */6 * * *", performance="large", is_private=True
    )
    assert written.name == "dune.acme.result_other"
    assert finish(client, written.execution_id).execution_cost_credits == pytest.approx(2.00008)

    refreshed = client.refresh_materialized_view("dune.acme.result_other", "medium")
    assert refreshed.sql_id == "dune.acme.result_other"
    status = finish(client, refreshed.execution_id)
    assert status.query_id == 1

    info = client.get_materialized_view('dune."acme".result_other')
    assert (info.id, info.sql_id, info.query_id, info.is_private) == (None, "dune.acme.result_other", 1, True)
    assert info.last_execution_ids == (refreshed.execution_id, written.execution_id)
    assert info.table_size_bytes == status.result_metadata.total_result_set_bytes > 0

    assert [view.sql_id for view in client.list_materialized_views()] == ["dune.acme.result_other", VOLUME]
    assert client.delete_materialized_view("dune.acme.result_other").message == "ok"
    assert [view.sql_id for view in client.list_materialized_views()] == [VOLUME]
    with pytest.raises(DuneNotFoundError):
        client.get_materialized_view("dune.acme.result_other")
    with pytest.raises(DuneNotFoundError, match="Query not found"):
        client.execute_lineage(404)
    gone = finish(client, client.execute_sql("SELECT * FROM dune.acme.result_other").execution_id)
    assert gone.state == "QUERY_STATE_FAILED"


def test_queries_are_created_read_changed_and_listed(client, volume):
    created = client.create_query(
        "New",
        "SELECT {{Start Date}}",
        description="Words",
        parameters=[models.Parameter(key="Start Date", type="number", value="1")],
        tags=["x"],
        is_private=True,
    )
    query = client.get_query(created.query_id)
    assert (query.name, query.query_sql, query.description) == ("New", "SELECT {{Start Date}}", "Words")
    assert (query.version, query.owner, query.is_private, query.is_archived) == (1, "acme", True, False)
    assert query.parameters == (models.Parameter(key="Start Date", type="number", value="1"),)

    assert (
        client.update_query(created.query_id, query_sql="SELECT 2", parameters=[], tags=[]).query_id == query.query_id
    )
    changed = client.get_query(created.query_id)
    assert (changed.name, changed.query_sql, changed.parameters, changed.tags) == ("New", "SELECT 2", (), ())
    assert (changed.version, changed.is_private) == (2, True)

    listed = list(client.list_queries())
    assert [(row.id, row.name) for row in listed] == [(1, "Volume"), (2, "Total"), (3, "Chain"), (4, "New")]
    assert listed[1].tags == ("a", "b")
    assert listed[2].description == "One chain"
    assert listed[0].created_at <= listed[0].updated_at <= datetime.now(UTC)


def test_lists_are_read_page_by_page(client, dune):
    for number in range(1, 1003):
        dune.load_query(number, f"Query {number}", "SELECT 1")
        dune.load_materialized_view(f"dune.acme.result_{number:04}", number)
    assert [row.id for row in client.list_queries()] == list(range(1, 1003))
    assert [view.query_id for view in client.list_materialized_views()] == list(range(1, 1003))
    paths = [entry["path"] for entry in dune.journal()]
    assert paths == ["/api/v1/queries"] * 2 + ["/api/v1/materialized-views"] * 2


def test_a_query_execution_has_a_status_with_everything_in_it(client, volume, finish):
    submitted = client.execute_query(3, "large", {"chain": "ethereum"})
    assert submitted.state == "QUERY_STATE_PENDING"
    status = finish(client, submitted.execution_id)
    assert (status.state, status.query_id) == ("QUERY_STATE_COMPLETED", 3)
    assert status.execution_cost_credits == pytest.approx(2.00002)
    assert status.submitted_at <= status.execution_started_at <= status.execution_ended_at < status.expires_at
    assert status.cancelled_at is None
    shape = status.result_metadata
    assert (shape.column_names, shape.row_count, shape.total_row_count) == (("chain",), 1, 1)
    assert shape.column_types[0].startswith("varchar")
    assert shape.datapoint_count == 1
    assert shape.total_result_set_bytes == shape.result_set_bytes > 0
    assert shape.pending_time_millis >= 0
    assert shape.execution_time_millis >= 0


def test_parameters_default_to_what_is_saved(client, volume, finish):
    done = finish(client, client.execute_query(3).execution_id)
    assert client.get_execution_results(done.execution_id).result.rows == ({"chain": "base"},)


def test_sql_that_is_not_saved_is_executed(client, volume, finish):
    done = finish(client, client.execute_sql("SELECT n FROM (VALUES 1, 2, 3) AS t(n) ORDER BY n").execution_id)
    assert (done.state, done.query_id) == ("QUERY_STATE_COMPLETED", 0)
    assert [row["n"] for row in client.get_execution_results(done.execution_id).result.rows] == [1, 2, 3]


def test_results_come_in_pages_of_rows_and_columns(client, volume, finish):
    sql = "SELECT n, n * n AS square FROM (VALUES 1, 2, 3, 4, 5) AS t(n) ORDER BY n"
    done = finish(client, client.execute_sql(sql).execution_id)
    page = client.get_execution_results(done.execution_id, limit=2, offset=1, columns=["square"])
    assert page.result.rows == ({"square": 4}, {"square": 9})
    assert page.next_offset == 3
    assert page.next_uri.endswith(f"/api/v1/execution/{done.execution_id}/results?limit=2&offset=3&columns=square")
    shape = page.result.metadata
    assert (shape.row_count, shape.total_row_count, shape.datapoint_count) == (2, 5, 2)
    assert shape.column_names == ("square",)
    assert shape.result_set_bytes < shape.total_result_set_bytes

    pages = list(client.iter_execution_pages(done.execution_id, page_size=2))
    assert [len(page.result.rows) for page in pages] == [2, 2, 1]
    assert [row["n"] for page in pages for row in page.result.rows] == [1, 2, 3, 4, 5]
    assert pages[-1].next_offset is None
    assert pages[-1].next_uri is None


def test_the_latest_result_of_a_query_is_that_of_its_last_completed_execution(client, volume, finish):
    with pytest.raises(DuneNotFoundError):
        client.get_query_results(3)
    finish(client, client.execute_query(3).execution_id)
    latest = finish(client, client.execute_query(3, query_parameters={"chain": "ethereum"}).execution_id)
    results = client.get_query_results(3, limit=1, columns=["chain"])
    assert results.execution_id == latest.execution_id
    assert results.result.rows == ({"chain": "ethereum"},)


def test_refreshing_a_matview_is_no_result_of_its_query(client, volume, finish):
    finish(client, client.refresh_materialized_view(VOLUME).execution_id)
    with pytest.raises(DuneNotFoundError):
        client.get_query_results(1)


def test_an_execution_is_cancelled_once(dune, client, volume):
    dune.hold(VOLUME)
    submitted = client.refresh_materialized_view(VOLUME)
    dune.wait_until_held(VOLUME, timeout=PATIENCE)
    assert client.cancel_execution(submitted.execution_id) is True
    status = client.get_execution_status(submitted.execution_id)
    assert (status.state, status.is_execution_finished) == ("QUERY_STATE_CANCELLED", True)
    assert status.cancelled_at == status.execution_ended_at
    assert client.cancel_execution(submitted.execution_id) is False


def test_usage_adds_up_what_executions_cost(client, volume, finish):
    before = client.get_usage().billing_periods[0]
    assert before.credits_used == 0
    costs = [
        finish(client, client.execute_query(1).execution_id).execution_cost_credits,
        finish(client, client.execute_sql("SELECT nonsense").execution_id).execution_cost_credits,
        finish(client, client.refresh_materialized_view(VOLUME).execution_id).execution_cost_credits,
    ]
    assert min(costs) > 0
    usage = client.get_usage()
    period = usage.billing_periods[0]
    assert period.credits_used == pytest.approx(sum(costs))
    assert date.fromisoformat(period.start_date) <= datetime.now(UTC).date()
    assert (usage.private_queries, usage.private_dashboards) == (1, 0)
    assert 0 < usage.bytes_used < usage.bytes_allowed
    assert client.get_usage(date(2001, 1, 1), date(2001, 2, 1)).billing_periods == ()


def test_a_failed_execution_says_why_and_where(client, dune, finish):
    dune.load_query(1, "Broken", "SELECT count(*)\nFROM dex.nothing_of_this_name")
    status = finish(client, client.execute_query(1).execution_id)
    assert status.state == "QUERY_STATE_FAILED"
    assert status.error.type.startswith("FAILED_TYPE_")
    assert "nothing_of_this_name" in status.error.message
    assert status.error.metadata.line == 2
    assert status.result_metadata is None
    results = client.get_execution_results(status.execution_id)
    assert (results.state, results.result, results.error) == (status.state, None, status.error)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_query(404),
        lambda client: client.execute_query(404),
        lambda client: client.get_query_results(404),
        lambda client: client.update_query(404, name="x"),
        lambda client: client.get_query_pipeline(404),
        lambda client: client.execute_query_pipeline(404, "medium"),
        lambda client: client.get_execution_status("01HKZJ2683PHF9Q9PHHQ8FW4Q1"),
        lambda client: client.get_execution_results("01HKZJ2683PHF9Q9PHHQ8FW4Q1"),
        lambda client: client.cancel_execution("01HKZJ2683PHF9Q9PHHQ8FW4Q1"),
        lambda client: client.get_pipeline_status("01HKZJ2683PHF9Q9PHHQ8FW4Q1"),
        lambda client: client.get_materialized_view("dune.acme.result_none"),
        lambda client: client.refresh_materialized_view("dune.acme.result_none"),
        lambda client: client.delete_materialized_view("dune.acme.result_none"),
    ],
)
def test_what_does_not_exist_is_not_found(client, call):
    with pytest.raises(DuneNotFoundError, match="not found") as caught:
        call(client)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda client: client.execute_query(3, query_parameters={"chian": "base"}), r"unknown parameters \(chian\)"),
        (lambda client: client.execute_query(3, query_parameters={"chain": "solana"}), "base, ethereum"),
        (lambda client: client.upsert_materialized_view("volume", 1), "result_<name>"),
        (lambda client: client.upsert_materialized_view("dune.acme.result_x", 1), "result_<name>"),
        (lambda client: client.upsert_materialized_view("result_x", 404), "Query 404 not found"),
        (lambda client: client.upsert_materialized_view("result_x", 1, cron_expression="* * * * *"), "15"),
        (lambda client: client.create_query("", "SELECT 1"), "name"),
        (
            lambda client: client.create_query("x", "SELECT 1", parameters=[models.Parameter(key="")]),
            "parameters.0.key",
        ),
        (lambda client: client.get_usage(date(2024, 2, 1), date(2024, 1, 1)), "is after"),
    ],
)
def test_a_wrong_request_is_refused_with_a_reason(client, volume, dune, call, words):
    with pytest.raises(DuneBadRequestError, match=words) as caught:
        call(client)
    assert caught.value.status == 400
    assert len(dune.journal()) == 1


def test_another_key_is_refused_and_shown_nowhere(dune):
    with (
        DuneApiClient("a-very-secret-key", dune.url) as stranger,
        pytest.raises(DuneAuthenticationError, match="invalid API Key") as caught,
    ):
        stranger.get_query(1)
    assert caught.value.status == 401
    shown = [
        str(caught.value),
        repr(caught.value),
        repr(vars(caught.value)),
        repr(stranger),
        json.dumps(dune.journal()),
    ]
    assert not any("a-very-secret-key" in text for text in shown)


def test_the_key_travels_in_the_header_alone(dune, client):
    client.get_usage()
    answer = plain.post(f"{dune.url}/api/v1/usage", headers={"X-Dune-Api-Key": dune.api_key})
    assert answer.request.url.query == b""
    assert [entry["status"] for entry in dune.journal()] == [200, 200]
