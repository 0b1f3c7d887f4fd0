"""Materialize every asset of this project, one day of what runs by day, and print what it made and cost.

``make demo`` runs it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import dagster as dg
import httpx
from rich.console import Console
from rich.table import Column, Table

from dune_project.definitions import defs

FIGURES = {
    "rows": ("dagster/row_count", "dagster/partition_row_count"),
    "seconds": ("dagster-dune/execution_seconds",),
    "credits": ("dagster-dune/credits",),
}
DAY = "2026-06-01"
WIDTH = 105
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def main() -> int:
    """Run all assets at once, and return the process's exit code."""
    job = defs.resolve_implicit_global_asset_job_def()
    console = Console(width=max(WIDTH, shutil.get_terminal_size().columns), highlight=False)
    console.print(f"Materializing the example's assets with one pipeline call to {os.environ['DUNE_API_BASE_URL']}...")
    with dg.DagsterInstance.local_temp() as instance:
        result = job.execute_in_process(instance=instance, partition_key=DAY, run_config=QUIET, raise_on_error=False)
        console.print(_table(result))
    journal = httpx.get(
        f"{os.environ['DUNE_API_BASE_URL']}/_emulator/journal", headers={"X-Dune-Api-Key": os.environ["DUNE_API_KEY"]}
    ).json()
    calls = sum(entry["path"] == "/api/v1/pipelines/execute" for entry in journal)
    console.print(f"pipelines/execute requests: {calls}")
    console.print("To see these assets in Dagster's UI: make dev, then open http://127.0.0.1:3000")
    return 0 if result.success and calls == 1 else 1


def _table(result: dg.ExecuteInProcessResult) -> Table:
    """A row an asset, in the order in which they were materialized; those that were not come last."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    made = {event.asset_key: dict(event.metadata) for event in events}
    for event in result.get_asset_observation_events():  # the details of an execution may come after its event
        observed = event.asset_observation_data.asset_observation
        if observed.asset_key in made and "dagster-dune/check" not in observed.metadata:
            made[observed.asset_key].update(observed.metadata)
    graph = defs.resolve_asset_graph()
    specs = {key: graph.get(key) for key in graph.materializable_asset_keys}
    table = Table(Column("asset", min_width=max(len(key.to_user_string()) for key in specs)), "kind", "state")
    for heading in FIGURES:
        table.add_column(heading, justify="right")
    for key in [*made, *sorted(specs.keys() - made.keys())]:
        kinds = ", ".join(sorted(specs[key].kinds - {"dune"}))
        state = "materialized" if key in made else "missing"
        table.add_row(key.to_user_string(), kinds, state, *_figures(made.get(key, {})))
    return table


def _figures(metadata: Mapping[str, dg.MetadataValue[Any]]) -> list[str]:
    values = [next((metadata[name].value for name in names if name in metadata), None) for names in FIGURES.values()]
    return [
        f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if value is not None else "" for value in values
    ]


if __name__ == "__main__":
    sys.exit(main())
