"""Every metadata key that dagster-dune writes, every tag that users set, and what fills those of objects and nodes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from dagster_dune._formatting import readable_bytes, readable_seconds
from dagster_dune.api.models import ExecutionStatus, QueryExecution, ResultMetadata
from dagster_dune.catalog.catalog import MaterializedView, Query
from dagster_dune.catalog.names import Reference, ReferenceKind
from dagster_dune.catalog.settings.checks import SETTINGS_OF_KIND, DuneCheck
from dagster_dune.catalog.settings.parameters import checked_values
from dagster_dune.pipeline.settle import Outcome
from dagster_dune.pipeline.states import Phase

NAMESPACE = "dagster-dune/"
DUNE_URL = "https://dune.com"

# Of an asset spec.
NAME = f"{NAMESPACE}name"
QUERY_ID = f"{NAMESPACE}query_id"
QUERY_URL = f"{NAMESPACE}query_url"
URL = f"{NAMESPACE}url"
PERFORMANCE = f"{NAMESPACE}performance"
QUERY_PARAMETERS = f"{NAMESPACE}query_parameters"
PARTITION_PARAMETERS = f"{NAMESPACE}partition_parameters"
DEFAULT_PARAMETERS = f"{NAMESPACE}default_parameters"
VIEW_PARAMETERS = f"{NAMESPACE}view_parameters"
DIFFERS = f"{NAMESPACE}differs"
NOT_CONFIRMED = f"{NAMESPACE}not_confirmed"
TABLE_NAME = "dagster/table_name"
STORAGE_KIND = "dagster/storage_kind"
URI = "dagster/uri"
CODE_REFERENCES = "dagster/code_references"

# Of a materialization or an observation.
PIPELINE_EXECUTION_ID = f"{NAMESPACE}pipeline_execution_id"
EXECUTION_ID = f"{NAMESPACE}execution_id"
STATE = f"{NAMESPACE}state"
REASON = f"{NAMESPACE}reason"
BLOCKED_BY = f"{NAMESPACE}blocked_by"
WARNING = f"{NAMESPACE}warning"
DETAILS_MISSING = f"{NAMESPACE}details_missing"
CREDITS = f"{NAMESPACE}credits"
QUEUE_SECONDS = f"{NAMESPACE}queue_seconds"
EXECUTION_SECONDS = f"{NAMESPACE}execution_seconds"
ENDED_AT = f"{NAMESPACE}execution_ended_at"
EXECUTION_TIME = f"{NAMESPACE}execution_time"
RESULT_SIZE = f"{NAMESPACE}result_size"
RESULT_BYTES = f"{NAMESPACE}result_bytes"
EXPORTS = f"{NAMESPACE}export"
UPLOADS = f"{NAMESPACE}upload"
ERROR_LINE = f"{NAMESPACE}error_line"
ERROR_COLUMN = f"{NAMESPACE}error_column"
ROW_COUNT = "dagster/row_count"
PARTITION_ROW_COUNT = "dagster/partition_row_count"
RANGE_ROW_COUNT = f"{NAMESPACE}range_row_count"
RANGE_PARTITIONS = f"{NAMESPACE}range_partitions"
COLUMN_SCHEMA = "dagster/column_schema"

# Of a check and its results.
CHECK = f"{NAMESPACE}check"
CHECK_KIND = f"{NAMESPACE}check_kind"
CHECK_BOUNDS = f"{NAMESPACE}check_bounds"
OFFENDING_ROWS = f"{NAMESPACE}offending_rows"
OFFENDING_SAMPLE = f"{NAMESPACE}offending_rows_sample"
VALUE = f"{NAMESPACE}value"
VALUE_BEFORE = f"{NAMESPACE}value_before"
VALUE_BEFORE_OF = f"{NAMESPACE}value_before_of"
PARTITION = f"{NAMESPACE}partition"
BY_PARTITION = f"{NAMESPACE}by_partition"
SAID_IN_RUN = f"{NAMESPACE}said_in_run"

# Of an op.
CATALOG_TAG = f"{NAMESPACE}catalog"

# Of a run that its group could not find otherwise: the id of the run that they all go back to. Dagster hides tags
# whose keys begin so.
RUN_GROUP_TAG = ".dagster/dune_family"

# Of an event in a run's log: a word of the submission record, as JSON.
SUBMISSION_KEY = f"{NAMESPACE}submission"

# The same, of the submissions of other runs that a run has taken over.
TAKEOVER_KEY = f"{NAMESPACE}takeover"

# The same, of the record of writes.
WRITE_KEY = f"{NAMESPACE}write"

# Of a run that has given up a request to Dune of which something may yet come, however the run itself has ended.
UNSETTLED_WRITE_TAG = ".dagster/dune_unsettled_write"

# Of a run with a write that takes longer to settle than one does by default: where it is cut off, it counts longer.
LATE_WRITE_TAG = ".dagster/dune_late_write"

# Of a run, set by its user: the ids of the intents that may be sent again, and of those whose pipeline was found on
# Dune, as <intent>:<pipeline execution id>. Several have commas between them.
RESUBMIT_TAG = f"{NAMESPACE}resubmit"
ADOPT_TAG = f"{NAMESPACE}adopt"

SQL_OF_FILE = (
    "Dune runs what is saved there; whether that is the same nobody has asked (dagster-dune catalog diff does)."
)
PARTIAL_RESULT = "Dune cut this result short (QUERY_STATE_COMPLETED_PARTIAL): it is larger than the plan allows."


def spec_metadata(obj: MaterializedView | Query | Reference) -> dict[str, Any]:
    """Return the metadata of an object's asset spec."""
    if isinstance(obj, Reference):
        name, query_id = obj.name, int(obj.name[6:]) if obj.kind is ReferenceKind.QUERY else None
    else:
        name, query_id = obj.sql_name, obj.query_id
    metadata = _places(name, query_id)
    if isinstance(obj, MaterializedView | Query):
        if obj.performance:
            metadata[PERFORMANCE] = obj.performance
        if obj.view_parameters:
            metadata[VIEW_PARAMETERS] = dg.MetadataValue.json(_view_parameters(obj))
        metadata |= {**sql_metadata(obj), **_code_references(obj)}
    if isinstance(obj, Query) and obj.query_parameters:
        values = checked_values(name, obj.parameters, obj.query_parameters)
        metadata[QUERY_PARAMETERS] = dg.MetadataValue.json(values)
    if isinstance(obj, Query) and (defaults := _defaults(obj)):
        metadata[DEFAULT_PARAMETERS] = dg.MetadataValue.json(defaults)
    if isinstance(obj, Query) and obj.partitions:
        metadata[PARTITION_PARAMETERS] = dg.MetadataValue.json(dict(obj.partitions.parameters))
    return _without_none({**metadata, NAME: name, QUERY_ID: query_id})


