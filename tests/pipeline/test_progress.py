"""What a run says while it waits."""

import logging

import pytest

from dagster_dune.api.models import PipelineStatus, QueryExecution
from dagster_dune.catalog.catalog import DuneCatalog, Query
from dagster_dune.catalog.settings.checks import DuneCheck
from dagster_dune.catalog.settings.partitions import Partition
from dagster_dune.pipeline.nodes import PipelinePlan, PlannedNode
from dagster_dune.pipeline.plan import plan_pipeline
from dagster_dune.pipeline.progress import Progress
from dagster_dune.pipeline.settle import Settlement

CATALOG = DuneCatalog(queries=[Query(query_id=number) for number in range(1, 9)])
PLAN = plan_pipeline(CATALOG, {f"query_{number}": f"q{number}" for number in range(1, 9)})


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def watched(caplog):
    """A pipeline, and a function that tells what was said after a status at a time."""
    caplog.set_level(logging.INFO)
    clock, settlement = Clock(), Settlement(PLAN)
    progress = Progress(logging.getLogger("run"), "P1", clock)

    def said(seconds, **words):
        clock.now = 100.0 + seconds
        nodes = [
            {
                "id": node.id,
                "query_execution_status": {"query_id": node.id, "status": words.get(f"q{node.id}", "pending")},
            }
            for node in PLAN.nodes
        ]
        settlement.update(PipelineStatus.model_validate({"status": "executing", "node_executions": nodes}))
        caplog.clear()
        progress.log(settlement)
        return [record.getMessage() for record in caplog.records]

    return said


def test_what_executes_and_what_is_queued_is_said_on_each_change(watched):
    (said,) = watched(0, q1="executing")
    assert said.startswith("Pipeline P1 after 0 s: 0 of 8 nodes ended; executing 1: query_1 (0 s); queued 7: query_2, ")
    assert said.endswith("query_6 and 2 more.")
    assert watched(5, q1="executing") == []
    (said,) = watched(65, q1="completed", q2="executing", q3="executing")
    assert said.startswith(
        "Pipeline P1 after 1 min 5 s: 1 of 8 nodes ended; executing 2: query_2 (0 s), query_3 (0 s); queued 5:"
    )


def test_it_is_said_again_after_a_minute_without_a_change(watched):
    assert len(watched(0, q1="executing")) == 1
    assert watched(59, q1="executing") == []
    (said,) = watched(61, q1="executing")
    assert "after 1 min 1 s" in said
    assert "query_1 (1 min 1 s)" in said
    assert watched(119, q1="executing") == []
    assert len(watched(122, q1="executing")) == 1


def test_nothing_is_said_of_what_has_ended(watched):
    assert watched(0, **{f"q{number}": "completed" for number in range(1, 9)}) == []


def test_objects_go_by_the_names_that_users_know(caplog):
    caplog.set_level(logging.INFO)
    partition = Partition(("2024-01-02",))
    plan = PipelinePlan(
        (
            PlannedNode(1, "query_1", (), QueryExecution(query_id=1)),
            PlannedNode(2, "query_2", (), QueryExecution(query_id=2), partition=partition),
            PlannedNode(3, "query_3", (), QueryExecution(query_id=3)),
            PlannedNode(
                4,
                "query_2",
                (),
                QueryExecution(query_id=4),
                check=DuneCheck(asset="query_2", name="few", kind="gate", query_id=4),
            ),
        )
    )
    names = {"query_1": "dune/pairs_1", "query_2": "dune/daily_2"}
    Progress(logging.getLogger("run"), "P1", Clock(), names).log(Settlement(plan))
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith("queued 4: dune/pairs_1, dune/daily_2 (2024-01-02), query_3, check few of query_2.")
