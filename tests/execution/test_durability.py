"""What a run's next attempt does after every way a run can end badly, with real processes of Dagster."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from databases import EACH_DATABASE, database_of_test
from deployment import ROOT, Deployment
from durable_location import load
from waiting import wait_until

from dagster_dune import DuneApiClient
from dagster_dune._execution.submissions.submission_record import submissions_of
from dagster_dune.emulator.server import DuneEmulator

pytestmark = pytest.mark.processes

LOCATION = ROOT / "tests" / "support" / "locations" / "durable_location.py"
EXECUTE = "/api/v1/pipelines/execute"
PLAIN = ["dune/acme/result_one_100", "dune/acme/result_two_100", "dune/three_102"]
CHECKED = ["dune/acme/result_one_300", "dune/acme/result_two_300", "dune/three_302"]
RETRIED = ["dune/acme/result_one_200", "dune/acme/result_two_200", "dune/three_202"]


@pytest.fixture(scope="module")
def local_dune():
    with DuneEmulator() as dune:
        yield dune


@pytest.fixture(scope="module", params=EACH_DATABASE[:2])
def database(request):
    with database_of_test(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def running(local_dune, database, tmp_path_factory):
    home = tmp_path_factory.mktemp("durable") / "home"
    with Deployment(home, local_dune, ["-f", str(LOCATION)], LOCATION.name, database.storage()) as deployment:
        deployment.start("dagster-daemon", "run")
        deployment.start_webserver()
        yield deployment


@pytest.fixture
def deployment(running, local_dune):
    local_dune.reset()
    load(local_dune)
    return running


@pytest.fixture
def calls(local_dune):
    return lambda: [entry["body"] for entry in local_dune.journal() if entry["path"] == EXECUTE]


@pytest.fixture
def polled(local_dune, deployment):
    """A function that waits until a pipeline is polled from now on: it is submitted and recorded then."""

    def wait():
        before = len(local_dune.journal())
        wait_until(
            lambda: any(
                entry["path"].startswith("/api/v1/pipelines/executions") for entry in local_dune.journal()[before:]
            )
        )

    return wait


@pytest.fixture
def taken_over(deployment):
    """A function that waits until a run has taken over what another attempt has started."""
    return lambda run_id: wait_until(lambda: "Taking over" in deployment.log_of(run_id))


@pytest.fixture
def held(deployment, local_dune):
    """The first node of the plain job and that of the retried one go on when a test says so."""
    local_dune.hold("dune.acme.result_one_100")
    local_dune.hold("dune.acme.result_one_200")


@pytest.fixture
def completed_by(deployment, calls, taken_over, local_dune):
    """A function that tries a run again, lets its pipeline go on once that is taken over, and returns the new run."""

    def complete(run_id, strategy):
        again = deployment.reexecute(run_id, strategy)
        taken_over(again)
        local_dune.release()
        deployment.succeed(again)
        assert deployment.materialized(again) == PLAIN
        assert len(calls()) == 1, deployment.log_of(again)
        return again

    return complete


def started(body):
    return [(node.get("materialized_view_refresh") or node["query_execution"]) for node in body["pipeline"]["nodes"]]


def test_a_killed_step_process_is_followed_up_in_its_run(deployment, calls, polled, held, taken_over, local_dune):
    run_id = deployment.launch(job="retried_job")
    polled()
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    taken_over(run_id)
    local_dune.release()
    deployment.succeed(run_id)
    assert len(calls()) == 1
    assert sorted(set(deployment.materialized(run_id))) == RETRIED
    assert "this run has started it before" in deployment.log_of(run_id)


def test_a_run_from_failure_takes_over_what_a_killed_one_has_started(deployment, polled, held, completed_by):
    run_id = deployment.launch(job="plain_job")
    polled()
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    again = completed_by(run_id, "FROM_FAILURE")
    assert "resumes an earlier one from its failure" in deployment.log_of(again)


def test_from_asset_failure_twice_takes_over_what_has_ended_meanwhile(
    deployment, calls, polled, held, taken_over, local_dune
):
    """Dagster inherits the tag that says so: the second retry looks like everything again."""
    run_id = deployment.launch(job="plain_job")
    polled()
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    again = deployment.reexecute(run_id, "FROM_ASSET_FAILURE")
    taken_over(again)
    os.kill(deployment.step_process(again), signal.SIGKILL)
    assert deployment.finish(again).is_failure
    local_dune.release()
    wait_until(lambda: sum(e["state"] == "QUERY_STATE_COMPLETED" for e in local_dune.executions()) == len(PLAIN))
    last = deployment.succeed(deployment.reexecute(again, "FROM_ASSET_FAILURE"))
    assert deployment.materialized(last.run_id) == PLAIN
    assert len(calls()) == 1, deployment.log_of(last.run_id)


def test_everything_again_takes_over_only_what_still_runs(deployment, calls, polled, held, completed_by):
    run_id = deployment.launch(job="plain_job")
    polled()
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    again = completed_by(run_id, "ALL_STEPS")

    anew = deployment.succeed(deployment.reexecute(again, "ALL_STEPS"))
    assert len(calls()) == 2
    assert "the run that this one repeats succeeded" in deployment.log_of(anew.run_id)


def test_only_what_failed_is_sent_again(deployment, calls, local_dune):
    local_dune.load_query(101, "two", "SELECT CAST('x' AS BIGINT) AS n FROM dune.acme.result_one_100")
    run_id = deployment.launch(job="plain_job")
    assert deployment.finish(run_id).is_failure
    assert deployment.materialized(run_id) == PLAIN[:1]

    local_dune.load_query(101, "two", "SELECT n + 1 AS n FROM dune.acme.result_one_100")
    again = deployment.succeed(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert [len(started(body)) for body in calls()] == [3, 2]
    assert [node["dependencies"] for node in calls()[1]["pipeline"]["nodes"]] == [[], [1]]
    assert deployment.materialized(again.run_id) == PLAIN

    # A sibling of that attempt finds its follow-up, and pays for nothing.
    sibling = deployment.succeed(deployment.reexecute(run_id, "FROM_ASSET_FAILURE"))
    assert deployment.materialized(sibling.run_id) == PLAIN[1:]
    assert len(calls()) == 2


def test_two_retries_at_once_send_what_is_missing_once(deployment, calls, local_dune):
    local_dune.load_query(101, "two", "SELECT CAST('x' AS BIGINT) AS n FROM dune.acme.result_one_100")
    run_id = deployment.launch(job="plain_job")
    assert deployment.finish(run_id).is_failure

    local_dune.load_query(101, "two", "SELECT n + 1 AS n FROM dune.acme.result_one_100")
    with ThreadPoolExecutor() as clicks:
        again = list(clicks.map(lambda _: deployment.reexecute(run_id, "FROM_FAILURE"), range(3)))
    for retry in again:
        deployment.succeed(retry)
        assert deployment.materialized(retry) == PLAIN
    assert [len(started(body)) for body in calls()] == [3, 2]


def test_a_terminated_run_cancels_and_what_was_cancelled_is_sent_again(deployment, calls, polled, held, local_dune):
    run_id = deployment.launch(job="plain_job")
    polled()
    assert deployment.terminate(run_id)
    assert deployment.finish(run_id).status is dg.DagsterRunStatus.CANCELED
    cancelled = [entry for entry in local_dune.journal() if entry["path"].endswith("/cancel")]
    assert cancelled
    with DuneApiClient(local_dune.api_key, local_dune.url) as client:
        status = client.get_pipeline_status(_pipeline(deployment, run_id))
    assert {node.progress.status for node in status.node_executions} <= {
        "QUERY_STATE_CANCELLED", "QUERY_STATE_COMPLETED", "QUERY_STATE_PENDING",
    }  # fmt: skip

    local_dune.release()
    again = deployment.succeed(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert deployment.materialized(again.run_id) == PLAIN
    assert len(calls()) == 2


def test_a_plain_sigterm_cancels_nothing(deployment, calls, polled, held, local_dune):
    run_id = deployment.launch(job="retried_job")
    polled()
    os.kill(deployment.step_process(run_id), signal.SIGTERM)
    local_dune.release()
    run = deployment.finish(run_id)
    assert not any(entry["path"].endswith("/cancel") for entry in local_dune.journal())
    again = run if run.is_success else deployment.finish(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert again.is_success
    assert len(calls()) == 1


def ended(dune):
    """How often each query of a check has ended on Dune, by its id."""
    ids = [
        one["query_id"] for one in dune.executions() if one["state"] in ("QUERY_STATE_COMPLETED", "QUERY_STATE_FAILED")
    ]
    return {id_: ids.count(id_) for id_ in (303, 304)}


def said(deployment, run_id):
    """What each check has said in a run."""
    records = deployment.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records.records]
    return sorted((one.asset_check_key.name, one.passed) for one in found)


def test_a_kill_between_a_checks_answer_and_its_event_pays_for_no_check_twice(deployment, calls, local_dune):
    local_dune.inject("delay", method="GET", path="/api/v1/execution/*/results", seconds=3600)
    run_id = deployment.launch(job="checked_job")
    wait_until(lambda: len(local_dune.executions()) == 5 and ended(local_dune) == {303: 1, 304: 1})
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    assert ("value", True) not in said(deployment, run_id)

    again = deployment.succeed(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert deployment.materialized(again.run_id) == CHECKED
    assert said(deployment, again.run_id) == [("gate", True), ("value", True)]
    assert ended(local_dune) == {303: 1, 304: 1}
    assert len(calls()) == 1


def test_a_terminated_run_cancels_its_checks_and_these_alone_are_sent_again(deployment, calls, local_dune):
    local_dune.hold(303)
    local_dune.hold(304)
    run_id = deployment.launch(job="checked_job")
    local_dune.wait_until_held(303)
    local_dune.wait_until_held(304)
    wait_until(lambda: deployment.materialized(run_id))
    assert deployment.terminate(run_id)
    assert deployment.finish(run_id).status is dg.DagsterRunStatus.CANCELED
    local_dune.release()
    cancelled = {one["query_id"] for one in local_dune.executions() if one["state"] == "QUERY_STATE_CANCELLED"}
    assert cancelled == {303, 304}

    again = deployment.succeed(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert said(deployment, again.run_id) == [("gate", True), ("value", True)]
    assert [len(started(body)) for body in calls()] == [5, 4]


@pytest.mark.parametrize(("word", "requests"), [("resubmit", 2), ("adopt", 1)])
def test_after_a_crash_inside_the_request_the_user_decides(deployment, calls, local_dune, word, requests):
    local_dune.inject("delay", method="POST", path=EXECUTE, seconds=3600, when="after")
    run_id = deployment.launch(job="plain_job")
    wait_until(local_dune.executions)
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure

    refusing = deployment.finish(deployment.reexecute(run_id, "FROM_FAILURE"))
    assert refusing.is_failure
    told = deployment.failure_text(refusing.run_id)
    assert "AmbiguousSubmission" in told
    assert (
        sum(execution["materialized_view"] == "dune.acme.result_one_100" for execution in local_dune.executions()) == 1
    )

    intent = told.split("dagster-dune/resubmit=")[1].rstrip(".")
    found = local_dune.executions()[0]["pipeline_execution_id"]
    tag = {f"dagster-dune/{word}": intent if word == "resubmit" else f"{intent}:{found}"}
    again = deployment.succeed(deployment.reexecute(run_id, "FROM_FAILURE", **tag))
    assert deployment.materialized(again.run_id) == PLAIN
    assert len(calls()) == requests


def test_a_killed_run_worker_leaves_one_submission(deployment, polled, held, completed_by):
    run_id = deployment.launch(job="plain_job")
    polled()
    os.kill(deployment.run_worker(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    completed_by(run_id, "FROM_FAILURE")


@pytest.mark.parametrize("strategy", ["FROM_FAILURE", "ALL_STEPS"])
def test_the_daemons_own_retry_takes_over_what_still_runs(
    deployment, calls, polled, held, taken_over, local_dune, strategy
):
    run_id = deployment.launch(job="plain_job", tags={"dagster/max_retries": "1", "dagster/retry_strategy": strategy})
    polled()
    os.kill(deployment.step_process(run_id), signal.SIGKILL)
    assert deployment.finish(run_id).is_failure
    children = dg.RunsFilter(tags={"dagster/parent_run_id": run_id})
    (child,) = wait_until(lambda: deployment.instance.get_runs(children))
    taken_over(child.run_id)
    local_dune.release()
    deployment.succeed(child.run_id)
    assert deployment.materialized(child.run_id) == PLAIN
    assert len(calls()) == 1


def _pipeline(deployment, run_id):
    instance = deployment.instance
    (submission,) = submissions_of(instance, [instance.get_run_by_id(run_id)], "plain")
    return submission.pipeline_execution_id
