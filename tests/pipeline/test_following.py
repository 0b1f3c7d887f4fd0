"""A pipeline that is followed while Dune forgets it for a moment."""

import logging

import pytest

from dagster_dune import DuneCatalog, Query
from dagster_dune.api.errors import DuneNotFoundError, DuneServerError
from dagster_dune.api.models import PipelineStatus
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.run import Polling, follow

PLAN = plan_pipeline(DuneCatalog(queries=[Query(query_id=1)]), {"query_1": "a"})
UNKNOWN = DuneNotFoundError("Pipeline not found", status=404, method="GET", path="/status")
AWAY = DuneServerError("away", status=503, method="GET", path="/status")


class Answers:
    """A client whose answers take a minute each."""

    def __init__(self, *answers):
        self.now = 0.0
        self._left = list(answers)

    def clock(self):
        return self.now

    def get_pipeline_status(self, _):
        self.now += 60
        answer = self._left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        node = {"id": 1, "query_execution_status": {"query_id": 1, "status": answer, "execution_id": "E1"}}
        return PipelineStatus.model_validate({"status": answer, "node_executions": [node]})


def outcomes(client):
    followed = follow(
        client,
        PLAN,
        "P1",
        polling=Polling(),
        log=logging.getLogger(__name__),
        clock=client.clock,
        sleep=lambda _: None,
    )
    return [outcome.execution_id for some in followed for outcome in some]


@pytest.mark.parametrize("before", [[], ["executing"], ["executing", UNKNOWN, "executing"], [AWAY]], ids=str)
def test_one_answer_that_dune_does_not_know_it_is_borne_whenever_it_comes(before):
    assert outcomes(Answers(*before, UNKNOWN, "completed")) == ["E1"]


def test_a_pipeline_that_dune_does_not_know_any_more_is_not():
    with pytest.raises(DuneNotFoundError):
        outcomes(Answers("executing", UNKNOWN, UNKNOWN, "completed"))
