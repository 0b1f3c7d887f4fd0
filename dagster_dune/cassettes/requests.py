"""Reads requests in the same way for recording and for replaying, without their API keys."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dagster_dune.cassettes.anonymous import Anonymous
from dagster_dune.cassettes.cassette import RecordedRequest

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
KEY_HEADER, KEY_OPTION = "x-dune-api-key", "api_key"


def anonymous_request(anonymous: Anonymous, asked: RecordedRequest) -> RecordedRequest:
    """Return a request without data of the account."""
    sent = anonymous.sent(asked.path, asked.body)
    return RecordedRequest(asked.method, anonymous.path(asked.path), anonymous.options(asked.options), sent)


def body_of(text: str) -> Any:
    """Return a body as JSON, as text if it is no JSON, None if it is empty."""
    if not text.strip():
        return None
    try:
        value = json.loads(text)
        if SURROGATE.search(text):  # a lone surrogate, which JSON can contain and UTF-8 cannot
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def request_of(method: str, target: str, body: bytes) -> RecordedRequest:
    """Return a request, without an API key in its query string."""
    parts = urlsplit(target)
    options = {name: value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != KEY_OPTION}
    return RecordedRequest(method, parts.path, options, body_of(body.decode(errors="replace")))
