"""What is wrong with a value that pydantic has refused, in words for whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

LONGEST_WORD = 100
CHARACTERS = {
    r"^[A-Za-z0-9_]+$": "letters, digits and _",
    r"^[A-Za-z0-9_.-]+$": "letters, digits, _, . and -",
}
"""What the patterns of our models say."""


def wrong(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong, and what was probably meant: empty where nothing is like it.

    Args:
        error: One of `ValidationError.errors`; its input is shown where it is a text and is given.

    Examples:
        >>> wrong({"type": "literal_error", "msg": "Input should be 'a' or 'bc'", "input": "b",
        ...        "ctx": {"expected": "'a' or 'bc'"}})
        ("Input should be 'a' or 'bc', not 'b'", "Did you mean 'bc'?")
    """
    given, context = error.get("input"), error.get("ctx", {})
    shown = f", not {given[:LONGEST_WORD]!r}" if isinstance(given, str) else ""
    if characters := CHARACTERS.get(str(context.get("pattern"))):
        return f"it may hold {characters} alone{shown}", ""
    choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    close = get_close_matches(given[:LONGEST_WORD].lower(), choices, n=1) if shown and isinstance(given, str) else []
    return f"{error['msg']}{shown}", f"Did you mean {close[0]!r}?" if close else ""
