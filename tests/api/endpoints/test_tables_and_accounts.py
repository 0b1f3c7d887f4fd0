"""Uploads, datasets, queries' switches, CSV and the account: what is sent, and what comes back of the local Dune."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from waiting import PATIENCE

from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import (
    AmbiguousSubmission,
    DuneApiError,
    DuneAuthenticationError,
    DuneNotFoundError,
    DunePermissionError,
)
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError

COLUMNS = [models.TableColumn(name="n", type="bigint"), models.TableColumn(name="word", type="varchar", nullable=True)]


@pytest.fixture
def answering(faulty):
    """A function that lets a server answer, and a client of it."""
    with DuneApiClient("a-key", faulty.url, timeout=PATIENCE, max_retries=0) as opened:

        def answer(*bodies):
            faulty.replies = [(200, json.dumps(body)) for body in bodies]
            return opened

        yield answer


def sent(dune, path):
    """The bodies that were posted to a path, in order."""
    return [entry["body"] for entry in dune.journal() if (entry["method"], entry["path"]) == ("POST", path)]


def rows_of(client, finish, sql):
    done = finish(client, client.execute_sql(sql).execution_id)
    return client.get_execution_results(done.execution_id).result.rows


def test_a_table_is_created_filled_read_cleared_and_deleted(client, finish):
    created = client.create_upload("acme", "numbers", COLUMNS, description="Some", is_private=True)
    assert (created.full_name, created.table_name) == ("dune.acme.numbers", "numbers")
    assert client.insert_rows("acme", "numbers", "n,word\n1,one\n").rows_written == 1
    assert client.insert_rows("acme", "numbers", b'{"n": 2, "word": "two"}\n', "application/x-ndjson").rows_written == 1
    assert rows_of(client, finish, f"SELECT word FROM {created.full_name} ORDER BY n") == (
        {"word": "one"},
        {"word": "two"},
    )

    (listed,) = client.list_uploads()
    assert (listed.full_name, listed.is_private, listed.owner.handle) == ("dune.acme.numbers", True, "acme")
    assert [column.name for column in listed.columns] == ["n", "word"]
    assert listed.table_size_bytes > 0

    assert client.clear_upload("acme", "numbers").message
    assert rows_of(client, finish, f"SELECT count(*) AS n FROM {created.full_name}") == ({"n": 0},)
    assert client.delete_upload("acme", "numbers").message
    assert list(client.list_uploads()) == []
    with pytest.raises(DuneNotFoundError):
        client.delete_upload("acme", "numbers")


def test_a_csv_becomes_a_table(client, finish):
    client.upload_csv("words", "n,word\n1,one\n")
    assert rows_of(client, finish, "SELECT word FROM dune.acme.dataset_words") == ({"word": "one"},)


@pytest.mark.parametrize("reply", ["reset", (503, '{"error": "down"}'), (200, "")])
def test_rows_are_never_inserted_twice(faulty, reply):
    faulty.replies = [reply]
    with (
        DuneApiClient("a-key", faulty.url, timeout=PATIENCE, max_retries=3) as client,
        pytest.raises(AmbiguousSubmission, match="Count the table's rows"),
    ):
        client.insert_rows("acme", "numbers", "n\n1\n")
    assert len(faulty.requests) == 1


def test_datasets_are_listed_and_read(client):
    client.upload_csv("words", "n,word\n1,one\n")
    names = {dataset.full_name: dataset for dataset in client.list_datasets()}
    assert {"dex.trades", "dune.acme.dataset_words"} <= names.keys()
    assert [found.full_name for found in client.list_datasets(owner_handle="acme", type="uploaded_table")] == [
        "dune.acme.dataset_words"
    ]
    trades = client.get_dataset("dex.trades")
    assert trades == names["dex.trades"]
    assert "block_time" in {column.name for column in trades.columns}
    with pytest.raises(DuneNotFoundError):
        client.get_dataset("dex.nothing")


def test_datasets_are_searched_page_by_page(client, dune):
    dune.load_query(1, "Trades", "SELECT 1 AS n")
    dune.load_materialized_view("dune.acme.result_trades", 1, is_private=True)

    found = list(client.search_datasets("trades", include_schema=True, include_metadata=True, page_size=1))
    assert [dataset.full_name for dataset in found] == [
        "dex.trades",
        "dex_aggregator.trades",
        "dune.acme.result_trades",
        "nft.trades",
    ]
    assert len(sent(dune, "/api/v1/datasets/search")) == 4
    trades = found[0]
    assert (trades.category, trades.dataset_type, trades.visibility) == ("spell", "spell", "public")
    assert {"name": "tx_hash", "type": "varbinary", "nullable": True} in trades.table_schema
    assert trades.metadata is not None

    def names(*args, **options):
        return [dataset.full_name for dataset in client.search_datasets(*args, **options)]

    assert names("trades", schemas=["nft"]) == ["nft.trades"]
    assert names("trades", owner_scope="team") == ["dune.acme.result_trades"]
    assert names("trades", include_private=False, dataset_types=["materialized_view"]) == []
    assert names(categories=["canonical"], blockchains=["base"]) == []
    assert names("no such words") == []


def test_datasets_are_searched_by_contract(client, dune):
    address = bytes(range(20))
    for number in range(3):
        dune.load_table(f"pool_{number}_ethereum.Swap", [{"contract_address": address, "n": 1}])
    found = list(
        client.search_datasets_by_contract(
            "0x" + address.hex(), blockchains=["ethereum"], include_schema=True, page_size=2
        )
    )
    assert [dataset.full_name for dataset in found] == [f"pool_{number}_ethereum.swap" for number in range(3)]
    assert [column["name"] for column in found[2].table_schema] == ["contract_address", "n"]
    assert len(sent(dune, "/api/v1/datasets/search-by-contract")) == 2
    assert list(client.search_datasets_by_contract("0x" + "ff" * 20)) == []
    with pytest.raises(DuneApiError, match="0x and 40 hexadecimal digits"):
        list(client.search_datasets_by_contract("0xa0"))


def test_whoami_tells_whose_key_it_is(client, dune):
    owner = client.whoami()
    assert (owner.customer_id, owner.created_by, len(owner.api_key_id)) == ("team_1", 1, 26)
    assert owner.api_key_id != dune.api_key
    with DuneApiClient("another-key", dune.url) as stranger, pytest.raises(DuneAuthenticationError):
        stranger.whoami()


def test_limits_are_told_where_the_server_tells_them(database):
    with (
        DuneEmulator(rate_limit="free", database=database) as limited,
        DuneApiClient(limited.api_key, limited.url, timeout=PATIENCE) as client,
    ):
        client.whoami()
        told = client.rate_limit
        assert (told.limit, told.remaining) == (40, 39)
        assert abs(told.reset - time.time()) < 60
        client.execute_sql("SELECT 1 AS n")
        assert client.rate_budget.limit == 40  # the limit of writes is another one


def test_queries_are_archived_and_made_private_and_back(client, dune):
    dune.load_query(1, "One", "SELECT 1 AS one")

    def state():
        query = client.get_query(1)
        return query.is_archived, query.is_private

    assert client.archive_query(1).query_id == 1
    assert client.make_query_private(1).query_id == 1
    assert state() == (True, True)
    assert client.unarchive_query(1).query_id == 1
    assert client.make_query_public(1).query_id == 1
    assert state() == (False, False)


def test_a_query_can_be_temporary(client, finish):
    query_id = client.create_query("Throw away", "SELECT 1 AS n", is_temp=True).query_id
    query = client.get_query(query_id)
    assert (query.is_temp, query.is_unsaved) == (True, True)
    assert list(client.list_queries()) == []
    assert finish(client, client.execute_query(query_id).execution_id).state == "QUERY_STATE_COMPLETED"
    with pytest.raises(DuneApiError, match="is temporary"):
        client.upsert_materialized_view("result_thrown_away", query_id)


def test_a_query_is_archived_by_an_update(client, dune):
    dune.load_query(1, "One", "SELECT 1 AS one")
    client.update_query(1, is_archived=True)
    assert client.get_query(1).is_archived is True
    with pytest.raises(DunePermissionError, match="Query is archived"):
        client.execute_query(1)
    client.update_query(1, is_archived=False, name="Two")
    assert (client.get_query(1).is_archived, client.get_query(1).name) == (False, "Two")


def test_a_matview_is_overwritten_as_a_whole(client, dune):
    dune.load_query(1, "One", "SELECT 1 AS one")
    expiry = datetime(2099, 1, 1, 12, tzinfo=UTC)
    name = client.upsert_materialized_view(
        "result_one", 1, cron_expression="0 */6 * * *", performance="small", is_private=True, expires_at=expiry
    ).name
    view = client.get_materialized_view(name)
    schedule = view.schedule
    assert (schedule.cron_expression, schedule.performance, schedule.expires_at) == ("0 */6 * * *", "small", expiry)
    assert datetime.now(UTC) < schedule.next_execution_time <= datetime.now(UTC) + timedelta(hours=6)
    assert (view.is_private, view.is_scheduled) == (True, True)
    (listed,) = client.list_materialized_views()
    assert (listed.sql_id, listed.schedule, listed.is_scheduled) == (name, None, None)

    client.upsert_materialized_view("result_one", 1)
    view = client.get_materialized_view(name)
    assert (view.schedule, view.is_scheduled, view.is_private) == (None, False, False)
    bodies = sent(dune, "/api/v1/materialized-views")
    assert bodies == [
        {
            "name": "result_one",
            "query_id": 1,
            "cron_expression": "0 */6 * * *",
            "performance": "small",
            "is_private": True,
            "expires_at": "2099-01-01T12:00:00+00:00",
        },
        {"name": "result_one", "query_id": 1, "is_private": False},
    ]


def test_a_schedule_that_has_expired_is_none(client, dune):
    dune.load_query(1, "One", "SELECT 1 AS one")
    past = datetime(2020, 1, 1, tzinfo=UTC)
    name = client.upsert_materialized_view("result_one", 1, cron_expression="0 6 * * *", expires_at=past).name
    assert client.get_materialized_view(name).is_scheduled is False


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.upsert_materialized_view("result_x", 1, expires_at=datetime(2027, 1, 1, tzinfo=UTC)),
        lambda client: client.upsert_materialized_view(
            "result_x",
            1,
            cron_expression="0 * * * *",
            expires_at=datetime(2027, 1, 1),  # noqa: DTZ001
        ),
        lambda client: client.execute_query(1, query_parameters={"n": float("nan")}),
        lambda client: client.execute_query(1, query_parameters={"n": object()}),
        lambda client: client.execute_sql("SELECT '\ud800'"),
        lambda client: client.get_execution_results("x", sample_count=1, limit=1),
        lambda client: client.get_execution_results("x", sample_count=1, filters="n > 1"),
        lambda client: client.get_materialized_view("\ud800"),
        lambda client: client.get_dataset(""),
    ],
)
def test_what_cannot_be_sent_is_refused_before_any_request(answering, faulty, call):
    with pytest.raises(DuneConfigurationError):
        call(answering({}))
    assert faulty.requests == []


def test_a_result_is_streamed_as_csv_page_by_page(client, finish):
    sql = "SELECT n, if(n = 2, NULL, 'a,b') AS word FROM (VALUES 1, 2, 3) AS t(n) ORDER BY n"
    done = finish(client, client.execute_sql(sql).execution_id)
    with client.stream_execution_csv(done.execution_id, limit=2) as first:
        text = b"".join(first)
        assert (first.next_offset, first.bytes_read) == (2, len(text))
    with client.stream_execution_csv(done.execution_id, limit=2, offset=2) as last:
        assert b"".join(last).splitlines()[1:] == [b'3,"a,b"']
        assert last.next_offset is None
    assert text.splitlines() == [b"n,word", b'1,"a,b"', b"2,<nil>"]


def test_a_latest_result_is_streamed_as_csv(client, dune, finish):
    dune.load_query(1, "One", "SELECT 1 AS one")
    finish(client, client.execute_query(1).execution_id)
    with client.stream_query_csv(1) as stream:
        assert b"".join(stream).splitlines() == [b"one", b"1"]


def test_results_are_filtered_sorted_and_sampled(client, finish):
    done = finish(client, client.execute_sql("SELECT n FROM (VALUES 1, 2, 3, 4) AS t(n)").execution_id)

    def numbers(**options):
        return [row["n"] for row in client.get_execution_results(done.execution_id, **options).result.rows]

    assert numbers(filters="n > 2", sort_by="n desc") == [4, 3]
    assert len(numbers(sample_count=2)) == 2
