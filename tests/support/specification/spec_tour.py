"""A tour of every endpoint in every state: real requests to an emulator, each with the operation that it belongs to."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from waiting import PATIENCE, wait_until

from dagster_dune.emulator.server import DuneEmulator

MATVIEW = "dune.acme.result_n"
COLUMNS = [
    {"name": "day", "type": "date", "nullable": False},
    {"name": "amount", "type": "uint256"},
    {"name": "hash", "type": "varbinary"},
]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        operation: Method and path as the specification writes them.
        state: Which of the operation's shapes the answer must have; empty where there is one alone.
        expected: The status it must have.
    """

    operation: str
    state: str
    expected: int
    response: httpx.Response


class Tour:
    """Sends requests to one emulator and keeps what it answered."""

    def __init__(self, dune: DuneEmulator) -> None:
        self.exchanges: list[Exchange] = []
        self.http = httpx.Client(
            verify=False, base_url=dune.url + "/api", headers={"X-Dune-Api-Key": dune.api_key}, timeout=PATIENCE
        )

    def send(self, operation: str, *values: Any, state: str = "", expected: int = 200, **request: Any) -> Any:
        """Send a request, with values in place of the path's variables, and keep it; return the answer's body."""
        method, template = operation.split()
        path = template
        for value in values:
            path = re.sub(r"\{\w+\}", str(value), path, count=1)
        response = self.http.request(method, path, **request)
        self.exchanges.append(Exchange(operation, state, expected, response))
        return response.json() if response.headers["content-type"].startswith("application/json") else response.text

    def sql(self, sql: str, **request: Any) -> str:
        return self.send("POST /v1/sql/execute", json={"sql": sql}, **request)["execution_id"]

    def finish(self, execution_id: str) -> None:
        self._wait(f"/v1/execution/{execution_id}/status", lambda body: body["is_execution_finished"])

    def finish_pipeline(self, pipeline_execution_id: str) -> None:
        path = f"/v1/pipelines/executions/{pipeline_execution_id}/status"
        self._wait(path, lambda body: body["status"] in ("completed", "failed"))

    def _wait(self, path: str, is_good: Any) -> None:
        wait_until(lambda: self.http.get(path).json(), is_good)


STATUS = "GET /v1/execution/{execution_id}/status"
RESULTS = "GET /v1/execution/{execution_id}/results"
RESULTS_CSV = "GET /v1/execution/{execution_id}/results/csv"
LATEST = "GET /v1/query/{query_id}/results"
ENDPOINT = "GET /v1/endpoints/{handle}/{endpoint_slug}/results"
LATEST_CSV = "GET /v1/query/{query_id}/results/csv"
PIPELINE_STATUS = "GET /v1/pipelines/executions/{pipeline_execution_id}/status"
UNKNOWN_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@contextmanager
def touring(**settings: Any) -> Iterator[tuple[Tour, DuneEmulator]]:
    with DuneEmulator(**settings) as dune:
        tour = Tour(dune)
        try:
            yield tour, dune
        finally:
            tour.http.close()


def exchanges() -> list[Exchange]:
    """Visit every endpoint in every state."""
    everything: list[Exchange] = []
    with touring() as (tour, dune):
        queries(tour)
        materialized_views(tour)
        executions(tour)
        endpoints(tour, dune)
        pipelines(tour)
        tables(tour)
        refusals(tour)
        tour.send("POST /v1/usage", json={})
        everything += tour.exchanges
    with touring(workers=1, rate_limit="plus") as (tour, dune):
        unfinished(tour, dune)
        everything += tour.exchanges
    with touring(max_result_bytes=40) as (tour, dune):
        cut_off(tour, dune)
        everything += tour.exchanges
    with touring(result_seconds=0.01) as (tour, dune):
        expired(tour, dune)
        everything += tour.exchanges
    return everything


def queries(tour: Tour) -> None:
    parameter = {"key": "Start Date", "type": "datetime", "value": "2026-01-01", "description": "The first day"}
    body = {"name": "n", "query_sql": "SELECT n FROM UNNEST(sequence(1, 9)) AS t(n)", "tags": ["a"], "is_private": True}
    query_id = tour.send("POST /v1/query", json=body)["query_id"]
    body = {"name": "readers", "query_sql": f"SELECT * FROM {MATVIEW}", "parameters": [parameter]}
    tour.send("POST /v1/query", json=body)
    tour.send("GET /v1/queries")
    tour.send("GET /v1/queries", params={"limit": 1, "offset": 1})
    tour.send("PATCH /v1/query/{queryId}", query_id, json={"description": "Numbers"})
    for word in ("archive", "unarchive", "unprivate", "private"):
        tour.send(f"POST /v1/query/{{queryId}}/{word}", query_id)
    tour.send("GET /v1/query/{queryId}", query_id)
    tour.send("GET /v1/query/{queryId}", query_id + 1)


