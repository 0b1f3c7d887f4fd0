"""The wire models of Dune's API: what is sent, and what is read of its answers.

Dune may add fields, words and tiers, and leave out or empty every field on which nothing depends: no answer is lost for
that. The names are those of Dune's OpenAPI document.
"""

from dagster_dune.api.models.account import BillingPeriod, KeyOwner, Message, Usage
from dagster_dune.api.models.base import KNOWN_TIERS, DuneModel, Performance, is_tier
from dagster_dune.api.models.datasets import (
    Dataset,
    DatasetList,
    DatasetsFound,
    FoundDataset,
    FoundMetadata,
    Pagination,
)
from dagster_dune.api.models.executions import (
    Cancelled,
    Execution,
    ExecutionError,
    ExecutionErrorPlace,
    ExecutionResults,
    ExecutionStatus,
    ExecutionSubmitted,
    ResultData,
    ResultMetadata,
)
from dagster_dune.api.models.materialized_views import (
    MaterializedViewInfo,
    MaterializedViewList,
    MaterializedViewSchedule,
    MaterializedViewWritten,
)
from dagster_dune.api.models.pipelines import (
    MaterializedViewRefresh,
    MaterializedViewRefreshStatus,
    NodeExecution,
    Pipeline,
    PipelineNode,
    PipelineStatus,
    PipelineSubmitted,
    QueryExecution,
    QueryExecutionStatus,
    QueryPipeline,
)
from dagster_dune.api.models.queries import Parameter, QueryList, QueryOverview, QueryWritten, SavedQuery
from dagster_dune.api.models.uploads import (
    ColumnInfo,
    CsvUploaded,
    Owner,
    RowsInserted,
    TableColumn,
    UploadCreated,
    UploadInfo,
    UploadList,
)

__all__ = [
    "KNOWN_TIERS",
    "BillingPeriod",
    "Cancelled",
    "ColumnInfo",
    "CsvUploaded",
    "Dataset",
    "DatasetList",
    "DatasetsFound",
    "DuneModel",
    "Execution",
    "ExecutionError",
    "ExecutionErrorPlace",
    "ExecutionResults",
    "ExecutionStatus",
    "ExecutionSubmitted",
    "FoundDataset",
    "FoundMetadata",
    "KeyOwner",
    "MaterializedViewInfo",
    "MaterializedViewList",
    "MaterializedViewRefresh",
    "MaterializedViewRefreshStatus",
    "MaterializedViewSchedule",
    "MaterializedViewWritten",
    "Message",
    "NodeExecution",
    "Owner",
    "Pagination",
    "Parameter",
    "Performance",
    "Pipeline",
    "PipelineNode",
    "PipelineStatus",
    "PipelineSubmitted",
    "QueryExecution",
    "QueryExecutionStatus",
    "QueryList",
    "QueryOverview",
    "QueryPipeline",
    "QueryWritten",
    "ResultData",
    "ResultMetadata",
    "RowsInserted",
    "SavedQuery",
    "TableColumn",
    "UploadCreated",
    "UploadInfo",
    "UploadList",
    "Usage",
    "is_tier",
]
