"""Dune queries and materialized views as Dagster assets, run through one pipeline call."""

from typing import TYPE_CHECKING

from dagster_dune.api.client import DuneApiClient
from dagster_dune.api.errors import (
    AmbiguousSubmission,
    DuneApiError,
    DuneAuthenticationError,
    DuneBadRequestError,
    DuneConnectionError,
    DuneCreditsExhaustedError,
    DuneNotFoundError,
    DunePermissionError,
    DuneRateLimitError,
    DuneServerError,
)
from dagster_dune.assets import build_dune_assets, dune_assets
from dagster_dune.catalog.catalog import DuneCatalog, MaterializedView, Query
from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.catalog.parameters import QueryParameter
from dagster_dune.catalog.partitions import QueryPartitions
from dagster_dune.definitions import build_dune_definitions, build_dune_upstream_specs
from dagster_dune.errors import (
    DuneCatalogError,
    DuneConfigurationError,
    DuneError,
    DunePipelineError,
    DunePlanError,
    DuneResultError,
)
from dagster_dune.exports import build_dune_export
from dagster_dune.io_manager import DuneIOManager
from dagster_dune.resource import DuneResource
from dagster_dune.run_config import DuneRunConfig
from dagster_dune.schedules import build_dune_asset_selection, build_schedule_from_dune_selection
from dagster_dune.sensors import build_dune_refresh_sensor
from dagster_dune.translator import DagsterDuneTranslator
from dagster_dune.uploads import build_dune_upload
from dagster_dune.version import __version__

if TYPE_CHECKING:
    from dagster_dune.components.component import DuneComponent

__all__ = [
    "AmbiguousSubmission",
    "DagsterDuneTranslator",
    "DuneApiClient",
    "DuneApiError",
    "DuneAuthenticationError",
    "DuneBadRequestError",
    "DuneCatalog",
    "DuneCatalogError",
    "DuneComponent",
    "DuneConfigurationError",
    "DuneConnectionError",
    "DuneCreditsExhaustedError",
    "DuneError",
    "DuneIOManager",
    "DuneNotFoundError",
    "DunePermissionError",
    "DunePipelineError",
    "DunePlanError",
    "DuneRateLimitError",
    "DuneResource",
    "DuneResultError",
    "DuneRunConfig",
    "DuneServerError",
    "MaterializedView",
    "Query",
    "QueryParameter",
    "QueryPartitions",
    "Reference",
    "ReferenceKind",
    "__version__",
    "build_dune_asset_selection",
    "build_dune_assets",
    "build_dune_definitions",
    "build_dune_export",
    "build_dune_refresh_sensor",
    "build_dune_upload",
    "build_dune_upstream_specs",
    "build_schedule_from_dune_selection",
    "dune_assets",
]


def __getattr__(name: str) -> object:
    """Import the component where it is asked for: most code locations have none."""
    if name == "DuneComponent":
        from dagster_dune.components.component import DuneComponent  # noqa: PLC0415

        return DuneComponent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Dagster looks here for components."""
    return sorted({*globals(), *__all__})
