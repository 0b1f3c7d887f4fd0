"""A job that is tried again through Dagster's Python API alone, as scripts do, in processes of their own."""

import os
from pathlib import Path

import dagster as dg
from sibling_runs import CATALOG

from dagster_dune import DuneResource, build_dune_assets

ASSETS = build_dune_assets(CATALOG)


def make():
    """The job, as each process that executes it asks for it."""
    resource = DuneResource(
        api_key=dg.EnvVar("DUNE_API_KEY"),
        base_url=dg.EnvVar("DUNE_API_BASE_URL"),
        poll_interval=0.02,
        max_poll_interval=0.1,
    )
    definitions = dg.Definitions(
        assets=[ASSETS],
        jobs=[dg.define_asset_job("everything", executor_def=dg.in_process_executor)],
        resources={"dune": resource},
    )
    return definitions.resolve_job_def("everything")


def execute(home, api_key, url, parent=None, strategy=None):
    """Execute the job, or try a run again; return the run's id, whether it succeeded, and what it materialized."""
    os.environ |= {"DUNE_API_KEY": api_key, "DUNE_API_BASE_URL": url}
    job = dg.build_reconstructable_job("reexecuted_job", "make", (), {}, str(Path(__file__).parent))
    with dg.DagsterInstance.from_config(home) as instance:
        options = None
        if strategy == "from failure":
            options = dg.ReexecutionOptions.from_failure(parent, instance)
        elif strategy == "one step":
            options = dg.ReexecutionOptions(parent, step_selection=["dune_assets"])
        elif strategy == "everything":
            options = dg.ReexecutionOptions(parent)
        with dg.execute_job(job, instance, reexecution_options=options, raise_on_error=False) as result:
            keys = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
            return result.run_id, result.success, sorted(keys)
