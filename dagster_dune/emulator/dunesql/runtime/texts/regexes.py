"""Functions of regular expressions with Java's syntax and replacements."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import regex

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native
from dagster_dune.emulator.dunesql.runtime.texts.patterns import translated

_SECONDS = 5.0
_Found = TypeVar("_Found")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    try:
        return regex.compile(translated(pattern))
    except regex.error as error:
        raise FunctionError(f"Invalid regular expression '{pattern}': {error}") from None


def _within_time(search: Callable[[], _Found], pattern: str) -> _Found:
    try:
        return search()
    except TimeoutError:
        raise FunctionError(f"The regular expression '{pattern}' takes longer than {_SECONDS:.0f} s") from None


def _matches(text: str, pattern: str, place: int = 0) -> list[Any]:
    """Return all matches from a position on; after an empty one, the search continues at the next character."""
    found: list[Any] = []
    while place <= len(text) and (match := _first(text, pattern, place)) is not None:
        found.append(match)
        place = match.end() + (match.end() == match.start())
    return found


def _first(text: str, pattern: str, place: int = 0) -> Any:
    return _within_time(lambda: _compiled(pattern).search(text, pos=place, timeout=_SECONDS), pattern)


def _check_group(pattern: str, group: int) -> None:
    count = _compiled(pattern).groups
    if group < 0:
        raise FunctionError("Group cannot be negative")
    if group > count:
        raise FunctionError(f"Pattern has {count} groups. Cannot access group {group}")


@native("BOOLEAN", "VARCHAR", "VARCHAR")
def regexp_like(text: str, pattern: str) -> bool:
    """Return whether a text contains a match."""
    return _first(text, pattern) is not None


@native("VARCHAR", "VARCHAR", "VARCHAR", "BIGINT")
def regexp_extract(text: str, pattern: str, group: int) -> str | None:
    """Return a group of the first match, None if there is none."""
    _check_group(pattern, group)
    match = _first(text, pattern)
    return match[group] if match else None


@native("VARCHAR[]", "VARCHAR", "VARCHAR", "BIGINT")
def regexp_extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """Return a group of all matches."""
    _check_group(pattern, group)
    return [match[group] for match in _matches(text, pattern)]


@native("VARCHAR[][]", "VARCHAR", "VARCHAR")
def regexp_groups(text: str, pattern: str) -> list[list[str | None]]:
    """Return for each match the text before it and its groups, and finally the text after the last match."""
    pieces: list[list[str | None]] = []
    end = 0
    for match in _matches(text, pattern):
        pieces.append([text[end : match.start()], *match.groups()])
        end = match.end()
    return [*pieces, [text[end:]]]


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def regexp_replace(text: str, pattern: str, replacement: str) -> str:
    """Replace all matches; ``$1`` and ``${name}`` are groups, and a backslash escapes the next character."""
    parts: list[str] = []
    end = 0
    for match in _matches(text, pattern):
        parts += [text[end : match.start()], _replaced(match, replacement)]
        end = match.end()
    return "".join([*parts, text[end:]])


def _replaced(match: Any, replacement: str) -> str:
    made, place = "", 0
    while place < len(replacement):
        letter = replacement[place]
        if letter == "\\":
            if place + 1 == len(replacement):
                raise FunctionError("Illegal replacement sequence: character to be escaped is missing")
            made, place = made + replacement[place + 1], place + 2
        elif letter == "$":
            group, place = _group(match, replacement, place + 1)
            made += match[group] or ""
        else:
            made, place = made + letter, place + 1
    return made


def _group(match: Any, replacement: str, place: int) -> tuple[int | str, int]:
    """Parse the reference to a group, which has as many digits as there is such a group."""
    if replacement[place : place + 1] == "{":
        end = replacement.find("}", place)
        name = replacement[place + 1 : end]
        if end < 0 or name not in match.re.groupindex:
            raise FunctionError(f"Illegal replacement sequence: unknown group {{{name}}}")
        return name, end + 1
    if not replacement[place : place + 1].isdigit():
        raise FunctionError("Illegal replacement sequence: illegal group reference")
    number, count = int(replacement[place]), match.re.groups
    place += 1
    if number > count:
        raise FunctionError(f"Illegal replacement sequence: unknown group {number}")
    while replacement[place : place + 1].isdigit() and number * 10 + int(replacement[place]) <= count:
        number, place = number * 10 + int(replacement[place]), place + 1
    return number, place


@native("VARCHAR[]", "VARCHAR", "VARCHAR")
def regexp_split(text: str, pattern: str) -> list[str]:
    """Return the texts between the matches."""
    parts, end = [], 0
    for match in _matches(text, pattern):
        parts.append(text[end : match.start()])
        end = match.end()
    return [*parts, text[end:]]


@native("BIGINT", "VARCHAR", "VARCHAR")
def regexp_count(text: str, pattern: str) -> int:
    """Return the number of matches."""
    return len(_matches(text, pattern))


@native("INTEGER", "VARCHAR", "VARCHAR", "BIGINT", "BIGINT")
def regexp_position(text: str, pattern: str, start: int, occurrence: int) -> int:
    """Return the position of a match, from 1; -1 if there is none."""
    if start < 1:
        raise FunctionError(f"start position cannot be smaller than 1, got: {start}")
    if occurrence < 1:
        raise FunctionError(f"occurrence cannot be smaller than 1, got: {occurrence}")
    if start > len(text):
        return -1
    found = _matches(text, pattern, start - 1)
    return found[occurrence - 1].start() + 1 if len(found) >= occurrence else -1


@lru_cache(maxsize=256)
def _like_pattern(pattern: str, escape: str | None) -> Any:
    parts, place = [], 0
    if escape is not None and len(escape) != 1:
        raise FunctionError("Escape string must be a single character")
    while place < len(pattern):
        letter = pattern[place]
        if letter == escape:
            following = pattern[place + 1 : place + 2]
            if following not in ("%", "_", escape) or not following:
                raise FunctionError("Escape character must be followed by '%', '_' or the escape character itself")
            parts.append(regex.escape(following))
            place += 1
        else:
            parts.append({"%": ".*", "_": "."}.get(letter) or regex.escape(letter))
        place += 1
    return regex.compile("".join(parts), regex.DOTALL)


@native("BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR")
def like(text: str, pattern: str, escape: str) -> bool:
    """Return whether a text matches a LIKE pattern with an escape character."""
    return _like_pattern(pattern, escape).fullmatch(text) is not None
