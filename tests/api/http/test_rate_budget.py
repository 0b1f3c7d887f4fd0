"""Polls and details share a budget that knows the plan's limit, or learns it."""

import logging
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from threading import Event

import pytest
from waiting import PATIENCE, wait_until

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import until_set
from dagster_dune.api.http import rate_budget, retries
from dagster_dune.api.http.rate_budget import Purpose, RateBudget, reads_for
from dagster_dune.api.models import QueryExecution
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.pipeline.details import LATER, OVER_BUDGET, Details
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.run import Polling, follow

NODES = 1000
RUNS = 10
WINDOW = 4.0
BUSY_WINDOWS = 4
LONGEST_WAIT_WINDOWS = 1.5
"""A run's share of 40 reads is four a minute. It waits for its turn of polling at the most, and for one refusal."""
RUN = """
import logging, sys
from dagster_dune.api.http import rate_budget, retries
from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.models import QueryExecution
from dagster_dune.pipeline.details import Details
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.run import Polling, follow

url, rate_budget.WINDOW_SECONDS = sys.argv[1], float(sys.argv[2])
nodes = [PlannedNode(n, f"query_{n}", (n - 1,) if n > 1 else (), QueryExecution(query_id=n)) for n in (1, 2, 3)]
plan = PipelinePlan(tuple(nodes))
polling = Polling(interval=0.05, max_interval=0.2)
def client_of(retries):
    return DuneApiClient("emulator-key", url, max_retries=retries)

with client_of(20) as client, client_of(0) as brief:
    pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    with Details(brief, 1.0) as details:
        for outcomes in follow(client, plan, pipeline, polling=polling, log=logging.getLogger()):
            for outcome in details.added(outcomes):
                print(outcome.result.value)
        list(details.rest())
"""


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_who_waits_for_room_leaves_when_nobody_wants_the_answer_any_more():
    end, asked = Event(), []

    def clock():
        asked.append(0)
        if len(asked) > 9:
            end.set()
        return 0.0

    budget = RateBudget(limit=4, clock=clock)
    with until_set(end), reads_for(Purpose.POLLING), ThreadPoolExecutor(1) as thread:
        assert budget.wait_for_budget()
        thread.submit(lambda: [clock() for _ in range(9)])
        assert not budget.wait_for_budget()


@pytest.fixture
def clock():
    return Clock()


def granted(budget, clock, purpose, seconds, every=0.1):
    """How many reads a budget grants to someone who always wants one."""
    count, end = 0, clock.now + seconds
    while clock.now < end:
        count += budget.seconds_to_wait(purpose) == 0
        clock.now += every
    return count


@pytest.mark.parametrize("limit", [4, 40, 200, 1000])
def test_polling_never_exceeds_a_quarter_of_the_limit_in_any_minute(clock, limit):
    budget = RateBudget(limit, clock=clock)
    counts = [granted(budget, clock, Purpose.POLLING, 60) for _ in range(4)]
    assert max(counts) <= limit // 4
    assert min(counts) >= limit // 8


def test_polls_are_spread_once_half_of_their_share_is_used(clock):
    budget = RateBudget(40, clock=clock)
    assert [budget.seconds_to_wait(Purpose.POLLING) for _ in range(6)] == [0, 0, 0, 0, 0, 10]


def test_details_leave_room_for_polls(clock):
    budget = RateBudget(40, clock=clock)
    assert granted(budget, clock, Purpose.DETAILS, 59) == 20
    assert budget.seconds_to_wait(Purpose.POLLING) == 0


def test_nothing_is_held_back_while_no_limit_is_known(clock):
    budget = RateBudget(clock=clock)
    assert budget.limit is None
    assert granted(budget, clock, Purpose.DETAILS, 60) == 600


def test_a_429_teaches_the_limit_and_a_second_one_that_others_send_too(clock):
    budget = RateBudget(clock=clock)
    for _ in range(71):
        budget.sent()
    budget.answered(429, {}, retry_after=20.0)
    assert budget.limit == 70
    assert budget.seconds_to_wait(Purpose.POLLING) == budget.seconds_to_wait(Purpose.DETAILS) == 20
    clock.now = 61
    budget.sent()
    budget.answered(429, {}, None)
    assert budget.limit == 35
    clock.now += 181
    assert budget.limit is None


def test_a_refusal_within_a_limit_that_headers_tell_says_that_others_send_too(clock):
    budget = RateBudget(clock=clock)
    for status in (200, 429, 200):
        budget.sent()
        budget.answered(status, {"X-RateLimit-Limit": "40"}, None)
    assert budget.limit == 20
    clock.now += 181
    assert budget.limit == 40


def test_a_single_refusal_says_no_less_than_the_smallest_plan(clock):
    budget = RateBudget(clock=clock)
    budget.sent()
    budget.answered(429, {}, None)
    assert budget.limit == 40
    assert budget.seconds_to_wait(Purpose.POLLING) == 0


def test_headers_are_believed_and_told(faulty):
    headers = {"X-RateLimit-Limit": "40", "X-RateLimit-Remaining": "39", "X-RateLimit-Reset": "soon"}
    faulty.replies = [(200, "{}", headers)]
    with DuneApiClient("a-key", faulty.url) as client, DuneApiClient("a-key", faulty.url) as other:
        assert client.rate_limit.limit is None
        client.get_pipeline_status("x")
        assert (client.rate_limit.limit, client.rate_limit.remaining, client.rate_limit.reset) == (40, 39, None)
        assert other.rate_budget is client.rate_budget
        assert client.rate_budget.limit == 40