def materialized_views(tour: Tour) -> None:
    body = {"name": "result_n", "query_id": 1, "cron_expression": "0 6 * * *", "performance": "medium"}
    tour.finish(tour.send("POST /v1/materialized-views", json=body)["execution_id"])
    tour.finish(tour.send("POST /v1/materialized-views/{name}/refresh", MATVIEW, json={})["execution_id"])
    tour.send("POST /v1/materialized-views", json={"name": "result_gone", "query_id": 1})
    tour.send("GET /v1/materialized-views")
    tour.send("GET /v1/materialized-views", params={"limit": 1}, state="page")
    tour.send("GET /v1/materialized-views/{name}", MATVIEW, state="scheduled")
    tour.send("GET /v1/materialized-views/{name}", "dune.acme.result_gone")
    tour.send("DELETE /v1/materialized-views/{name}", "dune.acme.result_gone")


def executions(tour: Tour) -> None:
    tour.finish(tour.send("POST /v1/query/{query_id}/execute", 1, json={"performance": "large"})["execution_id"])
    tour.send(LATEST, 1, state="completed")
    tour.send(LATEST, 1, state="page", params={"limit": 4, "filters": "n > 2", "sort_by": "n desc"})
    tour.send(LATEST_CSV, 1)
    execution_id = tour.sql("SELECT * FROM dex.trades LIMIT 20")
    tour.finish(execution_id)
    tour.send(STATUS, execution_id, state="completed")
    tour.send(RESULTS, execution_id, state="completed")
    tour.send(RESULTS, execution_id, state="completed", params={"sample_count": 5, "columns": "blockchain,tx_hash"})
    tour.send(RESULTS, execution_id, state="completed", params={"offset": 30})
    tour.send(RESULTS, execution_id, state="page", params={"limit": 5, "offset": 10})
    tour.send(RESULTS_CSV, execution_id, params={"limit": 5})
    tour.send("POST /v1/execution/{execution_id}/cancel", execution_id)
    for sql in ("SELECT nonsense FROM dex.trades", "SELECT 1 / 0 AS n", "SELECT"):
        execution_id = tour.sql(sql)
        tour.finish(execution_id)
        tour.send(STATUS, execution_id, state="failed")
        tour.send(RESULTS, execution_id, state="failed")
        tour.send(RESULTS_CSV, execution_id, expected=400)


def endpoints(tour: Tour, dune: DuneEmulator) -> None:
    """Custom endpoints, which Dune's web app makes: a name, the query that belongs to it, and what does not fit."""
    dune.load_endpoint("numbers", 1)
    tour.send(ENDPOINT, "acme", "numbers", state="completed", params={"queryID": 1})
    tour.send(ENDPOINT, "acme", "numbers", state="page", params={"queryID": 1, "limit": 2, "sort_by": "n desc"})
    tour.send(ENDPOINT, "acme", "numbers", state="completed")
    tour.send(ENDPOINT, "acme", "numbers", expected=400, params={"queryID": 2})
    tour.send(ENDPOINT, "acme", "nothing", expected=404, params={"queryID": 1})
    tour.send(ENDPOINT, "somebody", "numbers", expected=404, params={"queryID": 1})


def pipelines(tour: Tour) -> None:
    tour.send("GET /v1/query/{query_id}/pipeline", 2, params={"performance": "medium"})
    tour.finish_pipeline(tour.send("POST /v1/query/{query_id}/pipeline/execute", 2)["pipeline_execution_id"])
    started = tour.send("POST /v1/query/{query_id}/pipeline/execute", 2, json={"performance": "medium"})
    tour.finish_pipeline(started["pipeline_execution_id"])
    tour.send(PIPELINE_STATUS, started["pipeline_execution_id"], state="completed")
    broken = tour.send("POST /v1/query", json={"name": "broken", "query_sql": "SELECT nonsense"})["query_id"]
    nodes = [
        {"id": 1, "materialized_view_refresh": {"name": MATVIEW}},
        {"id": 2, "dependencies": [1], "query_execution": {"query_id": broken}},
        {"id": 3, "dependencies": [2], "query_execution": {"query_id": 2, "performance": "large"}},
    ]
    started = tour.send("POST /v1/pipelines/execute", json={"pipeline": {"nodes": nodes}})
    tour.finish_pipeline(started["pipeline_execution_id"])
    tour.send(PIPELINE_STATUS, started["pipeline_execution_id"], state="failed")
    tour.finish_pipeline(tour.send("POST /v1/pipelines/execute", json={"query_id": 2})["pipeline_execution_id"])


