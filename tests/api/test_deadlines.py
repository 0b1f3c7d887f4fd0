"""How long a request may take: all of its answer, all of its repetitions."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from odd_server import Odd
from waiting import PATIENCE

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.deadline import deadline
from dagster_dune.api.errors import AmbiguousSubmission, DuneConnectionError, DuneRateLimitError
from dagster_dune.api.models import QueryExecution
from dagster_dune.errors import DunePipelineError, DunePipelineTimeout
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.run import Polling, follow

DRIP = Odd(b" " * 10_000_000, drip=0.01)
DAY = 86_400
"""The clients' own time; a drip would take longer still. So a test that ends shows that the deadline has ended it."""


@pytest.fixture
def patient(odd):
    with DuneApiClient("a-key", odd.url, timeout=DAY, max_retries=5) as opened:
        yield opened


def test_a_deadline_ends_an_answer_that_drips(odd, patient):
    odd.answer = DRIP
    with deadline(0.5), pytest.raises(DuneConnectionError, match="no whole answer within"):
        patient.get_query(1)


def test_a_deadline_ends_the_repetitions(odd, patient):
    odd.answer = Odd(b'{"error": "slow"}', head=b"HTTP/1.1 429 Too Many", headers={"Retry-After": "300"})
    with deadline(200), pytest.raises(DuneRateLimitError) as caught:
        patient.get_query(1)
    assert caught.value.retry_after == 300
    assert len(odd.settled_requests()) == 1


def test_after_a_deadline_nothing_is_sent(odd, patient):
    with deadline(0), pytest.raises(DuneConnectionError) as caught:
        patient.execute_sql("SELECT 1")
    assert not caught.value.was_sent
    assert odd.settled_requests() == []


@pytest.mark.parametrize(
    ("polling", "kind"),
    [(Polling(interval=0, timeout=1), DunePipelineTimeout), (Polling(interval=0, stall_timeout=1), DunePipelineError)],
)
def test_a_status_that_drips_ends_with_the_run(odd, patient, polling, kind):
    odd.answer = DRIP
    node = PlannedNode(1, "query_1", (), QueryExecution(query_id=1))
    with pytest.raises(kind):
        list(follow(patient, PipelinePlan((node,)), "x", polling=polling, log=logging.getLogger("test")))


def test_an_insert_may_be_worked_on_for_longer_than_the_timeout(faulty, tmp_path, monkeypatch):
    """All that was granted is waited for, whatever the timeout of other requests, and no longer than a deadline."""
    asked = threading.Event()
    answer = threading.Event()

    def reply(request):
        asked.set()
        answer.wait(PATIENCE)
        return 200, '{"rows_written": 1}'

    faulty.replies = reply
    rows = tmp_path / "rows.csv"
    rows.write_text("n\n1\n")
    with DuneApiClient("key", faulty.url, timeout=0.2, max_retries=0) as client, ThreadPoolExecutor() as threads:
        inserted = threads.submit(client.insert_rows, "acme", "t", rows)
        assert asked.wait(PATIENCE)
        with pytest.raises(DuneConnectionError, match="no whole answer within"):
            client.whoami()  # it has the timeout of any request
        assert not inserted.done()
        answer.set()
        assert inserted.result(PATIENCE).rows_written == 1
        answer.clear()
        with deadline(0.3), pytest.raises(AmbiguousSubmission, match="no whole answer within"):
            client.insert_rows("acme", "t", rows)
        answer.set()
