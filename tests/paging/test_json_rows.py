"""Rows as JSON has them: a page when it is asked for, never fewer rows or others, and without Arrow."""

import subprocess
import sys
import time

import pytest
from result_server import ResultServer
from waiting import PATIENCE

from dagster_dune import DuneApiClient, DuneConnectionError, DuneResultError, DuneServerError
from dagster_dune.api.deadline import deadline
from dagster_dune.paging.json_rows import JsonRows, rows_of
from dagster_dune.paging.options import ReadOptions

NAMES, TYPES = ["n", "t"], ["bigint", "varchar"]
VALUES = [[n, None if n % 3 == 0 else f"text {n}"] for n in range(1, 31)]
ROWS = [dict(zip(NAMES, row, strict=True)) for row in VALUES]


@pytest.fixture
def server():
    with ResultServer(NAMES, TYPES, VALUES, VALUES) as running:
        yield running


@pytest.fixture
def client(server):
    with DuneApiClient("key", server.url, timeout=PATIENCE, max_retries=0) as client:
        yield client


def options(**given):
    return ReadOptions(page_size=10, concurrency=1, **given)


def asked(server):
    return [request for _, request in server.requests if "offset" in request]


def test_a_page_is_read_when_it_is_asked_for(server, client):
    rows = rows_of(client, [server.ID], options())
    assert [next(rows) for _ in range(10)] == ROWS[:10]
    assert len(asked(server)) == 1
    assert next(rows) == ROWS[10]
    assert len(asked(server)) == 2
    assert list(rows) == ROWS[11:]
    assert [request["offset"] for request in asked(server)] == ["0", "10", "20"]


def test_columns_of_one_name_are_refused_before_any_page(client, server):
    """A row is a dict, which would keep one of them."""
    server.names = ["n", "n"]
    for given in ({}, {"columns": ["n"]}):
        with pytest.raises(DuneResultError, match=r"several columns called 'n', and a row here is a dict.*get_result"):
            list(rows_of(client, [server.ID], options(**given)))
    assert asked(server) == []
    server.names, server.types = ["n", "t", "t"], [*TYPES, "varchar"]
    with pytest.raises(DuneResultError, match="several columns called 't'"):
        list(rows_of(client, [server.ID], options()))
    server.values = [{"n": 1}]
    server.total = 1
    server.texts = [["1"]]
    assert list(rows_of(client, [server.ID], options(columns=["n"]))) == [{"n": 1}]


def test_columns_filters_limit_and_samples(server, client):
    assert list(JsonRows(client, server.ID, options(columns=["n"], limit=12)).rows()) == [
        {"n": n} for n in range(1, 13)
    ]
    assert list(JsonRows(client, server.ID, options(filters="t = 'text 5'")).rows()) == [ROWS[4]]
    assert len(list(JsonRows(client, server.ID, ReadOptions(sample=4)).rows())) == 4
    with pytest.raises(DuneResultError, match=r"no column 'x'.*It has n, t"):
        JsonRows(client, server.ID, options(columns=["x"]))


def test_a_page_may_have_all_columns_of_its_result(server, client):
    def give_all(path, request, answer):
        if "columns" in request:
            answer["body"] = server.answer(path, {"offset": request["offset"], "limit": request["limit"]})["body"]

    server.change = give_all
    assert list(rows_of(client, [server.ID], options(columns=["t"]))) == [{"t": row["t"]} for row in ROWS]


def test_the_status_of_another_execution_is_no_status(server, client):
    """Its columns, its rows and its end are those of another result."""

    def replace(path, request, answer):
        if path.endswith("/status"):
            answer["body"] = answer["body"].replace(ResultServer.ID.encode(), b"01JOTHER")

    server.change = replace
    with pytest.raises(DuneServerError, match=f"about 01JOTHER, not about {ResultServer.ID}"):
        next(rows_of(client, [server.ID], options()))
    assert asked(server) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"total_row_count": 30', b'"total_row_count": 29', "had 30 rows, and has 29"),
        (ResultServer.ID.encode(), b"01JOTHER", "another execution"),
        (b'"next_offset": 20', b'"next_offset": 10', "the next one begins at 10"),
        (b'"next_offset": 20', b'"next_offset": null', "the next one begins at None"),
        (b'"next_offset": 20', b'"next_offset": 30', "the next one begins at 30"),
        (b'"rows"', b'"lines"', "says that the next one begins at 20"),
        (b'"result"', b'"answer"', "came without rows"),
        (b'"rows": [{', b'"rows": [7, {', "no objects"),
        (b'"rows": [{', b'"rows": [{"n": 1, "t": null}, {', "has 11 rows"),
        (
            b'"column_names": ["n", "t"]',
            b'"column_names": ["n", "z"]',
            r"has the columns \['n', 'z'\], not \['n', 't'\]",
        ),
        (b'"next_offset": 20', b'"next_uri": "http://[bad"', "which is no address"),
        (b'"t": "text 11"', b'"z": "text 11"', "no column 't'"),
    ],
)
def test_a_wrong_page_is_an_error_and_never_other_rows(server, client, old, new, words):
    def replace(path, request, answer):
        if request.get("offset") == "10":
            assert old in answer["body"]
            answer["body"] = answer["body"].replace(old, new)

    server.change = replace
    with pytest.raises(DuneResultError, match=words):
        list(JsonRows(client, server.ID, options()).rows())


def test_a_page_that_is_not_the_last_says_where_the_next_begins(server, client):
    def name_no_offset(path, request, answer):
        address = f'"next_uri": "https://api.dune.com/api/v1/execution/{server.ID}/results?offset=10"'.encode()
        answer["body"] = answer["body"].replace(b'"next_offset": 10', address)

    server.change, server.total = name_no_offset, None
    with pytest.raises(DuneResultError, match="names the address of a next one"):
        list(rows_of(client, [server.ID], options()))


@pytest.mark.parametrize("state", ["QUERY_STATE_EXECUTING", "QUERY_STATE_FAILED", "QUERY_STATE_COMPLETED_PARTIAL"])
def test_what_has_no_rows_is_told_before_the_first_page(server, client, state):
    server.state = state
    with pytest.raises(DuneResultError, match=state):
        list(rows_of(client, [server.ID], options()))
    assert asked(server) == []


def test_a_deadline_holds_for_pages_that_threads_read(server, client):
    server.change = lambda path, request, answer: time.sleep(1) if "offset" in request else None
    with deadline(0.3), pytest.raises(DuneConnectionError):
        list(rows_of(client, [server.ID], options()))


def test_no_arrow_is_needed():
    program = """
import sys
sys.modules["pyarrow"] = sys.modules["numpy"] = None
import dagster_dune.paging.json_rows
from dagster_dune import DuneResource
assert DuneResource.get_rows
print("ok")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "ok\n"


def test_a_page_that_is_no_json_is_told(dune, finish):
    dune.load_query(1, "n", "SELECT 1 AS n")
    with DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, max_retries=0) as client:
        execution = client.execute_query(1).execution_id
        finish(client, execution)
        page = {"headers": {"Content-Type": "application/json"}, "body": '{"result": {"rows": [{"n": 1'}
        dune.inject("status", method="GET", path="*/results*", times=None, status=200, **page)
        with pytest.raises(DuneResultError, match="A page of the result is no JSON: "):
            list(rows_of(client, [execution], ReadOptions()))