def tables(tour: Tour) -> None:
    tour.send("GET /v1/datasets", params={"limit": 3})
    tour.send("GET /v1/datasets", params={"type": "spell,dune_table", "owner_handle": "dune"})
    tour.send("GET /v1/datasets/{slug}", "dex.trades")
    tour.send("POST /v1/uploads/csv", json={"table_name": "x", "data": "n\n1\n", "description": "One"})
    tour.send("GET /v1/datasets", params={"type": "materialized_view"})
    tour.send("POST /v1/datasets/search", json={"query": "dex", "limit": 1}, state="page")
    tour.send("POST /v1/datasets/search", json={"include_schema": True, "include_metadata": True, "limit": 100})
    tour.send("POST /v1/datasets/search-by-contract", json={"contract_address": f"0x{0:040x}"})
    tour.send("GET /whoami")
    tour.send("GET /v1/datasets/{slug}", "dune.acme.dataset_x")
    body = {"namespace": "acme", "table_name": "amounts", "schema": COLUMNS, "is_private": True}
    tour.send("POST /v1/uploads", json=body)
    insert = "POST /v1/uploads/{namespace}/{table_name}/insert"
    for content_type, data in (
        ("text/csv", f"day,amount,hash\n2026-01-01,{2**256 - 1},0xff\n"),
        ("application/x-ndjson", '{"day": "2026-01-02", "amount": 1, "hash": null}\n'),
    ):
        tour.send(insert, "acme", "amounts", content=data, headers={"Content-Type": content_type})
    tour.send("GET /v1/uploads")
    tour.send("GET /v1/uploads", params={"limit": 1}, state="page")
    tour.send("POST /v1/uploads/{namespace}/{table_name}/clear", "acme", "amounts")
    tour.send("DELETE /v1/uploads/{namespace}/{table_name}", "acme", "dataset_x")


def refusals(tour: Tour) -> None:
    """Requests that break the specification, and names that nobody has."""
    bad = {"expected": 400}
    tour.send("GET /v1/queries", params={"limit": "many"}, **bad)
    tour.send("POST /v1/query", json={"name": "n"}, **bad)
    tour.send("POST /v1/query", content="{", **bad)
    tour.send("PATCH /v1/query/{queryId}", 1, json={"name": 1}, **bad)
    tour.send("GET /v1/query/{queryId}", "one", **bad)
    tour.send("GET /v1/datasets", params={"type": "views"}, **bad)
    tour.send("POST /v1/materialized-views", json={"name": "result_n", "query_id": 2}, **bad)
    tour.send("POST /v1/materialized-views", json={"name": "n", "query_id": 1}, **bad)
    tour.send("POST /v1/materialized-views", json={"name": "result_m", "query_id": 1, "expires_at": "x"}, **bad)
    tour.send("POST /v1/materialized-views/{name}/refresh", MATVIEW, json={"performance": "huge"}, **bad)
    tour.send("POST /v1/pipelines/execute", json={"pipeline": {"nodes": []}}, **bad)
    tour.send("GET /v1/query/{query_id}/pipeline", 2, params={"performance": "huge"}, **bad)
    tour.send("POST /v1/query/{query_id}/execute", 1, params={"query_parameters": "{"}, **bad)
    tour.send("POST /v1/sql/execute", json={"sql": 1}, **bad)
    tour.send(LATEST, 1, params={"filters": "NOT n = 1"}, **bad)
    tour.send(LATEST_CSV, 1, params={"sample_count": 1, "limit": 1}, **bad)
    tour.send("POST /v1/uploads", json={"namespace": "acme", "table_name": "amounts", "schema": COLUMNS}, **bad)
    tour.send("POST /v1/uploads/csv", json={"table_name": "y", "data": ""}, **bad)
    insert = "POST /v1/uploads/{namespace}/{table_name}/insert"
    tour.send(insert, "acme", "amounts", content="n\n1\n", headers={"Content-Type": "text/csv"}, **bad)
    tour.send("POST /v1/usage", json={"start_date": "yesterday"}, **bad)
    tour.send("POST /v1/datasets/search", json={"categories": ["everything"]}, **bad)
    tour.send("POST /v1/datasets/search-by-contract", json={"contract_address": "0x1"}, **bad)
    tour.send(STATUS, "abc", **bad)
    unknown = {"expected": 404}
    tour.send("GET /v1/query/{queryId}", 404, **unknown)
    tour.send("POST /v1/query/{queryId}/archive", 404, **unknown)
    tour.send("GET /v1/materialized-views/{name}", "dune.acme.result_nothing", **unknown)
    tour.send("GET /v1/datasets/{slug}", "dex.nothing", **unknown)
    tour.send(STATUS, UNKNOWN_ULID, **unknown)
    tour.send(RESULTS_CSV, UNKNOWN_ULID, **unknown)
    tour.send("POST /v1/execution/{execution_id}/cancel", UNKNOWN_ULID, **unknown)
    tour.send(PIPELINE_STATUS, UNKNOWN_ULID, **unknown)
    tour.send(LATEST, 3, **unknown)
    tour.send("DELETE /v1/uploads/{namespace}/{table_name}", "acme", "nothing", **unknown)
    tour.send("POST /v1/uploads/{namespace}/{table_name}/clear", "somebody", "amounts", **unknown)
    tour.send("GET /v1/queries", headers={"X-Dune-Api-Key": "wrong"}, expected=401)
    tour.send("POST /v1/pipelines/execute", headers={"X-Dune-Api-Key": ""}, expected=401)


