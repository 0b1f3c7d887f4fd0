"""Functions of URLs: escapes, parts and parameters."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote_plus, urlsplit

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


@native("VARCHAR", "VARCHAR")
def url_encode(text: str) -> str:
    """Escape a text for a parameter of a URL."""
    return quote_plus(text, safe="*").replace("~", "%7E")


@native("VARCHAR", "VARCHAR")
def url_decode(text: str) -> str:
    """Unescape a text."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise FunctionError(f"URLDecoder: Illegal hex characters in escape (%) pattern: {text}")
    return unquote_plus(text)


@native("VARCHAR", "VARCHAR", "VARCHAR")
def url_part(url: str, part: str) -> str | None:
    """Return a part of a URL, None if the URL is invalid."""
    if re.search(r"[\s<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})", url):
        return None
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    if part == "port":
        return None if port is None else str(port)
    if part == "host":
        authority = split.netloc.rpartition("@")[2]
        return authority.rpartition(":")[0] if port is not None else authority
    raw = {"protocol": url.partition(":")[0] if split.scheme else "", "path": split.path, "query": split.query,
           "fragment": split.fragment}[part]  # fmt: skip
    return unquote_plus(raw.replace("+", "%2B")) if part in ("path", "query", "fragment") else raw


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def url_parameter(url: str, name: str, _part: str) -> str | None:
    """Return the first parameter with a name in a URL."""
    if url_part(url, "query") is None:
        return None
    query = urlsplit(url).query
    for pair in query.split("&") if query else ():
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name:
            return unquote_plus(value)
    return None
