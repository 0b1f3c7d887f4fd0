"""Models of request bodies and query strings, and the error of a refused request.

Bodies are validated more strictly than by Dune, as far as is known: values of other types and unknown fields are
refused, so that mistakes of a client are found here, not in production. A lenient emulator ignores unknown fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dagster_dune.errors import DuneError

Performance = Literal["free", "small", "medium", "large"]
ParameterValue = str | int | float
ParameterValues = Mapping[str, ParameterValue | tuple[ParameterValue, ...]]
"""The values of parameters by key; a tuple for a multi-select."""


# Assumption: local-strict-bodies.
class RequestError(DuneError):
    """A request that is answered with an error.

    Attributes:
        status: The HTTP status of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Body(BaseModel):
    """The base of every request body."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Options(BaseModel):
    """The base of every query string, whose values are texts. It ignores the API key, which was checked before."""

    model_config = ConfigDict(extra="ignore", frozen=True)


BodyT = TypeVar("BodyT", bound=Body)
OptionsT = TypeVar("OptionsT", bound=Options)


def first_problem(error: ValidationError) -> str:
    """Return the name of the first invalid field, and what is wrong with it."""
    problem = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in problem["loc"])
    return f"{field}: {problem['msg']}" if field else f"The request is not valid: {problem['msg']}"


# --- pipelines ---


class MaterializedViewRefresh(Body):
    """A node that refreshes a matview."""

    name: str
    performance: Performance | None = None


class QueryExecution(Body):
    """A node that executes a query."""

    query_id: int
    performance: Performance | None = None
    query_parameters: ParameterValues | None = None


class PipelineNode(Body):
    """A node of a pipeline: either a matview refresh or a query execution."""

    id: int
    dependencies: tuple[int, ...] | None = None
    materialized_view_refresh: MaterializedViewRefresh | None = None
    query_execution: QueryExecution | None = None


class Pipeline(Body):
    """A graph of nodes."""

    nodes: tuple[PipelineNode, ...]


class ExecutionOptions(Body):
    """The options of an execution."""

    performance: Performance | None = None
    query_parameters: ParameterValues | None = None


class ExecutePipeline(ExecutionOptions):
    """The body of ``pipelines/execute``: a pipeline, or a query whose lineage is the pipeline."""

    pipeline: Pipeline | None = None
    query_id: int | None = None


# --- queries ---


class EnumFromResults(Body):
    """The query and the column that contain the options of a parameter in the web app."""

    queryId: int  # noqa: N815  (Dune's own spelling)
    columnName: str  # noqa: N815


class Parameter(Body):
    """A parameter of a saved query, spelled as Dune does."""

    key: str = Field(min_length=1)
    type: Literal["text", "number", "datetime", "enum"] = "text"
    value: str | None = None
    values: tuple[str, ...] | None = None
    description: str | None = None
    enumOptions: tuple[str, ...] | None = None  # noqa: N815
    enumFromResults: EnumFromResults | None = None  # noqa: N815
    isFreeformAllowed: bool | None = None  # noqa: N815
    isMultiselect: bool | None = None  # noqa: N815


class QueryFields(Body):
    """The fields of a saved query.

    Attributes:
        query_parameters: Default values by key, which the official TypeScript client sends instead of parameters.
    """

    name: str | None = Field(default=None, min_length=1)
    query_sql: str | None = None
    description: str | None = None
    parameters: tuple[Parameter, ...] | None = None
    query_parameters: ParameterValues | tuple[Parameter, ...] | None = None
    tags: tuple[str, ...] | None = None
    is_private: bool | None = None


class NewQuery(QueryFields):
    """The body that creates a query, which may be temporary."""

    name: str = Field(min_length=1)
    query_sql: str
    is_temp: bool = False


class QueryChange(QueryFields):
    """The body of a change to a query; missing fields are not changed."""

    query_id: int | None = None
    is_archived: bool | None = None
    is_temp: bool | None = None


class ExecuteSql(Body):
    """The body of ``sql/execute``."""

    sql: str = Field(min_length=1)
    performance: Performance | None = None
    query_parameters: ParameterValues | None = None


# --- matviews, uploads, usage ---


class UpsertMaterializedView(Body):
    """The body that creates or changes a matview."""

    name: str
    query_id: int
    cron_expression: str | None = None
    expires_at: str | None = None
    performance: Performance | None = None
    is_private: bool | None = None


class RefreshMaterializedView(Body):
    """The body of a matview's refresh."""

    performance: Performance | None = None


class UploadCsv(Body):
    """The body of ``uploads/csv``."""

    table_name: str
    data: str
    description: str | None = None
    is_private: bool | None = None


class UploadColumn(Body):
    """A column of a table that is created empty."""

    name: str
    type: str
    nullable: bool = True


class CreateUpload(Body):
    """The body of ``uploads``."""

    model_config = ConfigDict(validate_by_name=True)

    namespace: str
    table_name: str
    columns: tuple[UploadColumn, ...] = Field(alias="schema", min_length=1)
    description: str | None = None
    is_private: bool | None = None


class DatasetSearch(Body):
    """The body of ``datasets/search``."""

    query: str | None = None
    contract_address: str | None = None
    categories: tuple[Literal["canonical", "decoded", "spell", "community"], ...] | None = None
    blockchains: tuple[str, ...] | None = None
    dataset_types: tuple[str, ...] | None = None
    schemas: tuple[str, ...] | None = None
    owner_scope: Literal["all", "me", "team"] | None = None
    include_private: bool | None = None
    include_schema: bool = False
    include_metadata: bool = False
    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0)


class DatasetSearchByContract(Body):
    """The body of ``datasets/search-by-contract``."""

    contract_address: str
    blockchains: tuple[str, ...] | None = None
    include_schema: bool = False
    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0)


class UsageRange(Body):
    """The body of ``usage``. Dates are ``YYYY-MM-DD``."""

    start_date: str | None = None
    end_date: str | None = None
