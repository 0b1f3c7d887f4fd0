"""Prepares requests and answers for bug reports: their structure and Dune's own words, without data of the account."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from dagster_dune.api.http.answers import Answer

SHOWN_HEADERS = re.compile(
    r"date|server|content-type|content-encoding|retry-after|via|age|cf-cache-status|x-cache|x-ratelimit-\w+|x-dune-next-offset"
)
ENUM_FIELDS = frozenset({"status", "state", "type", "performance", "column_types", "cron_expression", "query_engine"})
"""Fields whose values are Dune's own words, and are shown if they look like words."""

SENTENCE_FIELDS = frozenset({"error", "message"})
"""Fields with sentences of Dune, which may contain names of the account's objects."""

COUNT_FIELDS = re.compile(
    r".*(count|bytes|credits|millis|total|limit|offset|line|column|position|version|queries|included)\w*"
)
ROW_FIELDS = frozenset({"rows", "query_parameters", "params"})
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
WORD = re.compile(r"[A-Za-z_][A-Za-z_ ]{0,40}(\([0-9]+(, ?[0-9]+)?\))?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z| UTC|[+-][0-9:]+)?)?")
PRIVATE_PARTS = re.compile(
    r"'[^']*'|\"[^\"]*\"|`[^`]*`|\b(?![0-9]+\.[0-9]+\b)\w+(?:\.[\w\"-]+)+|\b[0-9A-HJKMNP-TV-Z]{26}\b|\b0x[0-9a-fA-F]+|\b\w*[0-9]{3,}\w*"
)
MAX_ITEMS = 3
PATH_WORD = re.compile(r"[a-z][a-z-]*|v1")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        method: The HTTP method.
        path: The path after ``/api/``.
        options: The query string.
        sent: The body of the request as JSON.
        status: The HTTP status of the answer.
        headers: The headers of the answer, by lower-case names.
        body: The body of the answer.
    """

    method: str
    path: str
    options: Mapping[str, Any]
    sent: Any
    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, answer: Answer) -> Exchange:
        """Return the exchange of an answer of our client."""
        request = answer.request
        return cls(
            method=request.method,
            path=request.path,
            options=dict(request.params or {}),
            sent=parsed(request.content if isinstance(request.content, bytes) else b""),
            status=answer.status,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=answer.body,
        )

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body of the answer as JSON; None if it is no JSON."""
        return parsed(self.body)

    def shown(self) -> dict[str, Any]:
        """Return the exchange without data of the account."""
        headers = {
            name: said if SHOWN_HEADERS.fullmatch(name) else "(left out)" for name, said in sorted(self.headers.items())
        }
        return {
            "request": f"{self.method} /api/{shown_path(self.path)}",
            "options": {name: shape(value, name) for name, value in self.options.items()},
            "sent": shape(self.sent),
            "status": self.status,
            "headers": headers,
            "answer": shape(self.json) if self.json is not None else f"<{len(self.body)} bytes that are no JSON>",
        }


def shown_path(path: str) -> str:
    """Return a path without ids and names.

    Examples:
        >>> shown_path("v1/materialized-views/dune.acme.result_x"), shown_path("v1/query/4711/results/csv")
        ('v1/materialized-views/{name}', 'v1/query/{id}/results/csv')
    """
    parts = path.split("/")
    shown = []
    for place, part in enumerate(parts):
        plain = unquote(part)
        is_name = place > 0 and parts[place - 1] in ("materialized-views", "uploads", "datasets", "endpoints")
        is_fixed = PATH_WORD.fullmatch(plain) and not (is_name and plain not in ("search", "csv"))
        shown.append(plain if is_fixed else "{id}" if re.fullmatch(r"[0-9]+|[0-9A-Z]{26}", plain) else "{name}")
    return "/".join(shown)


def shape(value: Any, name: str = "") -> Any:
    """Return the structure of a JSON value, without names, SQL, rows and ids.

    Examples:
        >>> shape({"query_sql": "SELECT 1", "state": "QUERY_STATE_FAILED", "rows": [{"a": 1}], "row_count": 1})
        {'query_sql': '<text of 8>', 'state': 'QUERY_STATE_FAILED', 'rows': '<1>', 'row_count': 1}
    """
    match value:
        case list() | dict() if name in ROW_FIELDS:
            shown: Any = f"<{len(value)}>"
        case dict():
            shown = {key if IDENTIFIER.fullmatch(key) else "<name>": shape(item, key) for key, item in value.items()}
        case list():
            more = [f"<{len(value) - MAX_ITEMS} more>"] if len(value) > MAX_ITEMS else []
            shown = [shape(item, name) for item in value[:MAX_ITEMS]] + more
        case str():
            shown = _shown_text(value, name)
        case bool() | None:
            shown = value
        case _:
            shown = value if COUNT_FIELDS.fullmatch(name) else "<number>"
    return shown


def _shown_text(text: str, name: str) -> str:
    if TIME.fullmatch(text) or (name in ENUM_FIELDS and WORD.fullmatch(text)):
        return text
    return without_names(text) if name in SENTENCE_FIELDS else f"<text of {len(text)}>"


def without_names(sentence: str) -> str:
    """Return a sentence of Dune without quoted texts, names and numbers.

    Examples:
        >>> without_names("line 1:8: Column 'secret' cannot be resolved in dune.acme.result_x")
        'line 1:8: Column <...> cannot be resolved in <...>'
    """
    return PRIVATE_PARTS.sub("<...>", sentence)


def parsed(body: bytes) -> Any:
    """Return a body as JSON; None if it is no JSON."""
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        return None
