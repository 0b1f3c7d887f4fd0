"""Every order of what several attempts do, with the real decisions and a modelled instance."""

import os
from dataclasses import replace

import pytest
from explorer import DONE, FAILED, NODE, NOON, RUNNING, Explorer, Violation, Who

from dagster_dune._execution.submissions.definitions import DefinitionNodes
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


# A run of everything, what resumes it from failure, and what Dagster tries of the run before by itself.

ANEW = Who("E", "run e", resumes=False, hours=-1, outdated=("parent", "run a"))
RESUMES_ANEW = Who("D", "run d", outdated=("parent", "run a"), after="E")
BEFORE_ANEW = BEFORE | {"it completed before": {"intents": [PARENTS], "pipelines": {"P0": DONE}}}


@pytest.mark.parametrize("before", BEFORE_ANEW.values(), ids=BEFORE_ANEW)
@pytest.mark.parametrize("beside", [[], [A]], ids=["alone", "beside another retry"])
def test_what_resumes_a_run_of_everything(before, beside):
    Explorer([ANEW, RESUMES_ANEW, *beside], **before, faults=1 - len(beside), kills=1).explore()


@pytest.mark.parametrize(
    ("broken", "before"), [({"tells_apart": False}, "it completed before"), ({"hears": False}, "it runs")], ids=str
)
def test_it_finds_what_goes_wrong_where_that_is_not_told_apart(broken, before):
    with pytest.raises(Violation):
        Explorer([ANEW, replace(RESUMES_ANEW, **broken)], **BEFORE_ANEW[before], kills=1).explore()


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


# Several definitions whose assets run the same. The second has sent nothing yet when the run failed.

BOTH_ASSETS = {"one": "first", "two": "second"}
OF_FIRST = Submission("0", "parent", NOON, {NODE: 1}, State.ANSWERED, "P0", definition="first", step_key="first")
SECOND = Who("S", "run b", definition="second", asset="two")
RENAMED = Who("R", "run c", definition="renamed", asset="one")
BEFORE_OF_FIRST = {name: before and {**before, "intents": [OF_FIRST]} for name, before in BEFORE.items()}
PLANS = {"parent": BOTH_ASSETS, "run a": BOTH_ASSETS, "run b": BOTH_ASSETS, "run c": {"one": "renamed"}}


@pytest.mark.parametrize("before", BEFORE_OF_FIRST.values(), ids=BEFORE_OF_FIRST)
def test_two_definitions_in_siblings_at_once(before):
    """Each has an execution of its own, and neither follows, or waits for, that of the other."""
    explorer = Explorer([A, SECOND], **before, plans=PLANS, faults=2, kills=1)
    explorer.explore()
    assert all(any(id_.startswith("PS") for id_, _ in world.pipelines) for world in _undisturbed(explorer))


@pytest.mark.parametrize("before", BEFORE_OF_FIRST.values(), ids=BEFORE_OF_FIRST)
def test_two_siblings_of_one_definition_beside_one_of_another(before):
    explorer = Explorer([A, B, SECOND], **before, plans=PLANS)
    explorer.explore()
    assert all(sum(id_.startswith("PS") for id_, _ in world.pipelines) == 1 for world in explorer.ends)


@pytest.mark.parametrize("before", BEFORE_OF_FIRST.values(), ids=BEFORE_OF_FIRST)
@pytest.mark.parametrize("plans", [PLANS, {}], ids=["known plans", "unknown plans"])
def test_siblings_before_and_after_their_definition_was_renamed(before, plans):
    """Each sees the other: they make the same asset, and code may change between two clicks."""
    Explorer([A, RENAMED], **before, plans=plans, faults=2, kills=1).explore()


class ByName(DefinitionNodes):
    """What another definition has sent counts for none."""

    def sent_in(self, submissions, steps):
        return (submission for submission in submissions if submission.definition == self.definition)


class Whatever(DefinitionNodes):
    """What any definition has sent counts for all."""

    def _is_for_others(self, digest, submission, steps):
        return False


@pytest.mark.parametrize(("other", "rule"), [(SECOND, Whatever), (RENAMED, ByName)])
def test_it_finds_what_other_rules_for_definitions_do(other, rule):
    with pytest.raises(Violation):
        Explorer([A, other], plans=PLANS, definitions=rule).explore()


def _undisturbed(explorer):
    """The ends before which nothing failed and nobody was killed."""
    return [world for world in explorer.ends if (world.faults, world.kills) == (2, 1)]
