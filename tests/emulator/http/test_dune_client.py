"""Dune's official Python client against the emulator: every method that it has for the endpoints that are served."""

import asyncio
import csv
import inspect
import io
import warnings

import pytest
import requests
from dune_client.client import DuneClient
from dune_client.client_async import AsyncDuneClient
from dune_client.models import DatasetType, ExecutionState, QueryFailedError
from dune_client.models import DuneError as ClientError
from dune_client.query import QueryBase
from dune_client.types import QueryParameter

SQL = "SELECT n, n * n AS square FROM UNNEST(sequence(1, 9)) AS t(n) WHERE n >= {{least}} ORDER BY n"
LEAST = QueryParameter.number_type("least", 1)
NINE = [{"n": n, "square": n * n} for n in range(1, 10)]
NOT_SERVED = {
    # Endpoints that Dune's OpenAPI document does not have: contracts, and the tables API that uploads have replaced.
    "submit_contracts", "list_contract_submissions", "insert_table", "clear_data",
    # An endpoint that Dune has deprecated.
    "get_custom_endpoint_result",
    # These only turn the rows of another method into a pandas frame, and pandas is not installed here.
    "run_query_dataframe", "get_latest_result_dataframe", "refresh_into_dataframe",
}  # fmt: skip


@pytest.fixture
def sdk(dune, monkeypatch):
    """The client as a user makes it: from the environment alone."""
    monkeypatch.setenv("DUNE_API_KEY", dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", dune.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield DuneClient()


@pytest.fixture
def saved(sdk):
    """A saved query of nine rows."""
    return sdk.create_query("squares", SQL, [LEAST]).base


@pytest.fixture
def executed(sdk, saved):
    """The id of its execution, which has ended."""
    sdk.run_query(saved, ping_frequency=0.01)
    return sdk.get_latest_result(saved).execution_id


def rows_of(answer):
    return list(csv.DictReader(io.TextIOWrapper(answer.data)))


def test_every_method_is_named_in_a_test_or_said_to_be_not_served():
    source = inspect.getsource(inspect.getmodule(test_every_method_is_named_in_a_test_or_said_to_be_not_served))
    methods = {name for name, _ in inspect.getmembers(DuneClient, inspect.isfunction) if not name.startswith("_")}
    methods -= {"default_headers"}
    untested = {name for name in methods - NOT_SERVED if f"sdk.{name}(" not in source}
    assert untested == set()
    assert methods >= NOT_SERVED


def test_the_client_is_at_the_emulator(sdk, dune):
    assert sdk.base_url == dune.url
    assert sdk.from_env().token == dune.api_key


# --- queries ---


def test_create_query_and_get_query(sdk):
    created = sdk.create_query("squares", SQL, [LEAST], is_private=True)
    assert (created.base.name, created.sql, created.meta.is_private) == ("squares", SQL, True)
    assert created.base.params == [LEAST]
    again = sdk.get_query(created.base.query_id)
    assert again == created
    assert (again.meta.version, again.meta.owner, again.meta.is_archived) == (1, "acme", False)


def test_update_query(sdk, saved):
    text = QueryParameter.text_type("least", "2")
    changed = sdk.update_query(
        saved.query_id, name="new", query_sql="SELECT 2 AS n", params=[text], description="Two", tags=["a", "b"]
    )
    query = sdk.get_query(changed)
    assert (query.base.name, query.sql, query.base.params) == ("new", "SELECT 2 AS n", [text])
    assert (query.meta.description, query.meta.tags, query.meta.version) == ("Two", ["a", "b"], 2)


def test_an_archived_query_is_neither_changed_nor_executed(sdk, saved):
    assert sdk.archive_query(saved.query_id) is True
    for forbidden in (lambda: sdk.execute_query(saved), lambda: sdk.update_query(saved.query_id, name="x")):
        with pytest.raises(requests.HTTPError) as raised:
            forbidden()
        assert "archived" in raised.value.response.json()["error"]
    assert sdk.unarchive_query(saved.query_id) is False
    assert sdk.run_query(saved, ping_frequency=0.01).get_rows() == NINE


def test_make_private_and_make_public(sdk, saved):
    sdk.make_private(saved.query_id)
    assert sdk.get_query(saved.query_id).meta.is_private
    sdk.make_public(saved.query_id)
    assert not sdk.get_query(saved.query_id).meta.is_private


# --- executions ---


def test_execute_query_and_get_execution_status(sdk, saved, client, finish):
    submitted = sdk.execute_query(saved, performance="large")
    assert submitted.state is ExecutionState.PENDING
    finish(client, submitted.execution_id)
    status = sdk.get_execution_status(submitted.execution_id)
    assert (status.state, status.query_id, status.error) == (ExecutionState.COMPLETED, saved.query_id, None)
    assert (status.result_metadata.column_names, status.result_metadata.row_count) == (["n", "square"], 9)
    assert status.result_metadata.column_types == ["bigint", "bigint"]
    assert status.times.submitted_at <= status.times.execution_started_at <= status.times.execution_ended_at
    assert (status.times.expires_at - status.times.execution_ended_at).days == 90


def test_parameters_are_substituted(sdk, saved):
    seven = QueryBase(saved.query_id, params=[QueryParameter.number_type("least", 7)])
    assert sdk.run_query(seven, ping_frequency=0.01).get_rows() == NINE[6:]
    sdk.run_query(saved, ping_frequency=0.01)
    assert sdk.get_latest_result(seven).get_rows() == NINE[6:]
    assert sdk.get_latest_result(saved.query_id).get_rows() == NINE


def test_execute_sql_and_run_sql(sdk, client, finish):
    execution_id = sdk.execute_sql("SELECT 1 AS one").execution_id
    finish(client, execution_id)
    assert sdk.get_execution_results(execution_id).get_rows() == [{"one": 1}]
    assert sdk.run_sql("SELECT 2 AS two", ping_frequency=0.01).get_rows() == [{"two": 2}]


def test_a_failure_is_told_in_dunes_words(sdk):
    with pytest.raises(QueryFailedError, match="line 1:8: Column 'nonsense' cannot be resolved"):
        sdk.run_sql("SELECT nonsense FROM dex.trades", ping_frequency=0.01)


def test_cancel_execution(sdk, client, endless, until_running):
    execution_id = sdk.execute_sql(endless).execution_id
    until_running(client, execution_id)
    assert sdk.cancel_execution(execution_id) is True
    status = sdk.get_execution_status(execution_id)
    assert status.state is ExecutionState.CANCELLED
    assert status.times.cancelled_at is not None
    assert sdk.get_execution_results(execution_id).get_rows() == []


def test_get_execution_results_page_by_page(sdk, executed):
    first = sdk.get_execution_results(executed, limit=4, offset=2, columns=["square"])
    assert first.get_rows() == [{"square": n * n} for n in (3, 4, 5, 6)]
    assert (first.next_offset, first.result.metadata.total_row_count) == (6, 9)
    assert sdk._fetch_entire_result(first).get_rows() == [{"square": n * n} for n in range(3, 10)]


def test_filters_sort_by_and_sample_count(sdk, executed):
    chosen = sdk.get_execution_results(executed, filters="square > 9 and (n < 6 or n in (8))", sort_by=["n desc"])
    assert [row["n"] for row in chosen.get_rows()] == [8, 5, 4]
    sample = sdk.get_execution_results(executed, sample_count=4).get_rows()
    assert len(sample) == 4
    assert all(row in NINE for row in sample)


def test_get_execution_results_csv(sdk, executed):
    page = sdk.get_execution_results_csv(executed, limit=2, sort_by=["n desc"], filters="n < 9")
    assert page.next_offset == "2"
    assert [row["n"] for row in rows_of(page)] == ["8", "7"]
    rest = sdk._fetch_entire_result_csv(sdk.get_execution_results_csv(executed, limit=2))
    assert [row["square"] for row in rows_of(rest)] == [str(row["square"]) for row in NINE]


def test_run_query_and_run_query_csv(sdk, saved):
    assert sdk.run_query(saved, ping_frequency=0.01, batch_size=2, filters="n > 4").get_rows() == NINE[4:]
    assert len(rows_of(sdk.run_query_csv(saved, ping_frequency=0.01, batch_size=2, columns=["n"]))) == 9


def test_get_latest_result_and_download_csv(sdk, saved, executed):
    assert sdk.get_latest_result(saved.query_id, batch_size=4).get_rows() == NINE
    assert [row["n"] for row in rows_of(sdk.download_csv(saved.query_id, batch_size=4))] == [
        str(n) for n in range(1, 10)
    ]
    assert rows_of(sdk.download_csv(saved, filters="n = 3"))[0] == {"n": "3", "square": "9"}


def test_the_old_names_of_methods(sdk, saved, client, finish):
    execution_id = sdk.execute(saved).execution_id
    finish(client, execution_id)
    assert sdk.get_status(execution_id).state is ExecutionState.COMPLETED
    assert sdk.get_result(execution_id).get_rows() == NINE
    assert len(rows_of(sdk.get_result_csv(execution_id))) == 9
    assert sdk.refresh(saved, ping_frequency=0.01).get_rows() == NINE
    assert len(rows_of(sdk.refresh_csv(saved, ping_frequency=0.01))) == 9


# --- pipelines ---


def test_execute_query_pipeline_and_get_pipeline_status(sdk, saved, client, finish_pipeline):
    started = sdk.execute_query_pipeline(saved.query_id, performance="medium").pipeline_execution_id
    finish_pipeline(client, started)
    status = sdk.get_pipeline_status(started)
    node = status.node_executions[0].query_execution_status
    assert (status.status, node.status, node.query_id) == ("completed", "QUERY_STATE_COMPLETED", saved.query_id)
    assert sdk.get_execution_results(node.execution_id).get_rows() == NINE


def test_a_pipeline_of_a_query_needs_no_performance(sdk, saved):
    """The specification requires it, and the client leaves it out by default."""
    assert sdk.execute_query_pipeline(saved.query_id).pipeline_execution_id


def test_the_client_cannot_read_the_status_of_a_matviews_node(sdk, dune, client, finish_pipeline):
    """It wants every node to be a query's, against the specification; the emulator keeps to the specification."""
    dune.load_query(7, "n", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_n", 7)
    dune.load_query(8, "reader", "SELECT n FROM dune.acme.result_n")
    started = sdk.execute_query_pipeline(8, performance="medium").pipeline_execution_id
    finish_pipeline(client, started)
    with pytest.raises(ClientError, match="PipelineStatusResponse"):
        sdk.get_pipeline_status(started)


# --- tables and usage ---


def test_list_datasets_and_get_dataset(sdk):
    sdk.upload_csv("amounts", "n\n1\n", "Some amounts")
    listed = sdk.list_datasets(limit=250)
    names = [dataset.full_name for dataset in listed.datasets]
    assert {"dex.trades", "ethereum.transactions", "dune.acme.dataset_amounts"} <= set(names)
    assert listed.total == len(names)
    mine = sdk.list_datasets(owner_handle="acme", type=DatasetType.UPLOADED_TABLE.value)
    assert [dataset.full_name for dataset in mine.datasets] == ["dune.acme.dataset_amounts"]
    page = sdk.list_datasets(limit=1, offset=1)
    assert [dataset.full_name for dataset in page.datasets] == names[1:2]
    trades = sdk.get_dataset("dex.trades")
    assert DatasetType(trades.type) is DatasetType.SPELL
    types = {column.name: column.type for column in trades.columns}
    assert (types["amount_usd"], types["tx_hash"], types["token_bought_amount_raw"]) == (
        "double", "varbinary", "uint256",
    )  # fmt: skip


def test_a_table_is_created_filled_cleared_and_deleted(sdk):
    schema = [
        {"name": "day", "type": "timestamp"},
        {"name": "amount", "type": "uint256"},
        {"name": "hash", "type": "varbinary", "nullable": True},
    ]
    created = sdk.create_table("acme", "amounts", schema, "Some amounts", is_private=True)
    assert created.full_name == "dune.acme.amounts"
    lines = f"day,amount,hash\n2026-01-01T10:00:00Z,{2**256 - 1},0xAB\n2026-01-02,7,\n".encode()
    inserted = sdk.insert_data("acme", "amounts", io.BytesIO(lines), "text/csv")
    assert (inserted.rows_written, inserted.bytes_written, inserted.name) == (2, len(lines), created.full_name)
    line = b'{"day": "2026-01-03 00:00:00", "amount": 115792089237316195423570985008687907853, "hash": "q80="}\n'
    assert sdk.insert_data("acme", "amounts", io.BytesIO(line), "application/x-ndjson").rows_written == 1
    rows = sdk.run_sql(f"SELECT amount, hash FROM {created.full_name} ORDER BY day", ping_frequency=0.01).get_rows()
    assert rows == [
        {"amount": str(2**256 - 1), "hash": "0xab"},
        {"amount": "7", "hash": None},
        {"amount": "115792089237316195423570985008687907853", "hash": "0xabcd"},
    ]
    listed = sdk.list_uploads(limit=1).tables[0]
    assert (listed.full_name, listed.is_private, listed.owner.handle) == (created.full_name, True, "acme")
    assert [column.name for column in listed.columns] == ["day", "amount", "hash"]
    assert int(listed.table_size_bytes) > 0
    assert "cleared" in sdk.clear_table("acme", "amounts").message
    counted = sdk.run_sql("SELECT count(*) AS n FROM dune.acme.amounts", ping_frequency=0.01)
    assert counted.get_rows() == [{"n": 0}]
    assert "deleted" in sdk.delete_table("acme", "amounts").message
    assert sdk.list_uploads().tables == []


def test_upload_csv(sdk):
    assert sdk.upload_csv("x", "n,s\n1,a\n", "A table").table_name == "x"
    rows = sdk.run_sql("SELECT * FROM dune.acme.dataset_x", ping_frequency=0.01).get_rows()
    assert rows == [{"n": 1, "s": "a"}]


def test_get_usage_adds_up_what_was_charged(sdk, saved):
    charged = 0.0
    for performance in ("medium", "large"):
        execution_id = sdk.run_query(saved, ping_frequency=0.01, performance=performance).execution_id
        charged += sdk.get_execution_status(execution_id).execution_cost_credits
    sdk.create_table("acme", "n", [{"name": "n", "type": "bigint"}])
    sdk.insert_data("acme", "n", io.BytesIO(b"n\n1\n"), "text/csv")
    usage = sdk.get_usage()
    assert usage.billing_periods[0].credits_used == pytest.approx(charged + 10 + 1)
    assert charged > 3
    assert usage.bytes_used > 0
    assert sdk.get_usage(start_date="2020-01-01", end_date="2020-12-31").billing_periods == []


# --- the asynchronous client ---


def test_the_asynchronous_client(sdk, saved):
    async def until(read, is_good):
        while not is_good(seen := await read()):
            await asyncio.sleep(0.005)
        return seen

    async def everything():
        async with AsyncDuneClient() as client:
            result = await client.run_query(saved, ping_frequency=0.01)
            assert result.get_rows() == NINE
            assert (await client.get_latest_result(saved.query_id)).get_rows() == NINE
            assert len(rows_of(await client.run_query_csv(saved, ping_frequency=0.01))) == 9
            assert (await client.get_execution_results(result.execution_id)).get_rows() == NINE
            assert len(rows_of(await client.get_execution_results_csv(result.execution_id))) == 9
            submitted = (await client.execute_query(saved)).execution_id
            await until(lambda: client.get_execution_status(submitted), lambda status: status.is_execution_finished)
            assert await client.cancel_execution(submitted) is False
            started = await client.execute_query_pipeline(saved.query_id, performance="medium")
            ended = await until(
                lambda: client.get_pipeline_status(started.pipeline_execution_id),
                lambda status: status.status in ("completed", "failed"),
            )
            assert (ended.status, len(ended.node_executions)) == ("completed", 1)

    asyncio.run(everything())
