"""An account read over HTTP as a catalog."""

import json
import threading
from collections import Counter

import pytest
from waiting import PATIENCE, wait_until

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import DuneAuthenticationError, DuneConnectionError
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.settings.parameters import QueryParameter
from dagster_dune.errors import DuneCatalogError, DuneConfigurationError

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
    catalog = DuneCatalog.from_api(client)
    assert all(obj.updated_at for obj in catalog)
    expected = DuneCatalog(
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
                description="Volume by day",
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
    # The hash is of everything but the time of the last change.
    assert catalog.content_hash == expected.content_hash


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
    assert DuneCatalog.from_api(client) == DuneCatalog(not_taken=())


def test_an_account_in_json(account, client):
    catalog = DuneCatalog.from_api(client)
    assert DuneCatalog.from_json(catalog.to_json()).content_hash == catalog.content_hash
    assert DuneCatalog.from_api(client).content_hash == catalog.content_hash


def test_an_account_with_a_folder(account, client, tmp_path):
    (tmp_path / "best_traders.sql").write_text(
        "/* dune\nid: 3\nperformance: large\nparameters:\n  chains: ethereum\n*/\nSELECT {{chains}}"
    )
    query = DuneCatalog.merge(DuneCatalog.from_directory(tmp_path), DuneCatalog.from_api(client))["query_3"]
    assert (query.slug, query.performance, query.query_parameters) == ("best_traders", "large", {"chains": "ethereum"})
    assert [parameter.key for parameter in query.parameters] == ["Start Date", "chains"]


def test_a_wrong_key(dune):
    with DuneApiClient("wrong", dune.url, max_retries=0) as client, pytest.raises(DuneAuthenticationError):
        DuneCatalog.from_api(client)


@pytest.fixture
def faulty_client(faulty):
    with DuneApiClient("key", faulty.url, timeout=PATIENCE, max_retries=0) as opened:
        yield opened


def test_a_query_that_cannot_be_read_does_not_lose_the_rest(faulty, faulty_client, caplog):
    faulty.replies = [
        ok(
            materialized_views=[
                {"sql_id": "dune.acme.result_x", "query_id": 1},
                {"sql_id": "dune.acme.result_y", "query_id": 4},
            ]
        ),
        ok(queries=[{"id": 2}, {"id": 3}, {"id": 1}], total=3),
        REFUSED,  # query 1
        GONE,  # query 2
        ok(query_id=3, query_sql="SELECT * FROM query_2"),
        ok(query_id=4, query_sql="SELECT * FROM dex.trades", is_archived=True),
    ]
    catalog = DuneCatalog.from_api(faulty_client, concurrency=1)
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_x", "dune.acme.result_y", "query_3"]
    assert catalog["dune.acme.result_x"].references is None
    assert catalog["dune.acme.result_y"].references == ("dex.trades",)
    warnings = [
        record.getMessage() for record in caplog.records if record.name == "dagster_dune.catalog.sources.left_out"
    ]
    assert [warning[:33] for warning in warnings] == [f"Left out of the catalog: Query {n}:" for n in (1, 2)]
    assert "query not found" in warnings[1]


@pytest.mark.parametrize("refusal", [REFUSED, (402, '{"error": "upgrade"}')])
def test_a_plan_without_query_endpoints(faulty, faulty_client, caplog, refusal):
    faulty.replies = [ok(materialized_views=[{"sql_id": "dune.acme.result_x", "query_id": 1}]), refusal]
    catalog = DuneCatalog.from_api(faulty_client)
    assert catalog == DuneCatalog(materialized_views=[MaterializedView(name="dune.acme.result_x", query_id=1)])
    assert "its matviews have no lineage" in caplog.text
    assert len(faulty.requests) == 2


def test_odd_answers(faulty, faulty_client, caplog):
    faulty.replies = [
        ok(
            materialized_views=[
                {"sql_id": "not_a_matview"},
                {"sql_id": "dune.acme.result_x"},
                {"sql_id": "dune.acme.Result_X"},
            ]
        ),
        ok(queries=[{"id": 1}, {"id": 2}, {"id": 3}], total=3),
        ok(query_id=1, name="  ", description="", query_sql="SELECT {{a}}", parameters=[{"key": "a", "type": "color"}]),
        ok(query_id=2, is_archived=True),
        ok(
            query_id=3,
            parameters=[
                {"key": "a", "values": ["x", "y"], "isMultiselect": True},
                {"key": "b", "type": "enum", "values": ["x, y"], "enumOptions": ["x"], "isFreeformAllowed": True},
            ],
        ),
    ]
    catalog = DuneCatalog.from_api(faulty_client, concurrency=1)
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_x", "query_1", "query_3"]
    assert (catalog["query_1"].name, catalog["query_1"].slug, catalog["query_1"].description) == (None, None, None)
    assert catalog["query_1"].parameters == (QueryParameter(key="a"),)
    assert catalog["query_3"].parameters == (
        QueryParameter(key="a", default="x,y", multiple=True),
        QueryParameter(key="b", type="enum", default='["x, y"]', options=("x",), freeform=True),
    )
    assert "Left out of the catalog: The materialized view 'not_a_matview': " in caplog.text


def test_dune_out_of_reach(faulty, faulty_client):
    faulty.replies = ["reset"]
    with pytest.raises(DuneConnectionError):
        DuneCatalog.from_api(faulty_client)


def reads_of_queries(dune):
    return sorted(
        int(entry["path"].rsplit("/", 1)[1]) for entry in dune.journal() if entry["path"].startswith("/api/v1/query/")
    )


def test_only_what_changed_is_read_again(account, client):
    known = DuneCatalog.from_api(client)
    client.update_query(3, name="Renamed", query_sql="SELECT 1")
    client.update_query(2, query_sql="SELECT * FROM dex.trades")
    before = Counter(reads_of_queries(account))
    catalog = DuneCatalog.from_api(client, known=DuneCatalog.from_json(known.to_json()))
    assert Counter(reads_of_queries(account)) - before == Counter([2, 3])
    assert (catalog["query_3"].name, catalog["query_3"].slug, catalog["query_3"].sql) == (
        "Renamed",
        "top_traders",
        "SELECT 1",
    )
    assert catalog["dune.acme.result_volume"].references == ("dex.trades",)
    unchanged = ("dune.acme.result_trades", "query_4")
    assert [catalog[name] for name in unchanged] == [known[name] for name in unchanged]
    assert catalog.content_hash == DuneCatalog.from_api(client, known=catalog).content_hash


def test_a_name_that_was_empty_at_first_stays_empty(account, client):
    known = DuneCatalog.from_api(client)
    client.update_query(4, name="Day")
    assert DuneCatalog.from_api(client, known=known)["query_4"].slug is None


def test_some_of_an_account(account, client):
    catalog = DuneCatalog.from_api(client, select=["tag:daily", "result_volume"])
    assert [obj.sql_name for obj in catalog] == ["dune.acme.result_volume", "query_1", "query_3"]
    assert 4 not in reads_of_queries(account)


def test_views_come_along_with_their_readers(account, client):
    """query_4 reads query_3, which reads query_1: all of it is part of what query_4 runs."""
    catalog = DuneCatalog.from_api(client, select="query_4", exclude="kind:materialized_view")
    assert [obj.sql_name for obj in catalog] == ["query_1", "query_3", "query_4"]
    assert catalog.graph.nearest("query_4", lambda name: name == "dex.trades") == {"dex.trades"}


def test_what_is_excluded_is_not_read(account, client, caplog):
    catalog = DuneCatalog.from_api(client, exclude=["3", "tag:nothing_has_it"])
    assert "query_3" not in catalog
    (told,) = (text for text in caplog.messages if "exclude" in text)
    assert told.startswith("exclude: The pattern 'tag:nothing_has_it' matches nothing in the catalog. ")
    assert reads_of_queries(account) == [1, 2, 4]


def test_sql_that_cannot_be_parsed_is_told_with_the_id_of_its_query(account, client, caplog):
    account.load_query(77, "Old " * 50, "SELECT * FROM dex.trades WHERE ((")
    DuneCatalog.from_api(client)
    (message,) = (text for text in caplog.messages if "cannot be parsed" in text)
    assert message.startswith("The SQL of query 77 Old Old ")
    assert message.endswith("Add them to deps.")
    assert len(message) < 250


def test_what_is_not_selected_is_known_all_the_same(account, client, caplog):
    """query_3 reads result_volume, which the account lists: that it was not selected is no mistake in the SQL."""
    account.load_query(5, "Typing error", "SELECT * FROM dune.acme.result_volumes, query_3, query_999")
    catalog = DuneCatalog.from_api(client, select=["query_5", "result_trades"], exclude="query_3")
    assert catalog.external == ("query_3",)
    assert DuneCatalog.from_api(client, select=["query_3", "result_trades"]).external == ("dune.acme.result_volume",)
    (record,) = (record for record in caplog.records if record.name == "dagster_dune.catalog.unknown_names")
    assert "dune.acme.result_volumes, read by query_5. Correct" in record.getMessage()


def test_a_pattern_that_selects_nothing(account, client):
    with pytest.raises(
        DuneCatalogError, match=r"'top_trader' matches nothing in the catalog\. Close matches: top_traders"
    ):
        DuneCatalog.from_api(client, select=["top_trader"])


def test_progress_is_told(account, client):
    told = []
    DuneCatalog.from_api(client, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_wrong_concurrency(client):
    with pytest.raises(DuneConfigurationError, match="at least 1, not 0"):
        DuneCatalog.from_api(client, concurrency=0)


def test_many_queries_are_read_at_once(dune):
    """Eight threads read one client's queries, each once, whatever the order of the answers."""
    for query_id in range(1, 121):
        dune.load_query(query_id, f"Query {query_id}", f"SELECT {query_id} FROM a.b{query_id}")
    with DuneApiClient(dune.api_key, dune.url, PATIENCE, max_retries=0) as client:
        catalog = DuneCatalog.from_api(client)
    assert [query.references for query in catalog.queries] == [(f"a.b{query_id}",) for query_id in range(1, 121)]
    assert reads_of_queries(dune) == list(range(1, 121))


def test_a_rate_limit_is_waited_for(faulty, faulty_client):
    faulty.replies = [
        ok(),
        ok(queries=[{"id": 1}], total=1),
        (429, '{"error": "slow down"}', {"Retry-After": "1"}),
        (429, '{"error": "slow down"}', {"Retry-After": "1"}),
        ok(query_id=1, query_sql="SELECT 1"),
    ]
    assert DuneCatalog.from_api(faulty_client)["query_1"].sql == "SELECT 1"


def test_a_query_that_can_no_longer_be_read_stays_as_it_was(faulty, faulty_client, caplog):
    known = DuneCatalog(
        queries=[Query(query_id=1, sql="SELECT 1"), Query(query_id=2, sql="SELECT 2"), Query(query_id=3, slug="x")]
    )
    faulty.replies = [
        ok(),
        ok(queries=[{"id": 1}, {"id": 2}, {"id": 3}], total=3),
        (500, '{"error": "oops"}'),
        GONE,
        ok(query_id=3, parameters=[{"key": "a"}], tags=["b"]),
    ]
    catalog = DuneCatalog.from_api(faulty_client, known=known, concurrency=1)
    assert [(query.sql_name, query.sql) for query in catalog.queries] == [("query_1", "SELECT 1"), ("query_3", None)]
    assert "Query 1 stays as it was read before" in caplog.text
    assert "Left out of the catalog: Query 2: " in caplog.text


def test_an_object_that_no_catalog_holds_is_left_out_with_its_name(faulty, faulty_client, caplog):
    faulty.replies = [
        ok(materialized_views=[{"sql_id": "dune.acme.result_x", "query_id": -5}, {"sql_id": "dune.acme.result_y"}]),
        ok(queries=[], total=0),
    ]
    assert [obj.sql_name for obj in DuneCatalog.from_api(faulty_client)] == ["dune.acme.result_y"]
    assert (
        "The materialized view 'dune.acme.result_x': query_id is wrong: Input should be greater than 0." in caplog.text
    )


class Interrupt(BaseException):
    """Ctrl-C is no Exception either."""


def test_an_interrupt_waits_for_no_rate_limit(faulty):
    """Python waits for the threads of a pool before a process ends."""

    def reply(request):
        if request.startswith("GET /api/v1/materialized-views"):
            return ok(materialized_views=[])
        if request.startswith("GET /api/v1/queries"):
            return ok(queries=[{"id": number, "name": "x", "owner": "acme"} for number in (1, 2, 3)])
        if request.startswith("GET /api/v1/query/1"):
            return ok(query_id=1, name="x", query_sql="SELECT 1", owner="acme")
        return (429, '{"error": "Too many requests"}', {"Retry-After": "300"})

    def interrupt(done, total):
        if done:
            wait_until(lambda: len([request for request in faulty.requests if "/query/" in request]) == 3)
            raise Interrupt

    faulty.replies = reply
    with DuneApiClient("a-key", faulty.url, max_retries=0) as client, pytest.raises(Interrupt):
        DuneCatalog.from_api(client, progress=interrupt)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dune-queries")] == []
