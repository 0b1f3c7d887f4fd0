"""What each endpoint's answer must hold, by state: every field named here must be there, and no other may be."""

from typing import Any

TEXT = {"type": "string"}
WORDS = {"type": "string", "minLength": 1}
NUMBER = {"type": "number"}
COUNT = {"type": "integer", "minimum": 0}
ID = {"type": "integer", "minimum": 1}
FLAG = {"type": "boolean"}
ANY_OBJECT = {"type": "object"}
ULID = {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"}
NANOSECONDS = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$"}
SECONDS = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$"}
DAY = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
TIER = {"enum": ["medium", "large"]}

Schema = dict[str, Any]


def fields(required: Schema, optional: Schema | None = None) -> Schema:
    """An object that has the required fields, may have the optional ones, and no others."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def many(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def execution(state: str, **more: Schema) -> Schema:
    """The fields of an execution that both its status and its results hold."""
    return {
        "execution_id": ULID,
        "query_id": COUNT,
        "state": one_of(f"QUERY_STATE_{state}"),
        "is_execution_finished": {"const": state not in ("PENDING", "EXECUTING")},
        "submitted_at": NANOSECONDS,
    } | more


ERROR = fields({"error": WORDS})
BEGUN = {"execution_started_at": NANOSECONDS}
ENDED = BEGUN | {"execution_ended_at": NANOSECONDS, "expires_at": NANOSECONDS}
SQL_ERROR = fields({"type": WORDS, "message": WORDS}, {"metadata": fields({"line": ID}, {"column": ID})})
METADATA = fields(
    {
        "column_names": many(WORDS),
        "column_types": many(WORDS),
        "row_count": COUNT,
        "total_row_count": COUNT,
        "datapoint_count": COUNT,
        "result_set_bytes": COUNT,
        "total_result_set_bytes": COUNT,
        "pending_time_millis": COUNT,
        "execution_time_millis": COUNT,
    }
)
COST = {"execution_cost_credits": NUMBER}
PAGE = {"result": fields({"rows": many(ANY_OBJECT, 0), "metadata": METADATA})}
NEXT = {"next_offset": ID, "next_uri": WORDS}

STATUS = {
    "pending": fields(execution("PENDING")),
    "executing": fields(execution("EXECUTING", **BEGUN)),
    "completed": fields(execution("COMPLETED", result_metadata=METADATA, **ENDED, **COST)),
    "partial": fields(execution("COMPLETED_PARTIAL", result_metadata=METADATA, **ENDED, **COST)),
    "failed": fields(execution("FAILED", error=SQL_ERROR, **ENDED, **COST)),
    "cancelled": fields(execution("CANCELLED", cancelled_at=NANOSECONDS, **ENDED, **COST)),
    "expired": fields(execution("EXPIRED", **ENDED, **COST)),
}
RESULTS = {
    "executing": fields(execution("EXECUTING", **BEGUN)),
    "completed": fields(execution("COMPLETED", **ENDED, **PAGE)),
    "page": fields(execution("COMPLETED", **ENDED, **PAGE, **NEXT)),
    "partial": fields(execution("COMPLETED_PARTIAL", **ENDED, **PAGE)),
    "failed": fields(execution("FAILED", error=SQL_ERROR, **ENDED)),
    "cancelled": fields(execution("CANCELLED", cancelled_at=NANOSECONDS, **ENDED)),
    "expired": fields(execution("EXPIRED", **ENDED)),
}

STARTED_PIPELINE = fields({"pipeline_execution_id": ULID})
NODE_DONE = {"status": one_of("QUERY_STATE_COMPLETED"), "execution_id": ULID}
NODE_RUNNING = {"status": one_of("QUERY_STATE_PENDING", "QUERY_STATE_EXECUTING"), "execution_id": ULID}
NODE_FAILED = {"status": one_of("QUERY_STATE_FAILED"), "execution_id": ULID, "error": WORDS}
NODE_WAITING = {"status": one_of("QUERY_STATE_PENDING")}


def node_executions(*nodes: Schema) -> Schema:
    """The nodes of a pipeline: a matview's refresh first, then the executions of queries."""
    kinds = [("materialized_view_refresh_status", {"name": WORDS})]
    kinds += [("query_execution_status", {"query_id": ID})] * (len(nodes) - 1)
    items = [fields({"id": ID, kind: fields(name | node)}) for (kind, name), node in zip(kinds, nodes, strict=True)]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


PIPELINE_STATUS = {
    "executing": fields(
        {"status": one_of("pending", "executing"), "node_executions": node_executions(NODE_RUNNING, NODE_WAITING)}
    ),
    "completed": fields({"status": one_of("completed"), "node_executions": node_executions(NODE_DONE, NODE_DONE)}),
    "failed": fields(
        {
            "status": one_of("failed"),
            "error": WORDS,
            "node_executions": node_executions(NODE_DONE, NODE_FAILED, NODE_WAITING),
        }
    ),
}
REFRESH_NODE = fields({"name": WORDS}, {"performance": TIER})
QUERY_NODE = fields({"query_id": ID}, {"performance": TIER, "query_parameters": ANY_OBJECT})
PIPELINE = fields(
    {
        "nodes": {
            "type": "array",
            "minItems": 1,
            "items": {
                "oneOf": [
                    fields({"id": ID, "dependencies": many(ID, 0), "materialized_view_refresh": REFRESH_NODE}),
                    fields({"id": ID, "dependencies": many(ID, 0), "query_execution": QUERY_NODE}),
                ]
            },
        }
    }
)
PARAMETER = fields(
    {"key": WORDS, "type": one_of("text", "number", "datetime", "enum")},
    {
        "value": TEXT,
        "values": many(TEXT),
        "description": TEXT,
        "enumOptions": many(TEXT),
        "isFreeformAllowed": FLAG,
        "isMultiselect": FLAG,
    },
)
QUERY = fields(
    {
        "query_id": ID,
        "name": WORDS,
        "description": TEXT,
        "query_sql": WORDS,
        "query_engine": WORDS,
        "parameters": many(PARAMETER, 0),
        "tags": many(TEXT, 0),
        "version": ID,
        "owner": WORDS,
        "is_private": FLAG,
        "is_archived": FLAG,
        "is_unsaved": FLAG,
        "is_temp": FLAG,
    }
)
QUERY_OVERVIEW = fields(
    {
        "id": ID,
        "name": WORDS,
        "description": TEXT,
        "owner": WORDS,
        "tags": many(TEXT, 0),
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
)
MATERIALIZED_VIEW = {"sql_id": WORDS, "query_id": ID, "is_private": FLAG, "table_size_bytes": COUNT}
LISTED_VIEW = fields(MATERIALIZED_VIEW | {"id": {"const": ""}})
SCHEDULE = fields(
    {"cron_expression": WORDS, "next_execution_time": SECONDS}, {"performance": TIER, "expires_at": WORDS}
)
OWNER = fields({"handle": WORDS, "type": one_of("user", "team")})
COLUMN = fields({"name": WORDS, "type": WORDS, "nullable": FLAG})
DATASET = fields(
    {
        "full_name": WORDS,
        "type": one_of("spell", "dune_table", "uploaded_table", "materialized_view"),
        "owner": OWNER,
        "columns": many(COLUMN),
        "metadata": ANY_OBJECT,
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "is_private": FLAG,
    }
)
TABLE = fields(
    {
        "full_name": WORDS,
        "is_private": FLAG,
        "table_size_bytes": {"type": "string", "pattern": r"^\d+$"},
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "owner": OWNER,
        "columns": many(COLUMN),
    }
)
FOUND = fields(
    {
        "full_name": WORDS,
        "category": one_of("canonical", "decoded", "spell", "community"),
        "dataset_type": WORDS,
        "visibility": one_of("public", "private"),
        "owner_scope": one_of("team", "all"),
    },
    {"description": WORDS, "schema": many(COLUMN), "metadata": ANY_OBJECT},
)
PAGINATION = {"limit": ID, "offset": COUNT}
PERIOD = fields({"start_date": DAY, "end_date": DAY, "credits_used": NUMBER, "credits_included": {"type": "integer"}})
DONE = fields({"message": WORDS})
CHANGED = fields({"query_id": ID})
SUBMITTED = fields({"execution_id": ULID, "state": one_of("QUERY_STATE_PENDING")})

SCHEMAS: dict[tuple[str, str], Schema] = {
    ("POST /v1/pipelines/execute", ""): STARTED_PIPELINE,
    ("POST /v1/query/{query_id}/pipeline/execute", ""): STARTED_PIPELINE,
    ("GET /v1/query/{query_id}/pipeline", ""): fields({"pipeline": PIPELINE}),
    ("POST /v1/query/{query_id}/execute", ""): SUBMITTED,
    ("POST /v1/sql/execute", ""): SUBMITTED,
    ("POST /v1/execution/{execution_id}/cancel", ""): fields({"success": FLAG}),
    ("POST /v1/query", ""): CHANGED,
    ("GET /v1/query/{queryId}", ""): QUERY,
    ("PATCH /v1/query/{queryId}", ""): CHANGED,
    ("POST /v1/query/{queryId}/archive", ""): CHANGED,
    ("POST /v1/query/{queryId}/unarchive", ""): CHANGED,
    ("POST /v1/query/{queryId}/private", ""): CHANGED,
    ("POST /v1/query/{queryId}/unprivate", ""): CHANGED,
    ("GET /v1/queries", ""): fields({"queries": many(QUERY_OVERVIEW), "total": ID}),
    ("GET /v1/materialized-views", ""): fields({"materialized_views": many(LISTED_VIEW)}),
    ("GET /v1/materialized-views", "page"): fields({"materialized_views": many(LISTED_VIEW), "next_offset": ID}),
    ("GET /v1/materialized-views/{name}", ""): fields(
        MATERIALIZED_VIEW | {"last_execution_ids": many(ULID), "schedule": {"type": "null"}}
    ),
    ("GET /v1/materialized-views/{name}", "scheduled"): fields(
        MATERIALIZED_VIEW | {"last_execution_ids": many(ULID), "schedule": SCHEDULE}
    ),
    ("POST /v1/materialized-views", ""): fields({"name": WORDS, "execution_id": ULID}),
    ("POST /v1/materialized-views/{name}/refresh", ""): fields({"execution_id": ULID, "sql_id": WORDS}),
    ("DELETE /v1/materialized-views/{name}", ""): DONE,
    ("GET /v1/datasets", ""): fields({"datasets": many(DATASET), "total": ID}),
    ("GET /v1/datasets/{slug}", ""): DATASET,
    ("POST /v1/datasets/search", ""): fields(
        {"total": ID, "results": many(FOUND), "pagination": fields(PAGINATION | {"has_more": {"const": False}})}
    ),
    ("POST /v1/datasets/search", "page"): fields(
        {
            "total": ID,
            "results": many(FOUND),
            "pagination": fields(PAGINATION | {"has_more": {"const": True}, "next_offset": ID}),
        }
    ),
    ("POST /v1/datasets/search-by-contract", ""): fields(
        {"total": COUNT, "results": many(FOUND, 0), "pagination": fields(PAGINATION | {"has_more": FLAG})}
    ),
    ("GET /whoami", ""): fields({"customer_id": WORDS, "created_by": ID, "api_key_id": ULID}),
    ("GET /v1/uploads", ""): fields({"tables": many(TABLE)}),
    ("GET /v1/uploads", "page"): fields({"tables": many(TABLE), "next_offset": ID}),
    ("POST /v1/uploads", ""): fields(
        {
            "namespace": WORDS,
            "table_name": WORDS,
            "full_name": WORDS,
            "example_query": WORDS,
            "message": WORDS,
            "already_existed": {"const": False},
        }
    ),
    ("POST /v1/uploads/csv", ""): fields({"success": {"const": True}, "table_name": WORDS}),
    ("POST /v1/uploads/{namespace}/{table_name}/insert", ""): fields(
        {"name": WORDS, "rows_written": COUNT, "bytes_written": COUNT}
    ),
    ("POST /v1/uploads/{namespace}/{table_name}/clear", ""): DONE,
    ("DELETE /v1/uploads/{namespace}/{table_name}", ""): DONE,
    ("POST /v1/usage", ""): fields(
        {
            "billing_periods": many(PERIOD),
            "bytes_used": COUNT,
            "bytes_allowed": COUNT,
            "private_queries": COUNT,
            "private_dashboards": COUNT,
        }
    ),
}
SCHEMAS |= {("GET /v1/execution/{execution_id}/status", state): schema for state, schema in STATUS.items()}
SCHEMAS |= {("GET /v1/execution/{execution_id}/results", state): schema for state, schema in RESULTS.items()}
SCHEMAS |= {
    ("GET /v1/query/{query_id}/results", state): RESULTS[state] for state in ("completed", "page", "partial", "expired")
}
SCHEMAS |= {
    ("GET /v1/endpoints/{handle}/{endpoint_slug}/results", state): RESULTS[state] for state in ("completed", "page")
}
SCHEMAS |= {
    ("GET /v1/pipelines/executions/{pipeline_execution_id}/status", state): schema
    for state, schema in PIPELINE_STATUS.items()
}
CSV_OPERATIONS = ("GET /v1/execution/{execution_id}/results/csv", "GET /v1/query/{query_id}/results/csv")