def _places(name: str, query_id: int | None) -> dict[str, Any]:
    """Return the URL and the name of an object on Dune."""
    places: dict[str, Any] = {}
    if query_id is not None:
        places |= {QUERY_URL: dg.MetadataValue.url(page_of_query(query_id)), URI: page_of_query(query_id)}
    if "." in name:
        page = _page_of_table(name)
        places |= {URL: dg.MetadataValue.url(page), TABLE_NAME: name, STORAGE_KIND: "dune", URI: page}
    return places


def page_of_query(query_id: int) -> str:
    """Return the URL of a query's page on Dune."""
    return f"{DUNE_URL}/queries/{query_id}"


def _page_of_table(name: str) -> str:
    return f"{DUNE_URL}/data/{name}"


def doubts_of(spec: dg.AssetSpec) -> dict[str, Any]:
    """Return the metadata of a spec that says whether its SQL is what Dune runs, which its events have too."""
    return {doubt: spec.metadata[doubt] for doubt in (DIFFERS, NOT_CONFIRMED) if doubt in spec.metadata}


def sql_metadata(obj: MaterializedView | Query | Reference) -> dict[str, Any]:
    """Return metadata that says whether the SQL of a file is what Dune runs; empty if there is no difference."""
    if isinstance(obj, Reference):
        return {}
    if obj.differs is not None:
        place = f"[query {obj.query_id}]({page_of_query(obj.query_id)})" if obj.query_id else obj.sql_name
        text = f"Dune runs {place} as it is saved there, and not as {obj.source or 'the catalog'} has it:"
        return {DIFFERS: dg.MetadataValue.md(f"{text}\n\n```diff\n{obj.differs}\n```")}
    if obj.is_confirmed is False and obj.sql is not None:
        return {NOT_CONFIRMED: f"The SQL and the code version are those of {obj.source}. {SQL_OF_FILE}"}
    return {}


