"""The record of what was sent, on each kind of storage."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from databases import EACH_DATABASE, database_of_test, instance_of
from waiting import PATIENCE

from dagster_dune import DuneCatalog, Query
from dagster_dune._execution.submissions import submission_record
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord, acknowledged, submissions_of
from dagster_dune.pipeline.plan import plan_pipeline

PLAN = plan_pipeline(DuneCatalog(queries=[Query(query_id=1)]), {"query_1": "a"})


def plan_of(count):
    return plan_pipeline(
        DuneCatalog(queries=[Query(query_id=number) for number in range(1, count + 1)]),
        {f"query_{number}": f"{number:05}" for number in range(1, count + 1)},
    )


@pytest.fixture(scope="module", params=EACH_DATABASE)
def database(request):
    with database_of_test(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def stored(database, tmp_path_factory):
    with instance_of(database, tmp_path_factory.mktemp("home")) as instance:
        yield instance


def test_1500_nodes_fit_and_leave_nothing_in_the_tags(stored, job):
    run = stored.create_run_for_job(job)
    plan = plan_of(1500)
    record = SubmissionRecord(stored, run, "dune_assets")
    assert record.intend(plan, after=["earlier"])
    (open_,) = submissions_of(stored, [run], "dune_assets")
    assert (open_.state, open_.after) == (State.INTENDED, {"earlier"})
    assert record.close(State.ANSWERED, "P1")
    (answered,) = submissions_of(stored, [run], "dune_assets")
    assert (answered.state, answered.pipeline_execution_id) == (State.ANSWERED, "P1")
    assert answered.node_ids == {node.digest: node.id for node in plan.nodes}
    assert stored.get_run_by_id(run.run_id).tags == run.tags
    events = stored.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    assert [event.event_log_entry.user_message for event in events] == ["", ""]
    lines = [event.event_log_entry.message for event in events]
    assert all(len(line) < 100 for line in lines)


def test_more_nodes_than_an_event_holds_are_put_together(stored, job, monkeypatch):
    monkeypatch.setattr(submission_record, "NODES_AN_EVENT", 7)
    run = stored.create_run_for_job(job)
    plan = plan_of(30)
    assert SubmissionRecord(stored, run, "dune_assets").intend(plan)
    (submission,) = submissions_of(stored, [run], "dune_assets")
    assert submission.node_ids == {node.digest: node.id for node in plan.nodes}


def test_the_step_that_sends_is_kept(instance, job):
    run = instance.create_run_for_job(job)
    assert SubmissionRecord(instance, run, "dune_assets", "dune_assets_2").intend(PLAN)
    (submission,) = submissions_of(instance, [run])
    assert submission.step_key == "dune_assets_2"


TIERS = ("large", None, "medium", "a_tier_of_tomorrow", "large")


def test_the_tier_of_each_node_is_kept(instance, job, monkeypatch):
    monkeypatch.setattr(submission_record, "NODES_AN_EVENT", 2)
    run = instance.create_run_for_job(job)
    queries = [Query(query_id=number, performance=tier) for number, tier in enumerate(TIERS, start=1)]
    plan = plan_pipeline(DuneCatalog(queries=queries), {query.sql_name: query.sql_name for query in queries})
    assert SubmissionRecord(instance, run, "dune_assets").intend(plan)
    (submission,) = submissions_of(instance, [run], "dune_assets")
    assert submission.tiers == {
        node.digest: tier for node, tier in zip(plan.nodes, TIERS, strict=True) if tier is not None
    }


def test_a_full_event_stays_below_64_kb(instance, job):
    run = instance.create_run_for_job(job)
    plan = plan_of(submission_record.NODES_AN_EVENT)
    late = plan.renumbered({node.id: 90_000 + node.id for node in plan.nodes}).on_tiers(
        dict.fromkeys(plan.digests, "medium")
    )
    assert SubmissionRecord(instance, run, "dune_assets").intend(late)
    (stored,) = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    assert len(dg.serialize_value(stored.event_log_entry)) < 64_000


@pytest.fixture
def without_tiers(instance, job):
    """A run with the record of a version that did not keep tiers."""
    run = instance.create_run_for_job(job)
    for word in json.loads(Path(__file__).with_name("record_without_tiers.json").read_text()):
        event = dg.DagsterEvent(
            "ENGINE_EVENT",
            run.job_name,
            logging_tags={"dagster-dune/submission": json.dumps(word)},
            event_specific_data=dg.deserialize_value(submission_record._NO_ENGINE_DATA),
        )
        instance.report_dagster_event(event, run.run_id)
    return run


def test_a_record_without_tiers_is_read(instance, without_tiers):
    plan = plan_pipeline(
        DuneCatalog(queries=[Query(query_id=1, performance="large"), Query(query_id=2, deps=["query_1"])]),
        {"query_1": "a", "query_2": "b"},
    )
    (submission,) = submissions_of(instance, [without_tiers], "dune_assets")
    assert (submission.state, submission.pipeline_execution_id) == (State.ANSWERED, "01J8PIPELINE")
    assert submission.node_ids == {node.digest: node.id for node in plan.nodes}
    assert submission.tiers == {}
    assert submission.step_key is None
    assert [node.target.performance for node in plan.on_tiers(submission.tiers).nodes] == [None, None]


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import dagster as dg
sys.path[:0] = [{support!r}]
from dagster_dune import DuneCatalog, Query
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import SubmissionRecord
from dagster_dune.pipeline.plan import plan_pipeline

plan = plan_pipeline(DuneCatalog(queries=[Query(query_id=1)]), {{"query_1": "a"}})
home, run_id, first = sys.argv[1:]
with dg.DagsterInstance.from_config(home) as instance:
    run = instance.get_run_by_id(run_id)

    def write(number):
        for nth in range(5):
            record = SubmissionRecord(instance, run, f"definition_{{number}}")
            assert record.intend(plan)
            assert record.close(State.ANSWERED, f"P{{nth}}")

    with ThreadPoolExecutor(10) as writers:
        list(writers.map(write, range(int(first), int(first) + 10)))
"""


