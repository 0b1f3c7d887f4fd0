"""Translates Java's regular expressions to the syntax of the module `regex`."""

from __future__ import annotations

import re

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError

_PIECE = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)|\\k<(?P<name>\w+)>|(?P<final>\\[Zz])|(?P<escaped>\\.)|(?P<group>\(\?(?P<kind>[^)]{0,2}))"
    r"|(?P<set>\[)",
    re.DOTALL,
)
_GROUPS = re.compile(r"[:=!>#]|<[=!A-Za-z]|[a-zA-Z-]")
_FOREIGN_GROUPS = re.compile(r"[RL&]")
_SET_PIECE = re.compile(r"\\Q(?P<quoted>.*?)(?:\\E|$)|(?P<whole>\\.|\[:\^?\w+:\]|&&)|(?P<sign>[-&|~])", re.DOTALL)
_SETS = "(?V1-f)"
"""Enables nested sets, and Java's case folding."""


def translated(pattern: str) -> str:
    """Translate a pattern of Java.

    Raises:
        FunctionError: It has a group that is invalid in Java.
    """
    made: list[str] = []
    place, has_sets = 0, False
    while (match := _PIECE.search(pattern, place)) is not None:
        made.append(pattern[place : match.start()])
        place = match.end()
        if match["quoted"] is not None:
            made.append(re.escape(match["quoted"]))
        elif match["name"]:
            made.append(f"(?P={match['name']})")
        elif match["final"]:
            made.append(r"(?=\n?\Z)" if match["final"] == r"\Z" else r"\Z")  # the module's own end is the last one
        elif match["group"]:
            _check_group(pattern, match["kind"])
            made.append(match[0])
        elif match["set"]:
            written, place, is_nested = _set(pattern, match.start())
            made.append(written)
            has_sets = has_sets or is_nested
        else:
            made.append(match[0])
    whole = "".join([*made, pattern[place:]])
    return _SETS + whole if has_sets else whole


def _check_group(pattern: str, kind: str) -> None:
    if not _GROUPS.match(kind) or _FOREIGN_GROUPS.match(kind):
        raise FunctionError(f"Invalid regular expression '{pattern}': undefined group option (?{kind[:1]}")


def _set(pattern: str, start: int) -> tuple[str, int, bool]:
    """Translate a set: return its translation, its end, and whether it contains sets."""
    place, made, is_nested = start + 1, ["["], False
    if pattern[place : place + 1] == "^":
        place, made = place + 1, ["[^"]
    first = place
    while place < len(pattern) and (pattern[place] != "]" or place == first):
        match = _SET_PIECE.match(pattern, place)
        if match is None and pattern[place] == "[":
            written, place, _ = _set(pattern, place)
            made.append(written)
            is_nested = True
            continue
        made.append(pattern[place] if match is None else _set_piece(pattern, match))
        is_nested = is_nested or (match is not None and match["whole"] == "&&")
        place = match.end() if match else place + 1
    return "".join([*made, "]"]) if place < len(pattern) else "".join(made), place + 1, is_nested


def _set_piece(pattern: str, match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return re.escape(match["quoted"])
    if match["whole"]:
        return match["whole"]
    is_twice = match[0] in (pattern[match.end() : match.end() + 1], pattern[match.start() - 1 : match.start()])
    return "\\" + match[0] if match[0] != "-" or is_twice else match[0]
