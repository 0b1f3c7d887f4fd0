"""The code location of a chaos batch: one definition and one job a seed, each against a local Dune of its own."""

import json
import os
from pathlib import Path

import dagster as dg
from scenario import draw

from dagster_dune import DuneResource, build_dune_asset_selection, build_dune_assets

BATCH = json.loads(Path(os.environ["DAGSTER_HOME"], "batch.json").read_text())


def resources(url):
    return DuneResource(
        api_key=dg.EnvVar("DUNE_API_KEY"),
        base_url=url,
        timeout=1.0,
        max_retries=1,
        poll_interval=0.1,
        max_poll_interval=0.3,
        poll_failure_tolerance=20,
    )


SCENARIOS = [draw(seed) for seed in BATCH["seeds"]]
ASSETS = {
    scenario.name: build_dune_assets(scenario.catalog, name=scenario.name, resource_key=scenario.name, pool=None)
    for scenario in SCENARIOS
}

defs = dg.Definitions(
    assets=list(ASSETS.values()),
    jobs=[
        dg.define_asset_job(
            f"{scenario.name}_job", build_dune_asset_selection([ASSETS[scenario.name]], scenario.selection)
        )
        for scenario in SCENARIOS
    ],
    resources={scenario.name: resources(BATCH["urls"][str(scenario.seed)]) for scenario in SCENARIOS},
)
