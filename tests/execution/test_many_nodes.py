"""Whole runs of 1,500 nodes, on each storage: one request, everything told, and nothing sent by the retry."""

import os

import dagster as dg
import pytest
from databases import EACH_DATABASE, database_of_test, instance_of

from dagster_dune import DuneCatalog, Query, QueryPartitions, build_dune_assets
from dagster_dune._execution.submissions.submission import State
from dagster_dune._execution.submissions.submission_record import submissions_of

COUNT = 1500
DAYS = QueryPartitions(kind="daily", start="2020-01-01", end="2025-01-01", parameters={"day": "{partition_key}"})
RANGE = {"dagster/asset_partition_range_start": "2020-01-01", "dagster/asset_partition_range_end": "2024-02-08"}
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


pytestmark = pytest.mark.skipif(
    not os.environ.get("DAGSTER_DUNE_SIZE"),
    reason="takes minutes, nearly all of them Dagster's own; DAGSTER_DUNE_SIZE=1 runs it, as each night does",
)


@pytest.fixture(params=EACH_DATABASE[:2])
def stored(request, tmp_path):
    with (
        database_of_test(request.param) as server,
        instance_of(server, tmp_path / "home") as instance,
    ):
        yield instance


@pytest.fixture
def run(stored, resource_with):
    """A function that materializes everything, or tries a run again from failure."""
    resource = resource_with(details=False, poll_interval=0.5, max_poll_interval=2)

    def materialize(assets, parent=None, **options):
        tags = options.pop("tags", {})
        if parent:
            tags = tags | {"dagster/root_run_id": parent, "dagster/parent_run_id": parent}
            tags["dagster/is_resume_retry"] = "true"
        return dg.materialize(
            [assets],
            resources={"dune": resource},
            instance=stored,
            raise_on_error=False,
            tags=tags,
            run_config=QUIET,
            **options,
        )

    return materialize


def nodes(body):
    return body["pipeline"]["nodes"]


def test_a_range_of_1500_days(dune, stored, run, calls):
    day = {"key": "day", "type": "text", "value": "2020-01-01"}
    broken = "SELECT IF('{{day}}' = '2024-02-08', CAST('x' AS BIGINT), 1) AS n"
    dune.load_query(1, "each", broken, parameters=[day])
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=1, partitions=DAYS)]))
    failed = run(assets, tags=RANGE)
    assert not failed.success
    assert [len(nodes(body)) for body in calls()] == [COUNT]

    dune.load_query(1, "each", "SELECT '{{day}}' AS day", parameters=[day])
    again = run(assets, failed.run_id, tags=RANGE)
    assert again.success
    assert [len(nodes(body)) for body in calls()] == [COUNT, 1]
    for result, count in ((failed, COUNT), (again, 1)):
        (submission,) = submissions_of(stored, [stored.get_run_by_id(result.run_id)], "dune_assets")
        assert (submission.state, len(submission.node_ids)) == (State.ANSWERED, count)


def test_1500_assets(dune, stored, run, calls):
    for number in range(1, COUNT + 1):
        dune.load_query(number, f"query {number}", "SELECT 1 AS n")
    assets = build_dune_assets(DuneCatalog(queries=[Query(query_id=number) for number in range(1, COUNT + 1)]))
    result = run(assets)
    assert result.success
    assert [len(nodes(body)) for body in calls()] == [COUNT]
    assert len(result.get_asset_materialization_events()) == COUNT
    assert len(dune.executions()) == COUNT
    (submission,) = submissions_of(stored, [stored.get_run_by_id(result.run_id)], "dune_assets")
    assert len(submission.node_ids) == COUNT
