"""``dagster-dune status`` and ``dagster-dune cancel``: show and cancel pipelines on Dune, whoever started them."""

from __future__ import annotations

import json
import logging
import os
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_dune.catalog.names import query_name
from dagster_dune.cli.environment import client_of_environment
from dagster_dune.cli.failures import failed
from dagster_dune.errors import DuneError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagster as dg

    from dagster_dune.api.models import NodeExecution

PIPELINE = "The execution id of a pipeline."
TIMEOUT = 10


def status(
    pipeline: Annotated[str, typer.Argument(help=PIPELINE)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a pipeline and its nodes stand. Reads DUNE_API_KEY and DUNE_API_BASE_URL.

    Exits with 0 whatever became of them, and with 1 where Dune does not say.
    """
    try:
        with client_of_environment(timeout=TIMEOUT) as client:
            answer = client.get_pipeline_status(pipeline)
    except DuneError as error:
        raise failed(error) from error
    nodes = [_described(execution) for execution in answer.node_executions]
    if as_json:
        described = {"pipeline": pipeline, "status": answer.status, "error": answer.error, "nodes": nodes}
        typer.echo(json.dumps(described, indent=2))
        return
    typer.echo(f"{answer.status or 'unknown'}{': ' + answer.error if answer.error else ''}")
    for node in nodes:
        words = [str(node["id"]), node["name"] or "unnamed", node["status"] or "pending"]
        typer.echo("  ".join([*words, *(text for text in (node["execution_id"], node["error"]) if text)]))


def cancel(
    pipeline_or_run: Annotated[
        str, typer.Argument(help=f"{PIPELINE[:-1]}, or the id of a run of the instance in DAGSTER_HOME.")
    ],
) -> None:
    """Cancel what runs of a pipeline, or of all pipelines of a run, and what starts meanwhile, for 20 s at most.

    Exits with 1 where something may still run.
    """
    from dagster_dune.pipeline.cancel import cancel_pipeline, plan_as_reported  # noqa: PLC0415

    log = logging.getLogger("dagster_dune")
    handler = logging.StreamHandler()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    open_ = []
    try:
        with client_of_environment(timeout=TIMEOUT) as client:
            for pipeline in _pipelines(pipeline_or_run):
                plan = plan_as_reported(client.get_pipeline_status(pipeline))
                remains = cancel_pipeline(client, plan, pipeline, log)
                open_ += [f"{name} in {pipeline}" for name in remains.own + remains.others]
    except DuneError as error:
        raise failed(error) from error
    finally:
        log.removeHandler(handler)
    if open_:
        typer.echo(f"These may still run, and cost: {', '.join(open_)}", err=True)
        raise typer.Exit(1)
    typer.echo("Nothing of it runs any more.")


def _pipelines(pipeline_or_run: str) -> Sequence[str]:
    """Return the pipelines that a run has started if the id is a UUID; otherwise the id is that of a pipeline."""
    try:
        run_id = str(uuid.UUID(pipeline_or_run))
    except ValueError:
        return [pipeline_or_run]
    from dagster_dune.runs import pipelines_of_run  # noqa: PLC0415

    with _instance_at_home() as instance:
        pipelines = pipelines_of_run(instance, run_id)
    if not pipelines:
        raise DuneError(
            f"Run {run_id} has started no pipeline.", hint="A retry may have taken another run's over; its log says so."
        )
    return pipelines


def _instance_at_home() -> dg.DagsterInstance:
    """Return the instance of DAGSTER_HOME, or raise an error if that is not set or cannot be opened."""
    import dagster as dg  # noqa: PLC0415  (slow to import)
    import yaml  # noqa: PLC0415

    home = os.environ.get("DAGSTER_HOME")
    hint = "Set DAGSTER_HOME to the folder of the instance that has the run, or give the id of a pipeline."
    if not home:
        raise DuneError("DAGSTER_HOME is not set, so that no run can be looked up.", hint=hint)
    try:
        return dg.DagsterInstance.get()
    except (dg.DagsterError, yaml.YAMLError, OSError) as error:
        why = " ".join(str(error).split())
        raise DuneError(f"The Dagster instance of DAGSTER_HOME={home} cannot be opened: {why}.", hint=hint) from error


def _described(execution: NodeExecution) -> dict[str, Any]:
    progress = execution.progress
    matview, query = execution.materialized_view_refresh_status, execution.query_execution_status
    return {
        "id": execution.id,
        "name": (matview and matview.name) or (query and query.query_id and query_name(query.query_id)) or None,
        "status": progress and progress.status,
        "execution_id": progress and progress.execution_id,
        "error": progress and progress.error,
    }
