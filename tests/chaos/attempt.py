"""One attempt of a chaos batch: a job is launched, or a run tried again, in a process of its own.

The processes are those that Dagster makes too: a run worker, and one a step, which can be killed apart.
"""

import json
import sys
from pathlib import Path

import dagster as dg

HERE = Path(__file__).parent
REQUEST_TAG = "chaos/request"
RETRY_NUMBER = "dagster/retry_number"
ROOT, PARENT = "dagster/root_run_id", "dagster/parent_run_id"
RESUMED, ASSET_RESUMED = "dagster/is_resume_retry", "dagster/is_asset_resume_retry"


def main():
    """Carry out the request that is given as JSON."""
    with dg.DagsterInstance.get() as instance:
        _execute(instance, **json.loads(sys.argv[1]))


def _execute(instance, id, job, tags, parent, strategy, is_tagged, is_automatic, assets):  # noqa: A002
    """Launch a job; or try a run again, with the tags that Dagster sets, or with the fields alone."""
    recon = dg.build_reconstructable_job("location", "job_named", (job,), {}, str(HERE))
    tags = {**tags, REQUEST_TAG: id}
    if strategy is None:
        dg.execute_job(recon, instance, tags=tags)
        return
    run = instance.get_run_by_id(parent)
    if is_automatic:
        tags[RETRY_NUMBER] = str(int(run.tags.get(RETRY_NUMBER, 0)) + 1)
    inherited = {key: value for key, value in run.tags.items() if key != RESUMED}
    related = {ROOT: run.root_run_id or run.tags.get(ROOT, parent), PARENT: parent}
    if strategy == "FROM_ASSET_FAILURE":
        assets, checks = _missing(instance, run)
        if assets or checks:
            tags = {**inherited, **related, ASSET_RESUMED: "true", **tags}
            dg.execute_job(_selecting(instance, recon, assets, checks), instance, tags=tags)
        return
    if assets:
        selected = frozenset(dg.AssetKey(["dune", *name.removeprefix("dune.").split(".")]) for name in assets)
        recon = _selecting(instance, recon, selected, frozenset())
        dg.execute_job(recon, instance, tags={**inherited, **related, **tags})
        return
    if run.asset_selection is not None:
        recon = _selecting(instance, recon, run.asset_selection, run.asset_check_selection)
    if is_tagged:
        tags = {**inherited, **related, **({RESUMED: "true"} if strategy == "FROM_FAILURE" else {}), **tags}
    else:
        tags = {**{key: value for key, value in inherited.items() if "partition" in key}, **tags}
    again = dg.ReexecutionOptions(parent)
    if strategy == "FROM_FAILURE":
        if not _unfinished(instance, run):
            return
        again = dg.ReexecutionOptions.from_failure(parent, instance)
    dg.execute_job(recon, instance, tags=tags, reexecution_options=again)


def _selecting(instance, recon, assets, checks):
    """A job of some assets and checks. `execute_job` takes no checks: the run is stored with them as the UI does."""
    add_run = instance.run_storage.add_run

    def add(run):
        return add_run(run._replace(asset_selection=assets, asset_check_selection=checks))

    instance.run_storage.add_run = add
    return recon.get_subset(asset_selection=assets, asset_check_selection=checks)


def _unfinished(instance, run):
    """The steps that Dagster selects for a run from failure: those that failed, were interrupted or never begun."""
    done = (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_SKIPPED)
    records = [record for kind in done for record in instance.get_records_for_run(run.run_id, of_type=kind).records]
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    return set(plan.step_keys_to_execute) - {record.event_log_entry.step_key for record in records}


def _missing(instance, run):
    """What Dagster selects for a run from asset failure: what has no event, and assets whose blocking check failed."""

    def events(kind):
        records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType(kind)).records
        return [record.event_log_entry.dagster_event for record in records]

    assets = {event.asset_key for event in events("ASSET_MATERIALIZATION_PLANNED")}
    checks = {event.event_specific_data.asset_check_key for event in events("ASSET_CHECK_EVALUATION_PLANNED")}
    made = {event.asset_key for event in events("ASSET_MATERIALIZATION")}
    said = [event.asset_check_evaluation_data for event in events("ASSET_CHECK_EVALUATION")]
    closed = {one.asset_check_key.asset_key for one in said if one.blocking and not one.passed}
    done = {one.asset_check_key for one in said} - {key for key in checks if key.asset_key in closed}
    return frozenset((assets - made) | (assets & closed)), frozenset(checks - done)