@pytest.mark.parametrize("limit", ["", "²", "-1", "9" * 400, "forty", "40, 40"])
def test_odd_headers_teach_nothing(faulty, limit):
    faulty.replies = [(200, "{}", {"X-RateLimit-Limit": limit.encode().decode("latin-1")})]
    with DuneApiClient("a-key", faulty.url) as client:
        client.get_pipeline_status("x")
        assert client.rate_budget.limit is None


def test_a_limit_can_be_set_and_must_be_one():
    with DuneApiClient("a-key", reads_per_minute=200) as client:
        assert client.rate_budget.limit == 200
    with pytest.raises(DuneConfigurationError, match="reads_per_minute"):
        DuneApiClient("a-key", reads_per_minute=0)


@pytest.mark.processes
@pytest.mark.parametrize("tells", [True, False])
def test_ten_runs_in_processes_of_their_own_on_40_reads_a_minute_all_finish_and_none_waits_more_than_its_share(tells):
    with DuneEmulator(rate_limit="free", rate_limit_seconds=WINDOW, rate_limit_headers=tells) as dune:
        for number in (1, 2, 3):
            dune.load_query(number, f"Query {number}", "SELECT 1 AS n")
            dune.hold(number)

        def run(_):
            command = [sys.executable, "-c", RUN, dune.url, str(WINDOW)]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        with ThreadPoolExecutor(RUNS) as pool:
            running = [pool.submit(run, number) for number in range(RUNS)]
            wait_until(lambda: len(reads_by_pipeline(dune)), lambda count: count == RUNS)
            last = wait_until(lambda: time_of_last_entry(dune))
            # All of them poll for some minutes, as the emulator counts them, before the first node may end.
            wait_until(lambda: time_of_last_entry(dune) - last > BUSY_WINDOWS * WINDOW)
            held_until = time_of_last_entry(dune)
            for number in (1, 2, 3):
                dune.release(number)
            ends = [end.result() for end in running]
        reads = reads_by_pipeline(dune)
        statuses = [(entry["method"], entry["status"]) for entry in dune.journal()]
    assert [(end.returncode, end.stdout.split()) for end in ends] == [(0, ["succeeded"] * 3)] * RUNS, ends
    assert statuses.count(("POST", 200)) == RUNS
    answered = {pipeline: [at for at, status in times if status == 200] for pipeline, times in reads.items()}
    gaps = {
        pipeline: max(
            later - earlier for earlier, later in pairwise([*(t for t in times if t < held_until), held_until])
        )
        for pipeline, times in answered.items()
    }
    refused = sum(status == 429 for times in reads.values() for _, status in times)
    print(
        f"reads a run {sorted(map(len, answered.values()))}, refused {refused}, longest waits {sorted(gaps.values())}"
    )
    assert max(gaps.values()) <= LONGEST_WAIT_WINDOWS * WINDOW, gaps


def reads_by_pipeline(dune):
    """When each pipeline was asked for, and with which answer."""
    reads = defaultdict(list)
    for entry in dune.journal():
        if entry["method"] == "GET" and "/pipelines/" in entry["path"]:
            reads[entry["path"]].append((datetime.fromisoformat(entry["at"]).timestamp(), entry["status"]))
    return reads


def time_of_last_entry(dune):
    return datetime.fromisoformat(dune.journal()[-1]["at"]).timestamp()


def test_repetitions_of_a_poll_count_for_the_quarter_too(dune, monkeypatch):
    """A poll that Dune fails to answer is asked again, which is a read like any other."""
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 1.0)
    monkeypatch.setattr(retries, "BACKOFF_SECONDS", 0.001)
    dune.load_query(1, "Query 1", "SELECT 1 AS n")
    dune.inject("status", method="GET", path="/api/v1/pipelines/executions/*/status", status=503, times=9)
    plan = PipelinePlan((PlannedNode(1, "query_1", (), QueryExecution(query_id=1)),))
    with DuneApiClient(dune.api_key, dune.url, max_retries=20, reads_per_minute=12) as client:
        pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
        list(follow(client, plan, pipeline, polling=Polling(interval=0), log=logging.getLogger("test")))
    ((_, reads),) = reads_by_pipeline(dune).items()
    times = [at for at, _ in reads]
    assert len(times) >= 10
    assert max(sum(start <= at < start + 0.95 for at in times) for start in times) <= 3


def test_a_thousand_nodes_are_followed_and_told_within_the_limit(dune):
    """All of them end, although their details alone would be 25 minutes of the smallest plan's reads."""
    for number in range(1, NODES + 1):
        dune.load_query(number, f"Query {number}", "SELECT 1 AS n")
    nodes = [
        PlannedNode(number, f"query_{number}", (), QueryExecution(query_id=number)) for number in range(1, NODES + 1)
    ]
    plan = PipelinePlan(tuple(nodes))
    log = logging.getLogger("test")
    with (
        DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, reads_per_minute=40) as client,
        Details(client, 30) as details,
    ):
        pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
        wait_until(lambda: client.get_pipeline_status(pipeline).status, lambda status: status == "completed")
        before = len(dune.journal())
        polling = Polling(interval=0)
        told = [
            outcome
            for outcomes in follow(client, plan, pipeline, polling=polling, log=log)
            for outcome in details.added(outcomes)
        ]
        late = list(details.rest())
    assert len(told) == NODES
    known = {outcome.node.id for outcome in [*told, *late] if outcome.details}
    assert len(known) == 20
    assert all(outcome.details or LATER in outcome.details_missing for outcome in told)
    assert len(late) == NODES - sum(outcome.details is not None for outcome in told)
    assert all(outcome.details or outcome.details_missing == OVER_BUDGET for outcome in late)
    assert len(dune.journal()) - before <= 40
