"""The thread that parses pages: in which order, and what becomes of errors."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from dagster_dune.frames.pages.parser_thread import ParserThread


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8, unique=True))
def test_what_waits_is_done_by_its_place(places):
    parser, has_begun, may_go_on, done = ParserThread(), Event(), Event(), []
    with ThreadPoolExecutor(len(places) + 1) as pool:
        pool.submit(parser.run, 0, lambda: (has_begun.set(), may_go_on.wait()))
        has_begun.wait()
        for place in places:
            pool.submit(parser.run, place, lambda place=place: done.append(place))
        wait_until(lambda: parser.waiting == len(places))
        may_go_on.set()
    parser.close()
    assert done == sorted(places)


def test_one_thread_does_all_of_it_and_ends():
    parser = ParserThread()
    with ThreadPoolExecutor(4) as pool:
        threads = set(pool.map(lambda place: parser.run(place, current_thread), range(20)))
    parser.close()
    (thread,) = threads
    assert thread is not current_thread()
    assert not thread.is_alive()


def test_an_error_is_raised_where_it_is_waited_for():
    parser = ParserThread()

    def fail():
        raise ValueError("no page")

    with pytest.raises(ValueError, match="no page"):
        parser.run(0, fail)
    assert parser.run(0, lambda: 1) == 1
    parser.close()


def test_one_that_was_never_used_has_nothing_to_end():
    ParserThread().close()
