"""Waits for what other threads do, and how an interrupt ends them though the system resumes a wait after a signal."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from interrupting import press_ctrl_c_in
from waiting import PATIENCE

from dagster_dune.api.waiting import in_order_of_ends, result_of, wait_for

NEVER = Future()


def wait_for_never():
    changed = threading.Condition()
    with changed:
        wait_for(changed, lambda: False, PATIENCE)


@pytest.mark.parametrize(
    "wait", [lambda: result_of(NEVER), lambda: list(in_order_of_ends([NEVER])), wait_for_never], ids=["a", "b", "c"]
)
def test_one_ctrl_c_ends_a_wait(wait):
    """That the test ends shows it."""
    with ThreadPoolExecutor(1) as presser:
        presser.submit(press_ctrl_c_in, "dagster_dune.api.waiting", threading.get_ident())
        with pytest.raises(KeyboardInterrupt):
            wait()


def test_a_result_or_an_error_is_that_of_the_future():
    ended, failed = Future(), Future()
    ended.set_result(1)
    failed.set_exception(TimeoutError("its own"))
    assert result_of(ended) == result_of(ended, 0) == 1
    with pytest.raises(TimeoutError, match="its own"):
        result_of(failed)
    with pytest.raises(TimeoutError):
        result_of(NEVER, 0.01)


def test_results_come_in_the_order_of_their_ends():
    first, second, third = Future(), Future(), Future()
    results = in_order_of_ends([first, second, third])
    third.set_result("third")
    assert next(results) == "third"
    first.set_result("first")
    assert next(results) == "first"
    second.set_exception(ValueError("second"))
    with pytest.raises(ValueError, match="second"):
        next(results)
    assert list(in_order_of_ends([])) == []


@pytest.mark.parametrize("holds", [False, True])
def test_a_condition_is_waited_for_until_it_holds_or_the_time_is_over(holds):
    changed = threading.Condition()
    with changed:
        assert wait_for(changed, lambda: holds, 0.01) is holds