def _view_parameters(obj: MaterializedView | Query) -> dict[str, list[dict[str, str]]]:
    """Return the parameters that the SQL passes to each query view: a list, since a view may be read several times."""
    return {view: [dict(values) for values in calls] for view, calls in obj.view_parameters.items()}


def _defaults(query: Query) -> dict[str, str]:
    """Return the default values that Dune has saved for parameters that nothing else sets."""
    is_set = {*query.query_parameters, *(query.partitions.parameters if query.partitions else ())}
    return {
        parameter.key: parameter.default
        for parameter in query.parameters
        if parameter.default is not None and parameter.key not in is_set
    }


def _code_references(obj: MaterializedView | Query) -> dict[str, Any]:
    """Return the file of the SQL as code reference. A URL of Dune is none, since Dagster expects those of Git hosts."""
    if obj.source is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        file = dg.LocalFileCodeReference(file_path=obj.source.path, line_number=obj.source.line)
        return {CODE_REFERENCES: dg.CodeReferencesMetadataValue(code_references=[file])}


def outcome_metadata(outcome: Outcome, pipeline_execution_id: str | None) -> dict[str, Any]:
    """Return the metadata of a node's outcome, for its materialization or its observation."""
    target = outcome.node.target
    details, count = outcome.details, len(outcome.node.partition.keys) if outcome.node.partition else 0
    metadata: dict[str, Any] = {
        REASON: outcome.reason or None,
        BLOCKED_BY: ", ".join(outcome.blocked_by) or None,
        WARNING: PARTIAL_RESULT if outcome.phase is Phase.PARTIAL else None,
        DETAILS_MISSING: outcome.details_missing or None,
        **(details_metadata(details, count) if details else {}),
        RANGE_PARTITIONS: count if count > 1 else None,
        **(_query_metadata(target) if isinstance(target, QueryExecution) else _matview_metadata(target.name)),
        PERFORMANCE: target.performance,
        STATE: outcome.phase.value if outcome.execution_id else outcome.result.value,
        EXECUTION_ID: outcome.execution_id,
        PIPELINE_EXECUTION_ID: pipeline_execution_id,
    }
    return _without_none(metadata)


def _query_metadata(target: QueryExecution) -> dict[str, Any]:
    values = target.query_parameters
    return {
        QUERY_URL: dg.MetadataValue.url(page_of_query(target.query_id)),
        QUERY_PARAMETERS: dg.MetadataValue.json(values) if values else None,
        QUERY_ID: target.query_id,
    }


def _matview_metadata(name: str) -> dict[str, Any]:
    return {URL: dg.MetadataValue.url(_page_of_table(name)), TABLE_NAME: name}


def _row_count_keys(partition_count: int) -> tuple[str, ...]:
    """Return the metadata keys for the number of rows in a result. The page of an asset shows only `ROW_COUNT`.

    The rows of a range belong to all of its partitions together, so they are not the number of one partition.
    """
    if partition_count == 0:
        return (ROW_COUNT,)
    return (ROW_COUNT, PARTITION_ROW_COUNT) if partition_count == 1 else (RANGE_ROW_COUNT,)


