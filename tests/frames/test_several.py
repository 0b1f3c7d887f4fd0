"""Rows of several executions: read a few pages at once, of whatever execution, and given in order."""

import threading

import pytest
from executions_server import NAMES, Executions
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import PATIENCE, let_work, wait_until

from dagster_dune import DuneApiClient, DuneResultError
from dagster_dune.frames.results import get_result, open_reader
from dagster_dune.paging import execution_pages

PAGE = 10


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(execution_pages, "MAX_DATAPOINTS", PAGE * len(NAMES))


def read(server, **options):
    with DuneApiClient("key", server.url, timeout=PATIENCE) as client:
        return get_result(client, server.ids, **options).column("n").to_pylist()


@pytest.mark.parametrize("kind", ["/status", "/csv"])
@pytest.mark.parametrize("filters", [None, "t = 'text 1'"])
def test_short_results_are_read_several_at_once(kind, filters):
    with Executions(3, 0, 5, 10, 1) as server:
        together = threading.Barrier(3)  # as many, or none of them gets an answer

        def meet(path, options, answer):
            if path.endswith(kind) and path.split("/")[4] in server.ids[2:]:
                together.wait(PATIENCE)

        server.change = meet
        expected = [number for number in server.all_numbers() if filters is None or number % 2]
        assert read(server, filters=filters) == expected


def test_pages_of_longer_results_are_read_beside_those_of_others():
    with Executions(25, 25) as server:
        together = threading.Barrier(6)

        def meet(path, options, answer):
            if path.endswith("/csv"):
                together.wait(PATIENCE)

        server.change = meet
        assert read(server) == server.all_numbers()


def test_rows_keep_their_order_whichever_page_comes_first():
    with Executions(4, 12, 3) as server:
        others = threading.Event()

        def hold_back_the_first(path, options, answer):
            if path.endswith("/csv"):
                if server.ids[0] in path:
                    others.wait(PATIENCE)
                elif server.ids[2] in path:
                    others.set()

        server.change = hold_back_the_first
        assert read(server) == server.all_numbers()


def test_no_more_pages_are_read_ahead_than_may_be_read_at_once_and_none_once_nobody_wants_them():
    before = set(threading.enumerate())
    with Executions(*[7] * 12) as server, DuneApiClient("key", server.url, timeout=PATIENCE) as client:
        batches = open_reader(client, server.ids, concurrency=3).batches()
        assert next(batches).num_rows == 7
        wait_until(server.pages, lambda pages: pages == 3)
        let_work(0.2)
        assert server.pages() == 3
        batches.close()
        assert server.pages() == 3
    assert not [each for each in threading.enumerate() if each not in before and each.name.startswith("dune-")]


def test_the_first_of_several_errors_is_told_and_rows_before_it_have_come():
    with Executions(5, 5, 5, 5) as server, DuneApiClient("key", server.url, timeout=PATIENCE) as client:
        second_is_read = threading.Event()

        def break_two(path, options, answer):
            if path.endswith("/csv") and server.ids[1] in path:
                second_is_read.wait(PATIENCE)
                answer["body"] = b"n,t\n1,x\n"
            elif path.endswith("/csv") and server.ids[2] in path:
                answer["body"] = b"no,columns\n"
                second_is_read.set()

        server.change = break_two
        batches = open_reader(client, server.ids).batches()
        assert next(batches).column("n").to_pylist() == list(server.numbers(server.ids[0]))
        with pytest.raises(DuneResultError, match=f"execution {server.ids[1]}"):
            next(batches)


def test_one_that_cannot_be_read_ends_it_before_any_page():
    with Executions(5, 5, 5) as server:

        def forget(path, options, answer):
            if server.ids[1] in path:
                answer |= {"status": 404, "body": b'{"error": "Execution not found"}'}

        server.change = forget
        with pytest.raises(DuneResultError, match=f"does not know execution {server.ids[1]}"):
            read(server)
        assert server.pages() == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 35), min_size=2, max_size=6),
    st.sets(st.integers(0, 5)),
    st.booleans(),
    st.integers(1, 4),
)
def test_whatever_their_sizes_the_rows_are_those_of_each_after_another(sizes, partial, is_filtered, concurrency):
    with Executions(*sizes) as server:
        server.partial = {server.ids[number] for number in partial if number < len(sizes)}
        filters = "t = 'text 1'" if is_filtered else None
        found = read(server, filters=filters, concurrency=concurrency, allow_partial_results=True)
        assert found == [number for number in server.all_numbers() if not is_filtered or number % 2]
