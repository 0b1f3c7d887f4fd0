"""A process that is forked has the client of its parent, and shares neither connections nor locks with it."""

import multiprocessing

import pytest
from waiting import PATIENCE

from dagster_dune.api.client import DuneApiClient

STATUS = (200, '{"state": "QUERY_STATE_EXECUTING"}')

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]


@pytest.fixture
def client(faulty):
    faulty.replies = [STATUS]
    with DuneApiClient("key", faulty.url, timeout=PATIENCE, max_retries=0) as opened:
        opened.get_execution_status("01J")
        yield opened


def fork(client):
    """Let a forked process send a request."""
    process = multiprocessing.get_context("fork").Process(target=client.get_execution_status, args=["01J"])
    process.start()
    return process


def ended(process):
    process.join(PATIENCE)
    process.kill()
    return process.exitcode


def test_forked_processes_share_no_connection(client, faulty):
    """Each would read what was answered to the other, such as the rows of another result."""
    assert [ended(fork(client)) for _ in range(2)] == [0, 0]
    client.get_execution_status("01J")
    first, *of_children, last = faulty.connections
    assert len({first, *of_children}) == 3
    assert last == first


@pytest.mark.parametrize("held", ["the client", "the budget"])
def test_a_process_that_is_forked_while_a_thread_sends_does_not_wait_for_that(client, held):
    """The thread is not there any more, and would never let go of what it holds."""
    with {"the client": client._lock, "the budget": client.rate_budget._lock}[held]:
        assert ended(fork(client)) == 0