def details_metadata(details: ExecutionStatus, partition_count: int) -> dict[str, Any]:
    """Return the metadata of an execution: rows, columns, times and credits.

    If Dune's values are out of range, the metadata say so, and the event is still stored.
    """
    try:
        return _without_none(_details_metadata(details, _row_count_keys(partition_count)))
    except Exception as error:
        return {DETAILS_MISSING: f"Dune's details are out of range ({type(error).__name__}: {error})."}


def _details_metadata(details: ExecutionStatus, row_count_keys: Sequence[str]) -> dict[str, Any]:
    shape = details.result_metadata
    place = details.error.metadata if details.error else None
    seconds = _seconds(details.execution_started_at, details.execution_ended_at)
    return {
        ERROR_LINE: place.line if place else None,
        ERROR_COLUMN: place.column if place else None,
        **(_shape_metadata(shape, row_count_keys) if shape else {}),
        CREDITS: details.execution_cost_credits,
        EXECUTION_TIME: None if seconds is None else readable_seconds(seconds),
        EXECUTION_SECONDS: seconds,
        QUEUE_SECONDS: _seconds(details.submitted_at, details.execution_started_at),
        ENDED_AT: dg.MetadataValue.timestamp(details.execution_ended_at) if details.execution_ended_at else None,
    }


def _shape_metadata(shape: ResultMetadata, row_count_keys: Sequence[str]) -> dict[str, Any]:
    bytes_ = shape.total_result_set_bytes if shape.total_result_set_bytes is not None else shape.result_set_bytes
    rows = shape.total_row_count if shape.total_row_count is not None else shape.row_count
    columns = zip(shape.column_names, shape.column_types, strict=False)
    return {
        **dict.fromkeys(row_count_keys, rows),
        COLUMN_SCHEMA: dg.TableSchema([dg.TableColumn(*column) for column in columns]) if shape.column_names else None,
        RESULT_SIZE: None if bytes_ is None else readable_bytes(bytes_),
        RESULT_BYTES: bytes_,
    }


def export_metadata(
    name: str, execution_ids: Sequence[str], rows: int | None, bytes_: int | None, cost: float | None = None
) -> dict[str, Any]:
    """Return the metadata of reading a result, which Dune charges by size."""
    figures = {"execution_ids": list(execution_ids), "rows": rows, "bytes": bytes_, "credits": cost}
    return {f"{EXPORTS}/{name}": dg.MetadataValue.json(_without_none(figures))}


def expected_export_metadata(
    name: str, execution_ids: Sequence[str], rows: int | None, bytes_: int | None
) -> dict[str, Any]:
    """Return the metadata of the most that reading a result will transfer, for readers that cannot report the end."""
    figures = {"execution_ids": list(execution_ids), "expected_rows": rows, "result_bytes": bytes_}
    return {f"{EXPORTS}/{name}": dg.MetadataValue.json(_without_none(figures))}


def upload_metadata(name: str, rows: int, bytes_: int, cost: float) -> dict[str, Any]:
    """Return the metadata of writing a table on Dune, which Dune charges."""
    return {f"{UPLOADS}/{name}": dg.MetadataValue.json({"rows": rows, "bytes": bytes_, "credits": cost})}


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - start).total_seconds()) if start and end else None


def _without_none(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if value is not None}


def check_spec_metadata(check: DuneCheck) -> dict[str, Any]:
    """Return the metadata of a check spec."""
    bounds = {
        setting: getattr(check, setting)
        for setting in SETTINGS_OF_KIND[check.kind]
        if setting in check.model_fields_set and getattr(check, setting) is not None
    }
    metadata: dict[str, Any] = {
        CHECK_KIND: check.kind,
        CHECK_BOUNDS: dg.MetadataValue.json(bounds) if bounds else None,
        QUERY_ID: check.query_id,
        QUERY_URL: dg.MetadataValue.url(page_of_query(check.query_id)) if check.query_id else None,
    }
    return _without_none(metadata)
