"""Uploads, datasets, queries' switches, CSV and the account: what is sent, and what comes back of the local Dune."""

import json
from datetime import UTC, datetime

import pytest
from waiting import PATIENCE

from dagster_dune.api import models
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import AmbiguousSubmission, DuneNotFoundError
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


def test_searches_are_read_page_by_page(answering, faulty):
    first = {
        "total": 2,
        "results": [{"full_name": "dex.trades", "category": "spell", "schema": {"block_time": "timestamp"}}],
        "pagination": {"limit": 1, "offset": 0, "next_offset": 1, "has_more": True},
    }
    last = {
        "total": 2,
        "results": [{"full_name": "dex.prices"}],
        "pagination": {"limit": 1, "offset": 1, "has_more": False},
    }
    found = list(answering(first, last).search_datasets("dex", categories=["spell"], include_schema=True, page_size=1))
    assert [dataset.full_name for dataset in found] == ["dex.trades", "dex.prices"]
    assert found[0].table_schema == {"block_time": "timestamp"}
    found = list(answering(first, last).search_datasets_by_contract("0xa0", blockchains=["ethereum"]))
    assert len(found) == 2
    assert faulty.requests == ["POST /api/v1/datasets/search"] * 2 + ["POST /api/v1/datasets/search-by-contract"] * 2
    assert [json.loads(body) for body in faulty.bodies] == [
        {"query": "dex", "categories": ["spell"], "include_schema": True, "limit": 1},
        {"query": "dex", "categories": ["spell"], "include_schema": True, "limit": 1, "offset": 1},
        {"contract_address": "0xa0", "blockchains": ["ethereum"]},
        {"contract_address": "0xa0", "blockchains": ["ethereum"], "offset": 1},
    ]


def test_whoami_tells_whose_key_it_is(answering, faulty):
    owner = answering({"customer_id": "team_456", "created_by": 123, "api_key_id": "01J"}).whoami()
    assert (owner.customer_id, owner.created_by, owner.api_key_id) == ("team_456", 123, "01J")
    assert faulty.requests == ["GET /api/whoami"]


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


def test_a_query_can_be_temporary_and_archived_by_an_update(answering, faulty):
    client = answering({"query_id": 7})
    client.create_query("Throw away", "SELECT 1", is_temp=True)
    client.update_query(7, is_archived=True)
    assert [json.loads(body) for body in faulty.bodies] == [
        {"name": "Throw away", "query_sql": "SELECT 1", "is_temp": True},
        {"is_archived": True},
    ]


def test_a_matview_is_overwritten_as_a_whole(answering, faulty):
    client = answering({"name": "dune.acme.result_x", "execution_id": "x"})
    client.upsert_materialized_view("result_x", 1)
    client.upsert_materialized_view(
        "result_x", 1, cron_expression="0 * * * *", is_private=True, expires_at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    assert [json.loads(body) for body in faulty.bodies] == [
        {"name": "result_x", "query_id": 1, "is_private": False},
        {
            "name": "result_x",
            "query_id": 1,
            "cron_expression": "0 * * * *",
            "is_private": True,
            "expires_at": "2027-01-01T00:00:00+00:00",
        },
    ]


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
