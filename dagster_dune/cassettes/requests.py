"""How a request is read, the same when it is recorded and when it is replayed: without its key."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dagster_dune.cassettes.anonymous import Anonymous
from dagster_dune.cassettes.cassette import Asked

HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
KEY_HEADER, KEY_OPTION = "x-dune-api-key", "api_key"


def anonymous_request(anonymous: Anonymous, asked: Asked) -> Asked:
    """A request without what is the account's."""
    sent = anonymous.sent(asked.path, asked.body)
    return Asked(asked.method, anonymous.path(asked.path), anonymous.options(asked.options), sent)


def body_of(text: str) -> Any:
    """A body as JSON; as text where it is none, None where there is none."""
    if not text.strip():
        return None
    try:
        value = json.loads(text)
        if HALF_A_CHARACTER.search(text):  # which JSON can spell, and no file can hold
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def request_of(method: str, target: str, body: bytes) -> Asked:
    """A request, without the key that may stand in its query string."""
    parts = urlsplit(target)
    options = {name: value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != KEY_OPTION}
    return Asked(method, parts.path, options, body_of(body.decode(errors="replace")))