def unfinished(tour: Tour, dune: DuneEmulator) -> None:
    """One worker and executions that are held: what waits, what runs, and what is cancelled."""
    dune.load_query(1, "n", "SELECT 1 AS n")
    dune.load_materialized_view(MATVIEW, 1)
    dune.hold(0, times=1)
    dune.hold(MATVIEW)
    running, waiting = tour.sql("SELECT 1 AS n"), tour.sql("SELECT 2 AS n")
    tour._wait(f"/v1/execution/{running}/status", lambda body: body["state"] != "QUERY_STATE_PENDING")
    tour.send(STATUS, running, state="executing")
    tour.send(RESULTS, running, state="executing")
    tour.send(STATUS, waiting, state="pending")
    tour.send("POST /v1/execution/{execution_id}/cancel", running)
    tour.send(STATUS, running, state="cancelled")
    tour.send(RESULTS, running, state="cancelled")
    tour.finish(waiting)
    nodes = [
        {"id": 1, "materialized_view_refresh": {"name": MATVIEW}},
        {"id": 2, "dependencies": [1], "query_execution": {"query_id": 1}},
    ]
    started = tour.send("POST /v1/pipelines/execute", json={"pipeline": {"nodes": nodes}})
    dune.wait_until_held(MATVIEW, timeout=PATIENCE)
    tour.send(PIPELINE_STATUS, started["pipeline_execution_id"], state="executing")
    dune.release(MATVIEW)
    tour.finish_pipeline(started["pipeline_execution_id"])
    while tour.http.post("/v1/query/1/unprivate").status_code != 429:
        pass
    tour.send("POST /v1/query/{queryId}/unprivate", 1, expected=429)


def cut_off(tour: Tour, dune: DuneEmulator) -> None:
    """A result that is too large."""
    execution_id = ninety_nine(tour, dune)
    everything = {"allow_partial_results": "true"}
    tour.send(STATUS, execution_id, state="partial")
    tour.send(RESULTS, execution_id, state="partial", params=everything)
    tour.send(LATEST, 1, state="partial", params=everything)
    tour.send(RESULTS, execution_id, expected=400)
    tour.send(RESULTS_CSV, execution_id, expected=400)


def expired(tour: Tour, dune: DuneEmulator) -> None:
    """A result that is too old."""
    execution_id = ninety_nine(tour, dune)
    everything = {"allow_partial_results": "true"}
    tour._wait(f"/v1/execution/{execution_id}/status", lambda body: body["state"] == "QUERY_STATE_EXPIRED")
    tour.send(STATUS, execution_id, state="expired")
    tour.send(RESULTS, execution_id, state="expired", params=everything)
    tour.send(LATEST, 1, state="expired", params=everything)
    tour.send(RESULTS_CSV, execution_id, expected=400, params=everything)


def ninety_nine(tour: Tour, dune: DuneEmulator) -> str:
    """The id of an execution of ninety-nine rows, which has ended."""
    dune.load_query(1, "n", "SELECT n FROM UNNEST(sequence(1, 99)) AS t(n)")
    execution_id = tour.send("POST /v1/query/{query_id}/execute", 1, json={})["execution_id"]
    tour.finish(execution_id)
    return execution_id
