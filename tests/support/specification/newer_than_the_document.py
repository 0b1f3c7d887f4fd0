"""What Dune answers today and its OpenAPI document of January 2026 says otherwise, for the two judges that read it.

The facts in words, each with its test, are the table "Newer than the OpenAPI document" of docs/assumptions.md.
"""

from typing import Any

FIELDS: dict[str, dict[str, Any]] = {
    "GET /v1/materialized-views/{name}": {"schedule": {"type": ["object", "null"]}},
    "GET /v1/query/{queryId}": {"is_temp": {"type": "boolean"}},
}
"""Fields of answers that the document does not know."""

OPERATIONS = frozenset({"POST /v1/datasets/search", "POST /v1/datasets/search-by-contract", "GET /whoami"})
"""Operations that the document does not know."""

STATUSES = frozenset({("POST /v1/pipelines/execute", 404)})
"""Statuses of operations that the document does not list."""

STATUSES_OF_ALL = frozenset({401, 404, 429})
"""Statuses that the manual gives to every endpoint, although the document leaves them out of some."""

STATUSES_OF_ALL_KNOWN_REQUESTS = frozenset({401, 429})
"""Those of them that a request to an object which is there can be answered with."""

FREE_FORM = frozenset({"models.Row"})
"""Schemas that hold for no answer at all: the document says that each value of a row is an object."""
