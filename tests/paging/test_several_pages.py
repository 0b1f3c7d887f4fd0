"""Rows of several executions as JSON has them: some pages at once, in order, and no more ahead than that."""

import threading

import pytest
from executions_server import Executions
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import PATIENCE, let_work, wait_until

from dagster_dune import DuneApiClient, DuneResultError
from dagster_dune.paging.json_rows import PAGES_AT_ONCE, rows_of
from dagster_dune.paging.options import ReadOptions

PAGE = 10


def rows_in(server, client, **options):
    return rows_of(client, server.ids, ReadOptions(page_size=PAGE, concurrency=1, **options))


def read(server, **options):
    with DuneApiClient("key", server.url, timeout=PATIENCE) as client:
        return [row["n"] for row in rows_in(server, client, **options)]


def pages(server):
    return sum(path.endswith("/results") for path, _ in server.requests)


@pytest.mark.parametrize("kind", ["/status", "/results"])
def test_several_are_read_at_once(kind):
    with Executions(*[5] * PAGES_AT_ONCE) as server:
        together = threading.Barrier(PAGES_AT_ONCE)  # as many, or none of them gets an answer

        def meet(path, options, answer):
            if path.endswith(kind):
                together.wait(PATIENCE)

        server.change = meet
        assert read(server) == server.all_numbers()


def test_no_more_pages_are_read_ahead_than_may_be_read_at_once_and_none_once_nobody_wants_them():
    before = set(threading.enumerate())
    with Executions(*[7] * 12) as server, DuneApiClient("key", server.url, timeout=PATIENCE) as client:
        rows = rows_in(server, client)
        assert next(rows)["n"] == 0
        wait_until(lambda: pages(server), lambda count: count == PAGES_AT_ONCE)
        let_work(0.2)
        assert pages(server) == PAGES_AT_ONCE
        rows.close()
        assert pages(server) == PAGES_AT_ONCE
    assert not [each for each in threading.enumerate() if each not in before and each.name.startswith("dune-")]


def test_one_that_cannot_be_read_is_an_error_and_no_end():
    with Executions(5, 5, 5) as server, DuneApiClient("key", server.url, timeout=PATIENCE) as client:

        def forget(path, options, answer):
            if server.ids[2] in path:
                answer |= {"status": 404, "body": b'{"error": "Execution not found"}'}

        server.change = forget
        rows = rows_in(server, client)
        with pytest.raises(DuneResultError, match=f"does not know execution {server.ids[2]}"):
            list(rows)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 35), min_size=1, max_size=6), st.sets(st.integers(0, 5)))
def test_whatever_their_sizes_the_rows_are_those_of_each_after_another(sizes, partial):
    with Executions(*sizes) as server:
        server.partial = {server.ids[number] for number in partial if number < len(sizes)}
        assert read(server, allow_partial_results=True) == server.all_numbers()