@pytest.mark.processes
def test_twenty_definitions_and_200_writes_at_once_lose_nothing(stored, job, tmp_path):
    """Two processes, each with ten definitions that write five intents and five answers."""
    run = stored.create_run_for_job(job)
    program = tmp_path / "writer.py"
    program.write_text(WRITER.format(support=str(Path(__file__).parents[1] / "support")))
    home = stored.root_directory.removesuffix("/storage")
    writers = [
        subprocess.Popen([sys.executable, program, home, run.run_id, str(first)], stderr=subprocess.PIPE)
        for first in (0, 10)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=PATIENCE)
        assert writer.returncode == 0, errors.decode()
    for number in range(20):
        written = submissions_of(stored, [run], f"definition_{number}")
        assert sorted(submission.pipeline_execution_id for submission in written) == ["P0", "P1", "P2", "P3", "P4"]


def test_tags_that_others_write_at_the_same_time_lose_nothing(stored, job):
    run = stored.create_run_for_job(job)

    def write(number):
        if number % 2:
            record = SubmissionRecord(stored, run, f"definition_{number}")
            assert record.intend(PLAN)
            assert record.close(State.ANSWERED, f"P{number}")
        else:
            acknowledged(lambda: stored.add_run_tags(run.run_id, {f"tag_{number}": "x"}))

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(40)))
    for number in range(1, 40, 2):
        (submission,) = submissions_of(stored, [run], f"definition_{number}")
        assert submission.state is State.ANSWERED


def test_only_the_writers_own_log_closes_an_intent(instance, job):
    first, second = (instance.create_run_for_job(job) for _ in range(2))
    record, other = (SubmissionRecord(instance, run, "dune_assets") for run in (first, second))
    assert record.intend(PLAN)
    other.id = record.id
    assert other.close(State.WITHDRAWN)
    (submission,) = submissions_of(instance, [first, second], "dune_assets")
    assert submission.state is State.INTENDED


def test_a_write_that_fails_once_is_repeated():
    failures = [OSError("locked"), OSError("locked")]

    def write():
        if failures:
            raise failures.pop()

    assert acknowledged(write)


def test_a_write_that_fails_for_ever_is_not_acknowledged(monkeypatch):
    monkeypatch.setattr(submission_record, "WRITE_SECONDS", 0.3)

    def write():
        raise OSError("disk full")

    assert not acknowledged(write)


def test_the_record_is_plain_json_that_names_its_definition(instance, job):
    run = instance.create_run_for_job(job)
    assert SubmissionRecord(instance, run, "dune_assets").intend(PLAN)
    (stored,) = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    word = json.loads(stored.event_log_entry.dagster_event.logging_tags["dagster-dune/submission"])
    assert (word["definition"], word["word"], word["nodes"]) == ("dune_assets", "intent", PLAN.nodes[0].digest)
