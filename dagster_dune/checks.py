"""`DuneCheck`: an asset check that runs inside the pipeline call of its asset, or costs nothing at all."""

from dagster_dune.catalog.settings.checks import GATE_MARKER, DuneCheck

__all__ = ["GATE_MARKER", "DuneCheck"]
