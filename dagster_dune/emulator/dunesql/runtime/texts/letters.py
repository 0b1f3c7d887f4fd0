"""Characters and parts of texts."""

from __future__ import annotations

import unicodedata

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, check_size, native


@native("VARCHAR", "VARCHAR", "VARCHAR")
def normalize(text: str, form: str) -> str:
    """Return a text in a Unicode normal form."""
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


@native("VARCHAR", "VARCHAR", "BIGINT", "VARCHAR", "BOOLEAN")
def pad(text: str, size: int, padding: str, left: bool) -> str:
    """Pad or truncate a text to a length."""
    if size < 0 or size > 2**31 - 1:
        raise FunctionError("Target length must be in the range [0..2147483647]")
    check_size(size, "lpad" if left else "rpad")
    if not padding:
        raise FunctionError("Padding string must not be empty")
    if len(text) >= size:
        return text[:size]
    missing = size - len(text)
    filled = (padding * (missing // len(padding) + 1))[:missing]
    return filled + text if left else text + filled


@native("BLOB", "BLOB", "BIGINT", "BLOB", "BOOLEAN")
def pad_bytes(value: bytes, size: int, padding: bytes, left: bool) -> bytes:
    """Pad or truncate bytes to a length."""
    if size < 0 or size > 2**31 - 1:
        raise FunctionError("Target length must be in the range [0..2147483647]")
    check_size(size, "lpad" if left else "rpad")
    if not padding:
        raise FunctionError("Padding bytes must not be empty")
    if len(value) >= size:
        return value[:size]
    missing = size - len(value)
    filled = (padding * (missing // len(padding) + 1))[:missing]
    return filled + value if left else value + filled


@native("VARCHAR[]", "VARCHAR", "VARCHAR", "BIGINT")
def split(text: str, delimiter: str, limit: int) -> list[str]:
    """Split a text at a delimiter; with a limit, the last part contains the rest."""
    if not delimiter:
        raise FunctionError("The delimiter may not be the empty string")
    if limit <= 0:
        raise FunctionError("Limit must be positive")
    if limit >= 2**31:
        raise FunctionError("Limit is too large")
    return text.split(delimiter, limit - 1)


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def replace(text: str, search: str, replacement: str) -> str:
    """Replace all occurrences; an empty text matches before, between and after all characters."""
    check_size(len(text) + text.count(search) * max(len(replacement) - len(search), 0), "replace")
    return text.replace(search, replacement)


@native("BIGINT", "VARCHAR", "VARCHAR", "BIGINT")
def strpos(text: str, part: str, instance: int) -> int:
    """Return the position of the nth occurrence of a part, from the end if n is negative; 0 if there is none."""
    if instance == 0:
        raise FunctionError("'instance' must not be a positive or negative number.")
    if not part:
        return 1
    place = -1 if instance > 0 else len(text) + 1
    for _ in range(abs(instance)):
        place = text.find(part, place + 1) if instance > 0 else text.rfind(part, 0, max(0, place + len(part) - 1))
        if place < 0:
            return 0
    return place + 1


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def translate(text: str, source: str, target: str) -> str:
    """Replace characters by those at the same positions; characters without one are removed."""
    table: dict[str, str] = {}
    for place, letter in enumerate(source):
        table.setdefault(letter, target[place] if place < len(target) else "")
    return "".join(table.get(letter, letter) for letter in text)


@native("VARCHAR", "BIGINT")
def chr(code: int) -> str:  # noqa: A001
    """Return the character of a code point."""
    import builtins  # noqa: PLC0415

    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise FunctionError(f"Not a valid Unicode code point: {code}")
    return builtins.chr(code)
