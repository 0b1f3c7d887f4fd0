"""When a pipeline counts as ended: what decides whether everything may be sent again."""

import logging

import pytest

from dagster_dune.api.errors import DuneNotFoundError, DuneServerError
from dagster_dune.api.models import ExecutionStatus, PipelineStatus
from dagster_dune.pipeline.run import Polling, has_ended

GONE = DuneNotFoundError("gone", status=404, method="GET", path="/execution")
AWAY = DuneServerError("away", status=503, method="GET", path="/execution")


class Answers:
    """A client that answers with what a test says; the second node's execution is asked by its id."""

    def __init__(self, pipeline, node, execution):
        self._pipeline, self._node, self._execution = pipeline, node, execution

    def get_pipeline_status(self, _):
        nodes = [
            {"id": 1, "query_execution_status": {"status": "QUERY_STATE_FAILED", "execution_id": "E1"}},
            {"id": 2, "query_execution_status": {"status": self._node, "execution_id": "E2"}},
        ]
        return PipelineStatus.model_validate({"status": self._pipeline, "node_executions": nodes})

    def get_execution_status(self, execution_id):
        assert execution_id == "E2"
        if isinstance(self._execution, Exception):
            raise self._execution
        return ExecutionStatus.model_validate({"execution_id": "E2", "state": self._execution})


@pytest.mark.parametrize(
    ("pipeline", "node", "execution", "ended"),
    [
        ("executing", "QUERY_STATE_EXECUTING", AssertionError(), False),
        ("completed", "QUERY_STATE_COMPLETED", AssertionError(), True),
        ("failed", "QUERY_STATE_EXECUTING", "QUERY_STATE_EXECUTING", False),
        ("failed", "QUERY_STATE_EXECUTING", "QUERY_STATE_COMPLETED", True),
        ("failed", "napping", "QUERY_STATE_EXECUTING", False),
        ("failed", "QUERY_STATE_PENDING", "QUERY_STATE_PENDING", False),
        ("failed", "QUERY_STATE_PENDING", "QUERY_STATE_EXECUTING", False),
        ("failed", "QUERY_STATE_PENDING", "QUERY_STATE_FAILED", True),
        ("failed", "QUERY_STATE_PENDING", GONE, True),
        ("failed", "queued", AWAY, False),
        ("failed", "skipped", "QUERY_STATE_PENDING", False),
        ("failed", None, "QUERY_STATE_PENDING", False),
        ("completed", "QUERY_STATE_PENDING", "QUERY_STATE_EXECUTING", False),
        ("failed", "QUERY_STATE_CANCELLED", AssertionError(), True),
        ("failed", "QUERY_STATE_EXECUTING", GONE, True),
        ("failed", "QUERY_STATE_EXECUTING", AWAY, False),
    ],
    ids=str,
)
def test_a_pipeline_has_ended_when_none_of_its_executions_runs_or_is_queued(pipeline, node, execution, ended):
    client = Answers(pipeline, node, execution)
    assert has_ended(client, "P1", polling=Polling(), log=logging.getLogger(__name__)) is ended
