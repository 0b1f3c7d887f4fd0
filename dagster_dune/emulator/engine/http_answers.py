"""Reads answers for `http_get` and `http_post` from a file, since queries have no access to the network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_dune.errors import DuneConfigurationError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REQUEST = re.compile(r"((GET|POST) )?\s*https?://", re.IGNORECASE)
_HINT = "Map each URL, or `POST` and the URL, to the text or the JSON that it answers."


def read_answers(path: Path) -> dict[str, str]:
    """Read the answers from a file.

    Args:
        path: YAML or JSON: URLs, or ``POST`` and a URL, with the text of each answer or a value to write as JSON.

    Raises:
        DuneConfigurationError: The file is invalid.
    """
    import yaml  # noqa: PLC0415 - slow to import

    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DuneConfigurationError(f"The answers in {path} cannot be read: {error}", hint=_HINT) from None
    return answers_of(content, str(path))


def answers_of(content: object, source: str) -> dict[str, str]:
    """Validate answers, and write values other than texts as JSON.

    Raises:
        DuneConfigurationError: The answers are no mapping of URLs.
    """
    if not isinstance(content, Mapping) or not all(isinstance(url, str) for url in content):
        raise DuneConfigurationError(f"{source} holds no answers by their URLs.", hint=_HINT)
    for url in content:
        if not _REQUEST.match(url):
            raise DuneConfigurationError(f"{source} holds an answer of {url!r}, which is no URL.", hint=_HINT)
    return {
        url if " " in url.strip() else f"GET {url}": answer if isinstance(answer, str) else json.dumps(answer)
        for url, answer in content.items()
    }


def register_answers(connection: DuckDBPyConnection, answers: Mapping[str, str]) -> None:
    """Create the macro that returns the answer of a request, or fails if there is none."""
    lists = [", ".join(_text(text) for text in texts) for texts in (answers.keys(), answers.values())]
    known = f"map(CAST([{lists[0]}] AS VARCHAR[]), CAST([{lists[1]}] AS VARCHAR[]))"
    connection.execute(
        "CREATE OR REPLACE MACRO trino_http_answer(request) AS list_transform("
        f"[{{'r': request, 'm': {known}}}], lambda q: CASE WHEN q.r IS NOT NULL AND NOT map_contains(q.m, q.r) "
        "THEN trino_fail('queries of the local Dune reach no network: no answer is given for ' || q.r || "
        "' (--http-answers)') ELSE map_extract_value(q.m, q.r) END)[1]"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
