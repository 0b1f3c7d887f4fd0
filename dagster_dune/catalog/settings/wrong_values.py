"""Messages about values that pydantic has refused, for the users who wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

MAX_TEXT_SHOWN = 100
CHARACTERS = {
    r"^[A-Za-z0-9_]+$": "letters, digits and _",
    r"^[A-Za-z0-9_.-]+$": "letters, digits, _, . and -",
}
"""A description of the characters that the patterns of our models allow."""


def message_and_hint(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return a message about a wrong value, and a hint with the value that was probably meant; empty if there is none.

    Args:
        error: One of `ValidationError.errors`. The message contains its input if there is one and it is a text.

    Examples:
        >>> message_and_hint({"type": "literal_error", "msg": "Input should be 'a' or 'bc'", "input": "b",
        ...        "ctx": {"expected": "'a' or 'bc'"}})
        ("Input should be 'a' or 'bc', not 'b'", "Did you mean 'bc'?")
    """
    given, context = error.get("input"), error.get("ctx", {})
    shown = f", not {given[:MAX_TEXT_SHOWN]!r}" if isinstance(given, str) else ""
    if characters := CHARACTERS.get(str(context.get("pattern"))):
        return f"it may hold {characters} alone{shown}", ""
    choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    close = get_close_matches(given[:MAX_TEXT_SHOWN].lower(), choices, n=1) if shown and isinstance(given, str) else []
    return f"{error['msg']}{shown}", f"Did you mean {close[0]!r}?" if close else ""
