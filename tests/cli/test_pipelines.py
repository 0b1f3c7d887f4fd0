"""``dagster-dune status`` and ``dagster-dune cancel``."""

import json

import dagster as dg
import pytest
from typer.testing import CliRunner

from dagster_dune import DuneApiClient, DuneCatalog, DuneResource, MaterializedView, Query, build_dune_assets
from dagster_dune.cli import app
from dagster_dune.emulator.server import DuneEmulator
from dagster_dune.pipeline.plan import plan_pipeline

FIRST = "dune.acme.result_first"
CATALOG = DuneCatalog(
    materialized_views=[MaterializedView(name=FIRST, query_id=1)], queries=[Query(query_id=2, deps=[FIRST])]
)


@pytest.fixture
def endless_dune():
    with DuneEmulator(execution_seconds=600) as dune:
        dune.load_query(1, "first", "SELECT 1 AS n")
        dune.load_query(2, "second", f"SELECT n FROM {FIRST}")
        dune.load_materialized_view(FIRST, 1)
        yield dune


@pytest.fixture
def invoke(endless_dune, monkeypatch):
    monkeypatch.setenv("DUNE_API_KEY", endless_dune.api_key)
    monkeypatch.setenv("DUNE_API_BASE_URL", endless_dune.url)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return lambda *words: CliRunner().invoke(app, words)


@pytest.fixture
def stalled_run(endless_dune, tmp_path, monkeypatch):
    """A run that has given up on its pipeline, which runs on."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    resource = DuneResource(
        api_key=endless_dune.api_key, base_url=endless_dune.url, poll_interval=0.05, stall_timeout=0.2
    )
    with dg.DagsterInstance.get() as instance:
        result = dg.materialize(
            [build_dune_assets(CATALOG)], resources={"dune": resource}, instance=instance, raise_on_error=False
        )
    assert not result.success
    return result


def states(dune):
    return [execution["state"] for execution in dune.executions()]


def test_a_pipeline_is_shown_and_cancelled(endless_dune, invoke):
    with DuneApiClient(endless_dune.api_key, endless_dune.url) as client:
        plan = plan_pipeline(CATALOG, {FIRST: "a", "query_2": "b"})
        pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    shown = invoke("status", pipeline)
    assert shown.exit_code == 0, shown.output
    assert FIRST in shown.output
    assert "query_2" in shown.output
    (execution,) = endless_dune.executions()
    first = {"status": "QUERY_STATE_EXECUTING", "execution_id": execution["execution_id"], "error": None}
    second = {"status": "QUERY_STATE_PENDING", "execution_id": None, "error": None}
    assert json.loads(invoke("status", "--json", pipeline).stdout) == {
        "pipeline": pipeline,
        "status": "executing",
        "error": None,
        "nodes": [
            {"id": 1, "name": FIRST, **first},
            {"id": 2, "name": "query_2", **second},
        ],
    }
    cancelled = invoke("cancel", pipeline)
    assert cancelled.exit_code == 0, cancelled.output
    assert states(endless_dune) == ["QUERY_STATE_CANCELLED"]


def test_what_dune_does_not_list_at_first_is_no_reason_to_say_that_nothing_runs(endless_dune, invoke):
    with DuneApiClient(endless_dune.api_key, endless_dune.url) as client:
        plan = plan_pipeline(CATALOG, {FIRST: "a", "query_2": "b"})
        pipeline = client.execute_pipeline(plan.to_wire()).pipeline_execution_id
    endless_dune.inject("null_nodes", path="/api/v1/pipelines/executions/*/status", times=1)
    cancelled = invoke("cancel", pipeline)
    assert cancelled.exit_code == 1, cancelled.output
    assert f"These may still run, and cost: {FIRST} in {pipeline}, query_2 in {pipeline}" in cancelled.output


def test_a_run_needs_an_instance(invoke):
    without_home = invoke("cancel", "00000000-0000-4000-8000-000000000000")
    assert without_home.exit_code == 1
    assert "DAGSTER_HOME is not set" in without_home.output


def test_a_run_is_found_in_its_instance(endless_dune, stalled_run, invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    cancelled = invoke("cancel", stalled_run.run_id)
    assert cancelled.exit_code == 0, cancelled.output
    assert states(endless_dune) == ["QUERY_STATE_CANCELLED"]
    unknown = invoke("cancel", "00000000-0000-4000-8000-000000000000")
    assert unknown.exit_code == 1
    assert "does not know the run" in unknown.output


def test_a_pipeline_that_dune_does_not_know_is_told(invoke):
    unknown = invoke("status", "01J00000000000000000000000")
    assert unknown.exit_code == 1
    assert "404" in unknown.output


def test_a_run_that_has_sent_nothing(invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.get() as instance:
        run = dg.materialize([dg.asset(name="plain")(lambda: None)], instance=instance)
    done = invoke("cancel", run.run_id)
    assert done.exit_code == 1
    assert f"Run {run.run_id} has started no pipeline. A retry may have taken another run's over" in done.output


@pytest.mark.parametrize(
    ("home", "words"),
    [("", "DAGSTER_HOME is not set"), ("here", "must be an absolute path"), ("/no/such/folder", "does not exist")],
)
def test_a_home_that_is_none_is_told(invoke, monkeypatch, home, words):
    monkeypatch.setenv("DAGSTER_HOME", home)
    done = invoke("cancel", "00000000-0000-4000-8000-000000000000")
    assert done.exit_code == 1
    assert words in done.output
    assert (
        "Set DAGSTER_HOME to the folder of the instance that has the run, or give the id of a pipeline." in done.output
    )


def test_an_instance_that_cannot_be_read_is_told(invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("storage: [")
    done = invoke("cancel", "00000000-0000-4000-8000-000000000000")
    assert done.exit_code == 1
    assert f"The Dagster instance of DAGSTER_HOME={tmp_path} cannot be opened: " in done.output
