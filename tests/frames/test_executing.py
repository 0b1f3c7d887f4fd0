"""One execution that is waited for: what interrupts, a rate limit and a server that hangs do to it."""

import re
import sys
import threading

import numpy as np
import pytest
from interrupting import press_ctrl_c
from waiting import PATIENCE, wait_until

from dagster_dune import DuneApiClient, DuneConfigurationError, DuneResultError
from dagster_dune.api.http import retries
from dagster_dune.frames import executing
from dagster_dune.frames.results import Waiting, run_query, run_sql

SENT = (200, '{"execution_id": "01X", "state": "QUERY_STATE_PENDING"}')
RUNS = (200, '{"execution_id": "01X", "state": "QUERY_STATE_EXECUTING"}')
CANCELLED = (200, '{"success": true}')
CANCEL = "POST /api/v1/execution/01X/cancel"


class Interrupts:
    """Ctrl-C, as often as a test presses it: each time the main thread waits again where it still can."""

    def press(self):
        press_ctrl_c()
        self.seen = None
        wait_until(self._is_at_rest)

    def _is_at_rest(self):
        """Whether the main thread stands where it stood at the last look."""
        frame = sys._current_frames()[threading.main_thread().ident]
        place = (id(frame), frame.f_lasti)
        is_same, self.seen = place == self.seen, place
        return is_same and frame.f_code.co_name in ("wait", "result", "join", "_wait_for_tstate_lock")


@pytest.fixture
def interrupts():
    return Interrupts()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_interrupts_while_it_is_sent_cancel_it(faulty, interrupts, caplog, times):
    """A step hears of one Ctrl-C twice."""
    caplog.set_level("INFO")

    def reply(request):
        if "cancel" in request:
            return CANCELLED
        for _ in range(times):
            interrupts.press()
        return SENT

    faulty.replies = reply
    with DuneApiClient("key", faulty.url) as client, pytest.raises(KeyboardInterrupt):
        run_sql(client, "SELECT 1")
    assert faulty.requests == ["POST /api/v1/sql/execute", CANCEL]
    assert "Execution 01X of the SQL was cancelled." in caplog.text


def test_interrupts_while_it_is_cancelled_do_not_stop_that(faulty, interrupts, caplog):
    caplog.set_level("INFO")
    answers = iter([(503, '{"error": "busy"}'), CANCELLED])

    def reply(request):
        if "sql/execute" in request:
            return SENT
        if "cancel" not in request:
            press_ctrl_c()
            return RUNS
        interrupts.press()
        return next(answers)

    faulty.replies = reply
    with DuneApiClient("key", faulty.url) as client, pytest.raises(KeyboardInterrupt):
        run_sql(client, "SELECT 1")
    assert faulty.requests.count(CANCEL) == 2
    assert "Execution 01X of the SQL was cancelled." in caplog.text


@pytest.mark.parametrize("refusal", ["rate limit", "no connection"])
def test_an_interrupt_between_two_attempts_to_send_it_ends_them(faulty, interrupts, monkeypatch, refusal):
    """Nobody waits for what Dune has not started."""
    waits = threading.Event()
    pause = retries.pause

    def patient(_):
        waits.set()
        pause(PATIENCE)

    monkeypatch.setattr(retries, "pause", patient)
    faulty.replies = [(429, '{"error": "too many"}', {"Retry-After": "1"})]
    if refusal == "no connection":
        faulty.close()

    def press():
        waits.wait(PATIENCE)
        interrupts.press()

    presser = threading.Thread(target=press)
    presser.start()
    with DuneApiClient("key", faulty.url) as client, pytest.raises(KeyboardInterrupt):
        run_sql(client, "SELECT 1")
    presser.join()
    assert faulty.requests == ["POST /api/v1/sql/execute"] * (refusal == "rate limit")


@pytest.mark.parametrize("hangs", ["the status", "the pause", "the cancel"])
def test_a_timeout_ends_whatever_is_waited_for(faulty, monkeypatch, hangs):
    """That the test ends shows it: each of them would last as long as the patience of tests."""
    monkeypatch.setattr(executing, "CANCEL_SECONDS", 0.5)
    if hangs == "the pause":
        monkeypatch.setattr(executing, "FIRST_POLL_SECONDS", PATIENCE)

    def reply(request):
        if "cancel" in request:
            return "silence" if hangs == "the cancel" else CANCELLED
        if "POST" in request:
            return SENT
        return "silence" if hangs == "the status" else RUNS

    faulty.replies = reply
    waiting = Waiting(timeout=0.5, max_poll_interval=PATIENCE, failure_tolerance=0)
    said = "and could not be cancelled: .*no whole answer" if hangs == "the cancel" else "and was cancelled"
    with (
        DuneApiClient("key", faulty.url, timeout=PATIENCE) as client,
        pytest.raises(DuneResultError, match=f"took longer than 0.5 s,? {said}"),
    ):
        run_sql(client, "SELECT 1", waiting=waiting)
    assert CANCEL in faulty.requests


@pytest.mark.parametrize("query_id", [1.9, 1.0, True, "abc", "", "-1", None, -1, 0, [1]])
def test_what_is_no_number_of_a_query_is_never_executed(faulty, query_id):
    said = re.escape(f"query_id must be the number of a query, not {query_id!r}.")
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError, match=said):
        run_query(client, query_id)
    assert faulty.requests == []


@pytest.mark.parametrize("parameters", [["x"], "x=1", 5, [("x", 1)]])
def test_what_is_no_mapping_of_parameters_is_never_sent(faulty, parameters):
    said = re.escape(f"parameters must be a mapping of their names to values, not {parameters!r}.")
    with DuneApiClient("key", faulty.url) as client, pytest.raises(DuneConfigurationError, match=said):
        run_query(client, 1, parameters)
    assert faulty.requests == []


@pytest.mark.parametrize("query_id", [7, "7", np.int64(7)])
def test_the_number_of_a_query_may_be_a_text(faulty, query_id):
    faulty.replies = [SENT, (200, '{"execution_id": "01X", "state": "QUERY_STATE_COMPLETED"}')]
    with DuneApiClient("key", faulty.url) as client:
        run_query(client, query_id)
    assert faulty.requests[0] == "POST /api/v1/query/7/execute"
