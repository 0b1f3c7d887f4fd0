"""Every order of what several attempts do, with the real decisions and a modelled instance."""

import os

import pytest
from explorer import DONE, FAILED, NODE, NOON, RUNNING, Explorer, Violation, Who

from dagster_dune._execution.submissions.submission import State, Submission

# Clocks differ by an hour, against the order in which they are likely to act.
A, B, C = Who("A", "run a", hours=1), Who("B", "run b", hours=-1), Who("C", "run c")
EVERYTHING = Who("E", "run e", resumes=False)
PARENTS = Submission("0", "parent", NOON, {NODE: 1}, State.ANSWERED, "P0")
LOST = Submission("0", "parent", NOON, {NODE: 1}, State.INTENDED)
BEFORE = {
    "nothing was sent": {},
    "it failed before": {"intents": [PARENTS], "pipelines": {"P0": FAILED}},
    "it runs": {"intents": [PARENTS], "pipelines": {"P0": RUNNING}},
}
IN_FULL = bool(os.environ.get("EXPLORE_IN_FULL"))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_two_attempts_with_faults_and_kills(before, record_property):
    record_property("states and interleavings", Explorer([A, B], **before, faults=2, kills=2, waits=2).explore())


def test_three_attempts(record_property):
    states, interleavings = Explorer([A, B, C]).explore()
    record_property("states and interleavings", (states, interleavings))
    assert interleavings > 1_000_000_000


@pytest.mark.skipif(not IN_FULL, reason="takes minutes; EXPLORE_IN_FULL=1 runs it, as each night does")
@pytest.mark.parametrize(("faults", "kills"), [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_three_attempts_with_faults_and_kills(before, faults, kills, record_property):
    found = Explorer([A, B, C], **before, faults=faults, kills=kills).explore()
    print(f"{found[0]} states, {found[1]} interleavings")
    record_property("states and interleavings", found)


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_one_that_repeats_everything_beside_one_that_resumes(before):
    Explorer([A, EVERYTHING], **before, faults=1, kills=1).explore()


def test_two_tries_of_one_step():
    Explorer([A, Who("B", "run a", hours=-1)], faults=2, kills=1).explore()


def test_without_faults_somebody_completes_the_node_and_it_is_completed_once():
    explorer = Explorer([A, B], waits=2)
    explorer.explore()
    for world in explorer.ends:
        assert [how for _, how in world.pipelines if how == DONE].count(DONE) <= 1
    assert any(world.pipelines for world in explorer.ends)


def test_what_stays_open_nobody_sends():
    explorer = Explorer([A, B], intents=[LOST], faults=1, kills=1)
    explorer.explore()
    assert all(world.pipelines == frozenset() for world in explorer.ends)


@pytest.mark.parametrize("broken", [{"looks_again": False}, {"sees_intents": False}], ids=str)
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_it_finds_what_goes_wrong_without_the_protocol(before, broken):
    with pytest.raises(Violation):
        Explorer([A, B], **before, **broken, faults=1).explore()
