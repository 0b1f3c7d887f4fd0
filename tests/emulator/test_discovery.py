"""An account read over HTTP as a catalog."""

import json

import pytest

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneAuthenticationError, DuneConnectionError
from dagster_dune.catalog.models import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.parameters import QueryParameter

REFUSED = (403, '{"error": "not on this plan"}')
TOP_TRADERS = "SELECT * FROM dune.acme.result_volume JOIN query_1 ON day > '{{Start Date}}' AND chain IN ({{chains}})"

GONE = (404, '{"error": "query not found"}')


def ok(**answer):
    return (200, json.dumps(answer))


@pytest.fixture
def account(dune):
    """A local Dune with two matviews in a row, and two queries that read them."""
    dune.load_query(1, "Trades by day", "SELECT * FROM dex.trades", tags=["dex"], description="Raw.", is_private=True)
    dune.load_query(2, "Volume by day", "SELECT * FROM dune.acme.result_trades")
    dune.load_query(
        3,
        "Top traders!",
        TOP_TRADERS,
        parameters=[
            {"key": "Start Date", "type": "datetime", "value": "2024-01-01 00:00:00"},
            {"key": "chains", "type": "enum", "value": "base", "enumOptions": ["base", "ethereum"]},
        ],
        tags=["dex", "daily"],
    )
    dune.load_query(4, "日", "SELECT * FROM \"query_3(chains='base')\" JOIN query_999 ON true")
    dune.load_materialized_view("dune.acme.result_volume", 2)
    dune.load_materialized_view("dune.acme.result_trades", 1, is_private=True)
    return dune


def test_an_account_as_a_catalog(account, client):
    assert DuneCatalog.from_api(client) == DuneCatalog(
        materialized_views=[
            MaterializedView(
                name="dune.acme.result_trades",
                query_id=1,
                sql="SELECT * FROM dex.trades",
                description="Raw.",
                tags=["dex"],
                is_private=True,
            ),
            MaterializedView(
                name="dune.acme.result_volume",
                query_id=2,
                sql="SELECT * FROM dune.acme.result_trades",
                is_private=False,
            ),
        ],
        queries=[
            Query(
                query_id=3,
                name="Top traders!",
                slug="top_traders",
                sql=TOP_TRADERS,
                parameters=[
                    QueryParameter(key="Start Date", type="datetime", default="2024-01-01 00:00:00"),
                    QueryParameter(key="chains", type="enum", default="base", options=("base", "ethereum")),
                ],
                tags=["dex", "daily"],
                is_private=False,
            ),
            Query(
                query_id=4,
                name="日",
                sql="SELECT * FROM \"query_3(chains='base')\" JOIN query_999 ON true",
                is_private=False,
            ),
        ],
    )


def test_lineage_comes_from_the_sql(account, client):
    graph = DuneCatalog.from_api(client).graph
    assert graph.reads("dune.acme.result_volume") == ("dune.acme.result_trades",)
    assert graph.reads("query_3") == ("dune.acme.result_volume", "query_1")
    assert graph.reads("query_4") == ("query_3", "query_999")
    assert graph.backing_queries == {"query_1", "query_2"}


def test_each_query_is_read_once_and_nothing_is_started(account, client):
    DuneCatalog.from_api(client)
    requests = [(entry["method"], entry["path"].split("?")[0]) for entry in account.journal()]
    assert sorted(requests) == [
        ("GET", "/api/v1/materialized-views"),
        ("GET", "/api/v1/queries"),
        *(("GET", f"/api/v1/query/{query_id}") for query_id in (1, 2, 3, 4)),
    ]


def test_an_empty_account(dune, client):
    assert DuneCatalog.from_api(client) == DuneCatalog()


def test_an_account_in_json(account, client):
    catalog = DuneCatalog.from_api(client)
    assert DuneCatalog.from_json(catalog.to_json()).content_hash == catalog.content_hash
    assert DuneCatalog.from_api(client).content_hash == catalog.content_hash


