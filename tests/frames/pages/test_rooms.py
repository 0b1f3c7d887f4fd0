"""The memory that pages are received in: which page gets it first, and when there is more."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE, let_work, wait_until

from dagster_dune.frames.pages.rooms import FEW, FIRST_BYTES, Room, Rooms


def test_the_earliest_page_that_waits_gets_it_first():
    rooms, order, waiting = Rooms(1), [], [7, 3, 9, 1, 5]

    def take(place):
        with rooms.room_for(place):
            order.append(place)

    with ThreadPoolExecutor(len(waiting)) as pool:
        with rooms.room_for(0):
            for place in waiting:
                pool.submit(take, place)
            wait_until(lambda: len(rooms._waiting), lambda count: count == len(waiting))
        pool.shutdown()
    assert order == sorted(waiting)


def test_memory_is_used_again():
    rooms = Rooms(8)
    seen = set()
    for place in range(10):
        with rooms.room_for(place) as room:
            seen.add(id(room))
    assert len(seen) <= FEW


@pytest.mark.parametrize("most", [1, 2, 5])
def test_who_has_waited_gets_more_but_no_more_than_may_be(most):
    rooms, go_on, has = Rooms(most), Event(), []

    def hold(place):
        with rooms.room_for(place) as room:
            has.append(room)
            go_on.wait(PATIENCE)

    with ThreadPoolExecutor(most + 2) as pool:
        for place in range(most + 2):
            pool.submit(hold, place)
        wait_until(lambda: len(has), lambda count: count == most)
        let_work(0.1)
        assert len({id(room) for room in has}) == len(has) == most
        go_on.set()
    assert len(has) == most + 2
    assert len({id(room) for room in has}) == most


def test_an_error_gives_it_back():
    rooms = Rooms(1)
    with pytest.raises(ValueError, match="no page"), rooms.room_for(0):
        raise ValueError("no page")
    with ExitStack() as stack:
        stack.enter_context(rooms.room_for(1))


@given(st.binary(min_size=1, max_size=50), st.integers(1, 400), st.integers(1, 200))
def test_what_stands_in_a_room_stays_when_it_grows(text, more, usual):
    room, before = Room(), bytearray(text)
    length = len(text) + more
    grown = room.larger(before, length, usual)
    assert (grown[: len(text)], len(grown) >= length) == (before, True)
    assert (room.text is grown) == (length <= usual + usual // 4)
    assert room.text is grown or len(room.text) == FIRST_BYTES
