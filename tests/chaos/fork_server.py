"""Runs of a chaos batch, each in a process that forks from this one instead of importing everything anew.

It reads a request a line from stdin, and writes a line when the process that carries it out has ended. The processes
are those that Dagster makes too: a run worker, and one a step, which can be killed apart.
"""

import json
import multiprocessing
import os
import select
import sys
from pathlib import Path

import dagster as dg

HERE = Path(__file__).parent
LOGS = Path(os.environ["DAGSTER_HOME"], "runs")
REQUEST_TAG = "chaos/request"
ROOT, PARENT = "dagster/root_run_id", "dagster/parent_run_id"
RESUMED, ASSET_RESUMED = "dagster/is_resume_retry", "dagster/is_asset_resume_retry"

# Dagster asks for "spawn", which is right for users, and 3 s of imports for each step.
_of_method = multiprocessing.get_context
multiprocessing.get_context = lambda _=None: _of_method("fork")


def serve():
    """Fork for each request, and tell of each process that has ended."""
    requests, children = open(0, "rb", buffering=0), {}  # noqa: SIM115
    while True:
        if select.select([requests], [], [], 0.05)[0]:
            line = requests.readline()
            if not line:
                return
            request = json.loads(line)
            sys.stdout.flush()
            if (child := os.fork()) == 0:
                _carry_out(request)
            children[child] = request["id"]
        while children and (ended := os.waitpid(-1, os.WNOHANG)[0]):
            print(json.dumps(children.pop(ended)), flush=True)


def _carry_out(request):
    log = os.open(LOGS / f"{request['id']}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        with dg.DagsterInstance.get() as instance:
            _execute(instance, **request)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _execute(instance, id, job, tags, parent, strategy, is_tagged):  # noqa: A002
    """Launch a job; or try a run again, with the tags that Dagster's UI sets, or with the fields alone."""
    recon = dg.build_reconstructable_job("location", "job_named", (job,), {}, str(HERE))
    tags = {**tags, REQUEST_TAG: id}
    if strategy is None:
        dg.execute_job(recon, instance, tags=tags)
        return
    run = instance.get_run_by_id(parent)
    inherited = {key: value for key, value in run.tags.items() if key != RESUMED}
    related = {ROOT: run.root_run_id or run.tags.get(ROOT, parent), PARENT: parent}
    if strategy == "FROM_ASSET_FAILURE":
        if missing := _missing(instance, run, recon):
            tags = {**inherited, **related, ASSET_RESUMED: "true", **tags}
            dg.execute_job(recon, instance, tags=tags, asset_selection=missing)
        return
    if is_tagged:
        tags = {**inherited, **related, **({RESUMED: "true"} if strategy == "FROM_FAILURE" else {}), **tags}
    else:
        tags = {**{key: value for key, value in inherited.items() if "partition" in key}, **tags}
    again = dg.ReexecutionOptions(parent)
    if strategy == "FROM_FAILURE":
        if not instance.get_records_for_run(parent, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records:
            return
        again = dg.ReexecutionOptions.from_failure(parent, instance)
    dg.execute_job(recon, instance, tags=tags, reexecution_options=again)


def _missing(instance, run, recon):
    """What Dagster selects for a run from asset failure: what the run has not materialized."""
    selected = run.asset_selection or recon.get_definition().asset_layer.selected_asset_keys
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    return sorted(set(selected) - {record.event_log_entry.asset_materialization.asset_key for record in records})


if __name__ == "__main__":
    sys.path[:0] = [str(HERE)]
    LOGS.mkdir(exist_ok=True)
    import location  # noqa: F401  (so that each process has it from here)

    print(json.dumps("ready"), flush=True)
    serve()
