"""Requests and answers for a bug report: their structure and Dune's own words, without any data of the account."""

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
WORDS = frozenset({"status", "state", "type", "performance", "column_types", "cron_expression", "query_engine"})
"""The fields whose texts are Dune's own words, as long as they look like words."""

TOLD = frozenset({"error", "message"})
"""The fields with sentences of Dune's, which may name things of the account's."""

COUNTS = re.compile(
    r".*(count|bytes|credits|millis|total|limit|offset|line|column|position|version|queries|included)\w*"
)
ROWS = frozenset({"rows", "query_parameters", "params"})
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
WORD = re.compile(r"[A-Za-z_][A-Za-z_ ]{0,40}(\([0-9]+(, ?[0-9]+)?\))?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z| UTC|[+-][0-9:]+)?)?")
NAMING = re.compile(
    r"'[^']*'|\"[^\"]*\"|`[^`]*`|\b(?![0-9]+\.[0-9]+\b)\w+(?:\.[\w\"-]+)+|\b[0-9A-HJKMNP-TV-Z]{26}\b|\b0x[0-9a-fA-F]+|\b\w*[0-9]{3,}\w*"
)
SHOWN_ITEMS = 3
PATH_WORDS = re.compile(r"[a-z][a-z-]*|v1")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        method: The request's.
        path: Its path after ``/api/``.
        options: Its query string.
        sent: Its body as JSON.
        status: The answer's.
        headers: The answer's, by their names in lower case.
        body: The answer's, as text.
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
        """Keep what an answer says."""
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
        """Whether its status says that all is well."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The answer's body, where it is JSON; None otherwise."""
        return parsed(self.body)

    def shown(self) -> dict[str, Any]:
        """The exchange as others may see it."""
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
    """A path without ids and names.

    Examples:
        >>> shown_path("v1/materialized-views/dune.acme.result_x"), shown_path("v1/query/4711/results/csv")
        ('v1/materialized-views/{name}', 'v1/query/{id}/results/csv')
    """
    parts = path.split("/")
    shown = []
    for place, part in enumerate(parts):
        plain = unquote(part)
        is_name = place > 0 and parts[place - 1] in ("materialized-views", "uploads", "datasets", "endpoints")
        is_fixed = PATH_WORDS.fullmatch(plain) and not (is_name and plain not in ("search", "csv"))
        shown.append(plain if is_fixed else "{id}" if re.fullmatch(r"[0-9]+|[0-9A-Z]{26}", plain) else "{name}")
    return "/".join(shown)


def shape(value: Any, name: str = "") -> Any:
    """A JSON value without what is the account's: names, SQL, rows, ids.

    Examples:
        >>> shape({"query_sql": "SELECT 1", "state": "QUERY_STATE_FAILED", "rows": [{"a": 1}], "row_count": 1})
        {'query_sql': '<text of 8>', 'state': 'QUERY_STATE_FAILED', 'rows': '<1>', 'row_count': 1}
    """
    match value:
        case list() | dict() if name in ROWS:
            shown: Any = f"<{len(value)}>"
        case dict():
            shown = {key if IDENTIFIER.fullmatch(key) else "<name>": shape(item, key) for key, item in value.items()}
        case list():
            more = [f"<{len(value) - SHOWN_ITEMS} more>"] if len(value) > SHOWN_ITEMS else []
            shown = [shape(item, name) for item in value[:SHOWN_ITEMS]] + more
        case str():
            shown = _shown_text(value, name)
        case bool() | None:
            shown = value
        case _:
            shown = value if COUNTS.fullmatch(name) else "<number>"
    return shown


def _shown_text(text: str, name: str) -> str:
    if TIME.fullmatch(text) or (name in WORDS and WORD.fullmatch(text)):
        return text
    return without_names(text) if name in TOLD else f"<text of {len(text)}>"


def without_names(sentence: str) -> str:
    """A sentence of Dune's without what it quotes, and without names and numbers.

    Examples:
        >>> without_names("line 1:8: Column 'secret' cannot be resolved in dune.acme.result_x")
        'line 1:8: Column <...> cannot be resolved in <...>'
    """
    return NAMING.sub("<...>", sentence)


def parsed(body: bytes) -> Any:
    """A body as JSON; None where it is none."""
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        return None
