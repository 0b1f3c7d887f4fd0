"""What runs of everything, and the retries of these, take over of what came before, case by case."""

from datetime import timedelta

import dagster as dg
import pytest

from dagster_dune import DuneCatalog, Query
from dagster_dune._execution.submissions.run_group import Origin, RunGroup
from dagster_dune._execution.submissions.submission import State
from dagster_dune.pipeline.plan import plan_pipeline

CATALOG = DuneCatalog(queries=[Query(query_id=1), Query(query_id=2, deps=["query_1"]), Query(query_id=3)])


def plan_of(*names):
    return plan_pipeline(CATALOG, dict.fromkeys(names, "a"))


ONE, TWO, THREE = (plan_of(f"query_{number}") for number in (1, 2, 3))
TWO_AND_THREE, ALL = plan_of("query_2", "query_3"), plan_of("query_1", "query_2", "query_3")
NAMES = ["query_1", "query_2", "query_3"]
RESUMED = {"dagster/is_resume_retry": "true"}


@pytest.fixture
def older(make_run, submit):
    """The later of two runs, which has sent two nodes beside what the first had sent in P1."""
    first = make_run()
    submit(first, ONE)
    second = make_run(first, tags=RESUMED)
    submit(second, TWO_AND_THREE, "P2")
    return second


def test_all_that_was_to_be_followed_is_taken_over_though_the_run_died_while_it_followed_the_first(
    make_run, submit, attempt
):
    first = make_run()
    submit(first, ONE)
    submit(make_run(first, tags=RESUMED), THREE, "P2")
    everything = make_run(first)
    plan = plan_of("query_1", "query_3")
    assert attempt(everything, plan, runs_still=["P1", "P2"], dies=True).sent == []
    told = attempt(make_run(everything, tags=RESUMED), plan)
    assert (told.taken_over, told.sent) == ({"P1": [(1, "query_1")], "P2": [(1, "query_3")]}, [])


def test_of_a_pipeline_no_more_is_taken_over_later_than_by_the_run_of_everything(older, make_run, attempt):
    everything = make_run(older)
    assert attempt(everything, ALL, runs_still=["P2"], dies=True).sent == []
    told = attempt(make_run(everything, tags=RESUMED), ALL)
    assert (told.taken_over, told.sent) == ({"P2": [(2, "query_3")]}, NAMES[:2])


def test_what_resumes_a_run_of_everything_takes_over_nothing_running_that_reads_what_it_sends(older, make_run, attempt):
    everything = make_run(older)
    told = attempt(make_run(everything, tags=RESUMED), ALL, runs_still=["P2"])
    assert (told.taken_over, told.ended, told.sent) == ({"P2": [(2, "query_3")]}, ["P2"], NAMES[:2])


def test_nor_what_reads_what_that_run_has_sent(older, make_run, submit, attempt):
    everything = make_run(older)
    submit(everything, ONE, "P3")
    told = attempt(make_run(everything, tags=RESUMED), ALL, runs_still=["P2"])
    both = {"P2": [(2, "query_3")], "P3": [(1, "query_1")]}
    assert (told.taken_over, told.ended, told.sent) == (both, ["P2"], NAMES[1:2])


@pytest.mark.parametrize("resumes", [True, False])
def test_nor_what_reads_another_running_pipeline(older, make_run, submit, attempt, resumes):
    """It did not wait for that one, which was sent later."""
    submit(make_run(older), ONE, "P3")
    everything = make_run(older)
    run = make_run(everything, tags=RESUMED) if resumes else everything
    told = attempt(run, ALL, runs_still=["P2", "P3"])
    assert (told.ended, told.sent) == (["P2"], NAMES[1:2])


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("key", [dg.AssetKey(["dune", "query_2"]), dg.AssetCheckKey(dg.AssetKey("of"), "check")])
def test_nor_what_reads_what_another_step_makes(make_run, submit, attempt, resumes, key):
    first = make_run()
    submit(first, TWO)
    everything = make_run(first)
    run = make_run(everything, tags=RESUMED) if resumes else everything
    (digest,) = TWO.digests
    made = dg.AssetKey(["dune", "query_1"])
    if isinstance(key, dg.AssetCheckKey):
        key = dg.AssetCheckKey(made, "check")
    settings = {"keys": {digest: key}, "deps": {key: [made]}}
    told = attempt(run, TWO, runs_still=["P1"], **settings)
    assert (told.taken_over, told.ended, told.sent) == ({}, ["P1"], ["query_2"])
    told = attempt(make_run(first, tags=RESUMED), TWO, runs_still=["P1"], **settings)
    assert (told.taken_over, told.sent) == ({"P1": [(1, "query_2")]}, [])


def test_siblings_share_it_all_the_same(make_run, submit, attempt):
    first = make_run()
    submit(make_run(first), TWO)
    (digest,) = TWO.digests
    key, made = (dg.AssetKey(["dune", f"query_{number}"]) for number in (2, 1))
    told = attempt(make_run(first), TWO, runs_still=["P1"], keys={digest: key}, deps={key: [made]})
    assert told.taken_over == {"P1": [(1, "query_2")]}


def test_what_a_retry_of_an_older_run_has_sent_again_since_is_taken_over(make_run, submit, attempt):
    """Dagster tries the first run again by itself, while somebody runs everything."""
    first = make_run()
    old = submit(first, ALL)
    everything = make_run(first)
    new = submit(everything, ALL, "P2", after=[old.id])
    submit(make_run(first, tags=RESUMED), TWO, "P3", after=[old.id, new.id])
    retry = make_run(everything, tags=RESUMED)
    told = attempt(retry, ALL)
    assert told.taken_over == {"P2": [(1, "query_1"), (3, "query_3")], "P3": [(1, "query_2")]}
    assert told.sent == []


def test_so_is_what_it_has_sent_after_the_run_of_everything_had_followed_the_same(make_run, submit, attempt):
    first = make_run()
    old = submit(first, TWO)
    everything = make_run(first)
    assert attempt(everything, TWO, runs_still=["P1"]).sent == []
    submit(make_run(first, tags=RESUMED), TWO, "P2", after=[old.id])
    told = attempt(make_run(everything, tags=RESUMED), TWO)
    assert (told.taken_over, told.sent) == ({"P2": [(1, "query_2")]}, [])


def test_an_adopted_pipeline_stays_adopted_in_what_resumes_the_run_however_old(make_run, submit, attempt):
    parent = make_run()
    record = submit(parent, pipeline=None, state=State.LOST)
    tag = {"dagster-dune/adopt": f"{record.id}:P9"}
    adopting = make_run(parent, tags={**RESUMED, **tag})
    assert list(attempt(adopting, max_age=timedelta(0)).taken_over) == ["P9"]
    told = attempt(make_run(adopting, tags={**RESUMED, **tag}), max_age=timedelta(0))
    assert (list(told.taken_over), told.sent) == (["P9"], [])
    told = attempt(make_run(adopting, tags=tag), max_age=timedelta(0))
    assert (told.taken_over, told.sent) == ({}, NAMES[:2])


def test_a_run_whose_plan_is_not_stored_is_no_error(instance, make_run, monkeypatch):
    first = make_run()
    again = make_run(first, is_tagged=False)
    monkeypatch.setattr(instance, "get_execution_plan_snapshot", lambda _: None)
    group = RunGroup.of(instance, again.run_id)
    assert (group.origin, group.steps_of(first.run_id)) == (Origin.EVERYTHING, {})
