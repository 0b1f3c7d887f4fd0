"""Several retries of one run at the same time, in processes of their own: what is missing is sent, and paid, once."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import dagster as dg
import pytest
import sibling_runs
from sibling_runs import ONE
from waiting import wait_until

pytestmark = pytest.mark.processes

RESUMED = {"dagster/is_resume_retry": "true"}


@pytest.fixture(scope="module")
def hands():
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        yield pool


def load(dune):
    dune.load_query(1, "one", "SELECT 1 AS n")
    dune.load_materialized_view(ONE, 1)
    dune.load_query(2, "two", f"SELECT n FROM {ONE}")
    return dune


@pytest.fixture
def account(dune):
    return load(dune)


@pytest.fixture
def start(account, home, hands):
    """A function that starts runs at once, and returns their futures."""

    def submit(count=1, tags=None):
        return [hands.submit(sibling_runs.run, home, account.api_key, account.url, tags or {}) for _ in range(count)]

    return submit


def results(started):
    return [run.result() for run in started]


def sibling_of(parent, **tags):
    return {"dagster/root_run_id": parent, "dagster/parent_run_id": parent, **tags}


def completed(dune):
    """How often each object was executed well."""
    done = [execution for execution in dune.executions() if execution["state"] == "QUERY_STATE_COMPLETED"]
    return Counter(execution["materialized_view"] or f"query_{execution['query_id']}" for execution in done)


def test_resuming_siblings_complete_what_is_missing_once(account, start):
    account.load_query(2, "two", f"SELECT CAST('x' AS BIGINT) AS n FROM {ONE}")
    ((parent, succeeded, _),) = results(start())
    assert not succeeded
    account.load_query(2, "two", f"SELECT n FROM {ONE}")
    told = results(start(3, sibling_of(parent, **RESUMED)))
    assert [(succeeded, count) for _, succeeded, count in told] == [(True, 2)] * 3
    assert completed(account) == {ONE: 1, "query_2": 1}


def test_siblings_that_repeat_everything_at_once_share_one_pipeline(account, start, home, calls):
    ((parent, succeeded, _),) = results(start())
    assert succeeded
    account.hold(ONE)
    retries = start(2, sibling_of(parent))
    with dg.DagsterInstance.from_config(home) as instance:
        wait_until(lambda: any("Taking over" in line for line in lines(instance)))
    account.release()
    assert all(succeeded for _, succeeded, _ in results(retries))
    assert len(calls()) == 2
    assert completed(account) == {ONE: 2, "query_2": 2}


def lines(instance):
    for run in instance.get_runs():
        for record in instance.get_records_for_run(run.run_id).records:
            yield record.event_log_entry.user_message


def test_siblings_at_once_complete_two_definitions_of_the_same_objects_once_each(account, two_workers, home, hands):
    """The first run has sent nothing of the second definition, whose account knows nothing of the first one's."""
    other = load(two_workers)
    accounts = [(dune.api_key, dune.url) for dune in (account, other)]
    account.load_query(2, "two", f"SELECT CAST('x' AS BIGINT) AS n FROM {ONE}")
    parent, succeeded, _ = hands.submit(sibling_runs.run_of_teams, home, accounts, {}).result()
    assert not succeeded
    assert not other.executions()
    account.load_query(2, "two", f"SELECT n FROM {ONE}")
    tags = sibling_of(parent, **RESUMED)
    told = results([hands.submit(sibling_runs.run_of_teams, home, accounts, tags) for _ in range(3)])
    assert [(succeeded, count) for _, succeeded, count in told] == [(True, 4)] * 3
    assert [completed(dune) for dune in (account, other)] == [{ONE: 1, "query_2": 1}] * 2


def test_what_fails_again_is_not_sent_once_more_by_the_second_click(account, start, calls):
    account.load_query(2, "two", f"SELECT CAST('x' AS BIGINT) AS n FROM {ONE}")
    ((parent, _, _),) = results(start())
    account.hold(2)
    retries = start(2, sibling_of(parent, **RESUMED))
    account.wait_until_held(2)
    account.release()
    assert not any(succeeded for _, succeeded, _ in results(retries))
    assert completed(account) == {ONE: 1}
    assert len(calls()) in (2, 3)  # the second click may have come after the first had ended
