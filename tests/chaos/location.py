"""The code location of a chaos batch: a few definitions and one job a seed, each against a local Dune of its own."""

import json
import os
from pathlib import Path

import dagster as dg
import disturbances
from scenario import TWIN, draw

from dagster_dune import DagsterDuneTranslator, DuneResource, build_dune_assets

BATCH = json.loads(Path(os.environ["DAGSTER_HOME"], "batch.json").read_text())


def resources(url):
    return DuneResource(
        api_key=dg.EnvVar("DUNE_API_KEY"),
        base_url=url,
        timeout=2.0,
        max_retries=1,
        poll_interval=0.1,
        max_poll_interval=0.3,
        poll_failure_tolerance=20,
    )


def policy(scenario):
    """How a step is tried again within its run."""
    return dg.RetryPolicy(max_retries=1) if scenario.has_step_retries else None


class Twin(DagsterDuneTranslator):
    """Gives what a further definition of the same objects holds other keys, and what all of it waits for."""

    def __init__(self, waits_for):
        self.waits_for = waits_for

    def get_asset_spec(self, obj):
        spec = super().get_asset_spec(obj)
        return spec.replace_attributes(key=spec.key.with_prefix(TWIN), deps=[*spec.deps, *self.waits_for])


def definitions(scenario):
    """The definitions of a scenario."""

    def build(nth, catalog, translator=None):
        return build_dune_assets(
            catalog,
            name=f"{scenario.name}_{nth}",
            resource_key=scenario.name,
            pool=None,
            retry_policy=policy(scenario),
            translator=translator,
        )

    built = [build(nth, catalog) for nth, catalog in enumerate(scenario.catalogs)]
    if scenario.has_twin:
        first = {spec.metadata["dagster-dune/name"]: spec.key for spec in built[0].specs}
        waits_for = [key for name, key in first.items() if scenario.twin_waits and name in scenario.twins]
        built.append(build(len(built), scenario.catalogs[0], Twin(waits_for)))
    return built


SCENARIOS = [draw(seed) for seed in BATCH["seeds"]]
ASSETS = {scenario.name: definitions(scenario) for scenario in SCENARIOS}


def selection(scenario):
    """What the scenario selects of its definitions: assets, and checks apart from them."""
    specs = [spec for of in ASSETS[scenario.name] for spec in of.specs if spec.key.path[0] != TWIN]
    keys = {spec.metadata["dagster-dune/name"]: spec.key for spec in specs}
    checks = [
        dg.AssetCheckKey(keys[drawn.check.asset], drawn.check.name) for drawn in scenario.checks if drawn.is_selected
    ]
    selected = [keys[name] for name in scenario.selection] + [keys[name].with_prefix(TWIN) for name in scenario.twins]
    assets = dg.AssetSelection.assets(*selected).without_checks()
    if not checks:
        return assets
    return (assets | dg.AssetSelection.checks(*checks)) if scenario.selection else dg.AssetSelection.checks(*checks)


disturbances.disturb({scenario.name: scenario for scenario in SCENARIOS})
if BATCH["protocol"] != "on":
    disturbances.PROTOCOLS[BATCH["protocol"]]()
if BATCH["gates"] != "on":
    disturbances.GATES[BATCH["gates"]]()

defs = dg.Definitions(
    assets=[assets for of_scenario in ASSETS.values() for assets in of_scenario],
    jobs=[dg.define_asset_job(f"{scenario.name}_job", selection(scenario)) for scenario in SCENARIOS],
    resources={scenario.name: resources(BATCH["urls"][str(scenario.seed)]) for scenario in SCENARIOS},
)


def job_named(name):
    """The job of a scenario, as the processes that run its steps ask for it."""
    return defs.resolve_job_def(name)