def test_an_account_with_a_folder(account, client, tmp_path):
    (tmp_path / "best_traders_3.sql").write_text(
        "/* dune\nperformance: large\nparameters:\n  chains: ethereum\n*/\nSELECT {{chains}}"
    )
    query = DuneCatalog.merge(DuneCatalog.from_directory(tmp_path), DuneCatalog.from_api(client))["query_3"]
    assert (query.slug, query.performance, query.query_parameters) == ("best_traders", "large", {"chains": "ethereum"})
    assert [parameter.key for parameter in query.parameters] == ["Start Date", "chains"]


def test_a_wrong_key(dune):
    with DuneApiClient("wrong", dune.url, max_retries=0) as client, pytest.raises(DuneAuthenticationError):
        DuneCatalog.from_api(client)


@pytest.fixture
def faulty_client(faulty):
    with DuneApiClient("key", faulty.url, timeout=10, max_retries=0) as opened:
        yield opened


def test_a_query_that_cannot_be_read_does_not_lose_the_rest(faulty, faulty_client, caplog):
    faulty.replies = [
        ok(
            materialized_views=[
                {"id": "dune.acme.result_x", "query_id": 1},
                {"id": "dune.acme.result_y", "query_id": 4},
            ]
        ),
        ok(queries=[{"id": 2}, {"id": 3}, {"id": 1}], total=3),
        REFUSED,  # query 1
        GONE,  # query 2
        ok(query_id=3, query_sql="SELECT * FROM query_2"),
        ok(query_id=4, query_sql="SELECT * FROM dex.trades", is_archived=True),
    ]
    catalog = DuneCatalog.from_api(faulty_client)
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_x", "dune.acme.result_y", "query_3"]
    assert catalog["dune.acme.result_x"].references is None
    assert catalog["dune.acme.result_y"].references == ("dex.trades",)
    warnings = [record.getMessage() for record in caplog.records if record.name == "dagster_dune.catalog.discovery"]
    assert [warning[:7] for warning in warnings] == ["Query 1", "Query 2"]
    assert "query not found" in warnings[1]


@pytest.mark.parametrize("refusal", [REFUSED, (402, '{"error": "upgrade"}')])
def test_a_plan_without_query_endpoints(faulty, faulty_client, caplog, refusal):
    faulty.replies = [ok(materialized_views=[{"id": "dune.acme.result_x", "query_id": 1}]), refusal]
    catalog = DuneCatalog.from_api(faulty_client)
    assert catalog == DuneCatalog(materialized_views=[MaterializedView(name="dune.acme.result_x", query_id=1)])
    assert "its matviews have no lineage" in caplog.text
    assert len(faulty.requests) == 2


def test_odd_answers(faulty, faulty_client, caplog):
    faulty.replies = [
        ok(materialized_views=[{"id": "not_a_matview"}, {"id": "dune.acme.result_x"}, {"id": "dune.acme.Result_X"}]),
        ok(queries=[{"id": 1}, {"id": 2}, {"id": 3}], total=3),
        ok(query_id=1, name="  ", description="", query_sql="SELECT {{a}}", parameters=[{"key": "a", "type": "color"}]),
        ok(query_id=2, is_archived=True),
        ok(query_id=3, parameters=[{"key": "a", "values": ["x", "y"], "isMultiselect": True}]),
    ]
    catalog = DuneCatalog.from_api(faulty_client)
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_x", "query_1", "query_3"]
    assert (catalog["query_1"].name, catalog["query_1"].slug, catalog["query_1"].description) == (None, None, None)
    assert catalog["query_1"].parameters == (QueryParameter(key="a"),)
    assert catalog["query_3"].parameters == (QueryParameter(key="a", default="x,y", multiple=True),)
    assert "'not_a_matview' is left out" in caplog.text


def test_dune_out_of_reach(faulty, faulty_client):
    faulty.replies = ["reset"]
    with pytest.raises(DuneConnectionError):
        DuneCatalog.from_api(faulty_client)
