"""The example project where users run it: webserver, daemon, SQLite on disk, multiprocess executor."""

import pytest
from dagster import DagsterRunStatus, RunsFilter
from deployment import ROOT, Deployment
from stored_files import files_with, stored_files
from waiting import wait_until

from dune_project.definitions import CATALOG, daily_dune, defs

SPECS = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
NAMES = {key: spec.metadata.get("dagster-dune/name") for key, spec in SPECS.items()}
DAILY = daily_dune.selection.resolve(defs.resolve_asset_graph())
ALL = {key.to_user_string() for key in DAILY}


def target(node):
    """What a node of a request runs, by its SQL name."""
    kind = node.get("materialized_view_refresh") or node["query_execution"]
    return kind.get("name") or f"query_{kind['query_id']}"


def edges(body):
    """The nodes of a request by SQL name, each with the names that it depends on."""
    names = {node["id"]: target(node) for node in body["pipeline"]["nodes"]}
    return {target(node): {names[up] for up in node["dependencies"]} for node in body["pipeline"]["nodes"]}


def graph_edges():
    """The asset graph's edges between Dune assets, by SQL name, with checks, and what waits for gates."""
    edges = {
        NAMES[key]: {NAMES[dep.asset_key] for dep in spec.deps if NAMES.get(dep.asset_key) in CATALOG}
        for key, spec in SPECS.items()
        if NAMES[key] in CATALOG and key in DAILY
    }
    for check in CATALOG.checks:
        if check.is_gate:
            edges = {
                name: reads | ({check.sql_name} if check.asset in reads else set()) for name, reads in edges.items()
            }
    return edges | {check.sql_name: {check.asset} for check in CATALOG.checks if check.sql_name}


def test_the_example_has_a_check_of_each_sort():
    kinds = {check.kind for check in CATALOG.checks}
    assert kinds >= {"rows", "value", "gate"}
    assert any(check.sql_name is None for check in CATALOG.checks)


def steps(deployment, run_id):
    return {stats.step_key for stats in deployment.instance.get_run_step_stats(run_id)}


@pytest.mark.processes
def test_runs_from_the_webserver_are_one_call_each_of_what_was_selected(project, calls, dune):
    everything = project.finish(project.launch(job="daily_dune"))
    assert everything.is_success
    (body,) = calls()
    assert edges(body) == graph_edges()
    assert set(project.materialized(everything.run_id)) == ALL
    assert steps(project, everything.run_id) == {"dune_assets", "weekly_report"}

    upstream, query = ("dune", "acme", "result_traders_daily"), ("dune", "chain_overview_4100033")
    subset = project.finish(project.launch(query, upstream))
    assert subset.is_success
    _, body = calls()
    assert edges(body) == {
        "dune.acme.result_traders_daily": set(),
        "query_4100033": {"dune.acme.result_traders_daily"},
    }
    assert project.materialized(subset.run_id) == ["/".join(upstream), "/".join(query)]
    charged = [entry["path"] for entry in dune.journal() if entry["path"].endswith(("/execute", "/refresh"))]
    assert charged == ["/api/v1/pipelines/execute"] * 2

    assert_key_is_nowhere(project, dune)


@pytest.mark.processes
def test_the_scheduled_job_ticked_by_the_daemon_is_one_call(dune, calls, tmp_path, load_project):
    location = ROOT / "tests" / "support" / "locations" / "scheduled_location.py"
    load_project(dune)
    with Deployment(tmp_path / "home", dune, ["-f", str(location)], location.name) as deployment:
        deployment.start("dagster-daemon", "run")
        ended = RunsFilter(statuses=[DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE])
        wait_until(lambda: deployment.instance.get_runs(ended))
        run = deployment.instance.get_runs()[-1]
        assert run.is_success
        assert run.tags["dagster/schedule_name"] == "every_minute"
        assert 1 <= len(calls()) <= len(deployment.instance.get_runs()), "runs of later minutes may not have called yet"
        assert edges(calls()[0]) == graph_edges()
        assert set(deployment.materialized(run.run_id)) == ALL
        assert_key_is_nowhere(deployment, dune)


def assert_key_is_nowhere(deployment, dune):
    """The API key is in no file of DAGSTER_HOME, and in no line of the journal."""
    assert any(path.suffix == ".db" for path, _ in stored_files(deployment.home))
    assert files_with(dune.api_key, deployment.home) == []
    assert dune.api_key not in str(dune.journal())
