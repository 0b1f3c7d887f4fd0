"""Details of nodes: read in the background, in nobody's way, and caught up where there was no room for them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import PATIENCE, wait_until

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.http import rate_budget
from dagster_dune.api.models import QueryExecution
from dagster_dune.pipeline import details as details_module
from dagster_dune.pipeline.details import Details
from dagster_dune.pipeline.nodes import PlannedNode
from dagster_dune.pipeline.settle import Outcome, Result
from dagster_dune.pipeline.states import Phase

EXECUTION_STATUS = "/api/v1/execution/*/status"
HOUR = 3600.0


@pytest.fixture
def outcomes(dune, client, finish):
    """A function that runs a query as often, and returns the outcomes of as many nodes."""
    dune.load_query(1, "one", "SELECT 1 AS n UNION ALL SELECT 2")

    def make(count):
        ids = [client.execute_query(1).execution_id for _ in range(count)]
        for id_ in ids:
            finish(client, id_)
        nodes = [PlannedNode(n + 1, f"query_{n + 1}", (), QueryExecution(query_id=n + 1)) for n in range(count)]
        return [Outcome(node, Result.SUCCEEDED, Phase.COMPLETED, id_) for node, id_ in zip(nodes, ids, strict=True)]

    return make


@pytest.fixture
def reader(dune):
    """A function that opens a client whose key has so many reads a minute."""
    opened = []

    def make(limit=None):
        rate_budget.forget_budgets()
        client = DuneApiClient(dune.api_key, dune.url, timeout=PATIENCE, max_retries=0, reads_per_minute=limit)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def rows(outcome):
    return outcome.details and outcome.details.result_metadata.total_row_count


def test_each_outcome_has_its_details(outcomes, reader):
    with Details(reader(), PATIENCE) as details:
        assert [rows(outcome) for outcome in details.added(outcomes(3))] == [2, 2, 2]
        assert list(details.rest()) == []


def test_what_never_ran_has_none_and_is_not_asked_for(outcomes, reader, dune):
    skipped = Outcome(PlannedNode(1, "query_1", (), QueryExecution(query_id=1)), Result.SKIPPED, Phase.WAITING)
    with Details(reader(), PATIENCE) as details:
        assert list(details.added([skipped])) == [skipped]
        assert list(details.rest()) == []
    assert dune.journal() == []


def test_those_without_room_are_caught_up_within_the_patience(outcomes, reader, dune, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", 1.0)
    made = outcomes(12)
    before = len(dune.journal())
    with Details(reader(8), PATIENCE) as details:
        told = list(details.added(made))
        late = list(details.rest())
    with_details = [outcome for outcome in told if outcome.details]
    without = {outcome.node.id: outcome.details_missing for outcome in told if not outcome.details}
    assert len(with_details) < 12
    assert all("no room" in reason and "observation" in reason for reason in without.values())
    assert sorted(outcome.node.id for outcome in late) == sorted(without)
    assert [rows(outcome) for outcome in late] == [2] * len(late)
    assert not any(outcome.details_missing for outcome in late)
    assert len(dune.journal()) - before == 12


def test_nobody_waits_for_a_room_that_comes_after_the_patience(outcomes, reader, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", HOUR)
    made = outcomes(6)
    begin = time.monotonic()
    with Details(reader(4), PATIENCE) as details:
        told = list(details.added(made))
        late = list(details.rest())
    assert time.monotonic() - begin < PATIENCE
    assert [outcome.details is not None for outcome in told].count(True) == 2
    assert all("no room" in outcome.details_missing for outcome in late)
    assert len(late) == 4


def test_a_refused_read_is_tried_once_more_when_there_is_room(outcomes, reader, dune, monkeypatch):
    monkeypatch.setattr(rate_budget, "DETAILS_PAUSE", 0.2)
    made = outcomes(1)
    dune.inject("status", method="GET", path=EXECUTION_STATUS, status=429, body={"error": "slow"}, times=1)
    with Details(reader(), PATIENCE) as details:
        told = list(details.added(made))
        assert [rows(outcome) for outcome in [*told, *details.rest()] if outcome.details] == [2]


def test_a_read_that_is_refused_twice_is_missing(outcomes, reader, dune, monkeypatch):
    monkeypatch.setattr(rate_budget, "DETAILS_PAUSE", 0.01)
    made = outcomes(1)
    dune.inject("status", method="GET", path=EXECUTION_STATUS, status=429, body={"error": "slow"}, times=None)
    with Details(reader(), PATIENCE) as details:
        (last,) = [*details.added(made), *details.rest()][-1:]
    assert last.details is None
    assert "rate limit was reached" in last.details_missing


def test_a_slow_dune_holds_an_outcome_up_for_a_moment_alone(outcomes, reader, dune, monkeypatch):
    monkeypatch.setattr(details_module, "MAX_DELAY_SECONDS", 0.05)
    made = outcomes(2)
    dune.inject("delay", method="GET", path=EXECUTION_STATUS, seconds=2, times=None)
    with Details(reader(), PATIENCE) as details:
        told = list(details.added(made))
        assert all("within 0.05 s" in outcome.details_missing for outcome in told)
        assert [rows(outcome) for outcome in details.rest()] == [2, 2]


def test_details_that_are_needed_are_waited_for_and_need_no_share(outcomes, reader, dune, monkeypatch):
    monkeypatch.setattr(details_module, "MAX_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", HOUR)
    made = outcomes(4)
    dune.inject("delay", method="GET", path=EXECUTION_STATUS, seconds=0.3, times=None)
    with Details(reader(2), PATIENCE, needs=lambda node: node.id > 1) as details:
        told = list(details.added(made))
    assert [rows(outcome) for outcome in told[1:]] == [2, 2, 2]


def test_closing_ends_the_waiting(outcomes, reader, monkeypatch):
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", HOUR)
    made = outcomes(4)
    with Details(reader(2), PATIENCE) as details:
        list(details.added(made))
    wait_until(
        lambda: [thread for thread in threading.enumerate() if thread.name.startswith("dune-details")],
        lambda left: not left,
    )


def test_many_nodes_of_many_pipelines_share_one_budget(outcomes, reader, dune, monkeypatch):
    """Whoever has details read in this process: together they keep to half of the limit."""
    monkeypatch.setattr(rate_budget, "WINDOW_SECONDS", HOUR)
    made = outcomes(10)
    before = len(dune.journal())
    rate_budget.forget_budgets()
    clients = [DuneApiClient(dune.api_key, dune.url, max_retries=0, reads_per_minute=8) for _ in range(3)]

    def all_of(client):
        with client, Details(client, 0.1) as details:
            return [*details.added(made), *details.rest()]

    with ThreadPoolExecutor(3) as pool:
        told = [outcome for outcomes_ in pool.map(all_of, clients) for outcome in outcomes_]
    assert len(dune.journal()) - before == 4
    assert sum(outcome.details is not None for outcome in told) == 4


def test_a_read_that_dune_does_not_answer_ends_with_the_step(faulty):
    """Python waits for the threads of a pool before a process ends."""
    faulty.replies = ["silence"]
    node = PlannedNode(1, "query_1", (), QueryExecution(query_id=1))
    with DuneApiClient("a-key", faulty.url, timeout=PATIENCE, max_retries=0) as client, Details(client, 0) as details:
        (told,) = details.added([Outcome(node, Result.SUCCEEDED, Phase.COMPLETED, "01X")])
        wait_until(lambda: faulty.requests)
    assert told.details_missing
    wait_until(lambda: not any(thread.name.startswith("dune-details") for thread in threading.enumerate()))
