"""The forms that a key may have in texts of others: JSON, HTML, URLs, hex, base64, and escapes of these."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

SHORTEST_REDACTED = 6
"""A shorter text is not a key of Dune's (these have 32 characters), and would be found in ordinary words."""

SIGNS_OF_ESCAPES = (b"%", b"&", b"\\", b"\0")
DECODED_TIMES = 3
ESCAPE = re.compile(r"\\(?:u00|u\{|x)([0-9A-Fa-f]{2})\}?")


def forms_of(text: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the forms of a key in JSON, HTML, URLs and logs, the longest first: all forms, and the readable ones."""
    if len(text) < SHORTEST_REDACTED:
        return (), ()
    plain = {text, json.dumps(text)[1:-1], text.replace("/", "\\/"), html.escape(text), quote(text, safe="")}
    in_hex = text.encode().hex()
    encoded = {in_hex, in_hex.upper(), *_in_base64(text)}
    by_length = [sorted((form.encode() for form in forms), key=len, reverse=True) for forms in (plain | encoded, plain)]
    return tuple(by_length[0]), tuple(by_length[1])


def decoded(text: str) -> str:
    """Decode the escapes of URLs, HTML, JSON and logs in a text, also if it was escaped up to three times."""
    for _ in range(DECODED_TIMES):
        plain = html.unescape(unquote(text))
        plain = ESCAPE.sub(lambda match: chr(int(match[1], 16)), plain).replace("\\", "").replace("\0", "")
        if plain == text:
            break
        text = plain
    return text


def _in_base64(text: str) -> Iterator[str]:
    """Yield the base64 of the key at each offset in a longer text, such as a user with a password."""
    yield base64.b64encode(text.encode()).decode().rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + text.encode()).decode().rstrip("=")
        first = (0, 2, 3)[before]  # earlier characters, and some at the end, depend on the text around the key
        last = len(encoded) - (1 if (before + len(text)) % 3 else 0)
        for form in (encoded[first:last], encoded[first:last].translate(str.maketrans("+/", "-_"))):
            if len(form) >= SHORTEST_REDACTED:
                yield form
