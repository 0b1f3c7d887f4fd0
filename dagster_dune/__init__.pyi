"""What users import of this package."""

from . import (
    api,
    assets,
    catalog,
    definitions,
    errors,
    metadata,
    pipeline,
    resource,
    run_config,
    schedules,
    sensors,
    translator,
)
from .api.client import DuneApiClient
from .api.errors import (
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
from .assets import build_dune_assets, dune_assets
from .catalog.catalog import DuneCatalog, MaterializedView, Query
from .catalog.names import Reference, ReferenceKind
from .catalog.settings.parameters import QueryParameter
from .catalog.settings.partitions import QueryPartitions
from .checks import DuneCheck
from .components.component import DuneComponent
from .definitions import build_dune_definitions, build_dune_upstream_specs, merge_dune_definitions
from .errors import (
    DuneCatalogError,
    DuneConfigurationError,
    DuneError,
    DunePipelineError,
    DunePipelineTimeout,
    DunePlanError,
    DuneResultError,
    DuneUploadError,
)
from .exports import build_dune_export
from .io_manager import DuneIOManager
from .resource import DuneResource
from .run_config import DuneRunConfig
from .schedules import build_dune_asset_selection, build_schedule_from_dune_selection
from .sensors import build_dune_refresh_sensor
from .translator import DagsterDuneTranslator
from .uploads import build_dune_upload
from .version import __version__

__all__ = [
    "AmbiguousSubmission",
    "DagsterDuneTranslator",
    "DuneApiClient",
    "DuneApiError",
    "DuneAuthenticationError",
    "DuneBadRequestError",
    "DuneCatalog",
    "DuneCatalogError",
    "DuneCheck",
    "DuneComponent",
    "DuneConfigurationError",
    "DuneConnectionError",
    "DuneCreditsExhaustedError",
    "DuneError",
    "DuneIOManager",
    "DuneNotFoundError",
    "DunePermissionError",
    "DunePipelineError",
    "DunePipelineTimeout",
    "DunePlanError",
    "DuneRateLimitError",
    "DuneResource",
    "DuneResultError",
    "DuneRunConfig",
    "DuneServerError",
    "DuneUploadError",
    "MaterializedView",
    "Query",
    "QueryParameter",
    "QueryPartitions",
    "Reference",
    "ReferenceKind",
    "__version__",
    "api",
    "assets",
    "build_dune_asset_selection",
    "build_dune_assets",
    "build_dune_definitions",
    "build_dune_export",
    "build_dune_refresh_sensor",
    "build_dune_upload",
    "build_dune_upstream_specs",
    "build_schedule_from_dune_selection",
    "catalog",
    "definitions",
    "dune_assets",
    "errors",
    "merge_dune_definitions",
    "metadata",
    "pipeline",
    "resource",
    "run_config",
    "schedules",
    "sensors",
    "translator",
]
