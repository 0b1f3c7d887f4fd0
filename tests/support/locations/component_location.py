"""An account behind a component, in a plain definitions file."""

import dagster as dg

from dagster_dune import DuneComponent

defs = dg.Definitions.merge(
    dg.build_defs_for_component(DuneComponent(account=True)),
    dg.Definitions(jobs=[dg.define_asset_job("everything", selection=dg.AssetSelection.all())]),
)
