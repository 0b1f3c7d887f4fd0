"""Converts JSON functions with clauses to plain calls.

``json_value(d, 'lax $.a' RETURNING bigint NULL ON EMPTY)`` becomes ``json_value('<clauses>', d, 'lax $.a')``, where the
clauses are JSON. See https://trino.io/docs/current/functions/json.html.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlglot import Token, TokenType

from dagster_dune.emulator.dunesql.parse.lexemes import error_at_token, with_text

_PATHS = ("json_exists", "json_value", "json_query")
_CONSTRUCTORS = ("json_object", "json_array")
_DEPTH_CHANGES = {TokenType.L_PAREN: 1, TokenType.L_BRACKET: 1, TokenType.R_PAREN: -1, TokenType.R_BRACKET: -1}
_ENDS = ("passing", "returning", "with", "without", "keep", "omit", "null", "error", "empty", "default", "true",
         "false", "unknown", "absent")  # fmt: skip
"""The first words of clauses after the path."""
_BEHAVIOURS = {
    "json_exists": ("true", "false", "unknown", "error"),
    "json_value": ("null", "error", "default"),
    "json_query": ("null", "error", "empty array", "empty object", "empty"),
}


def as_calls(tokens: Sequence[Token]) -> list[Token]:
    """Convert the JSON functions to plain calls.

    Args:
        tokens: The tokens of a query.

    Returns:
        The tokens; the first argument of each of these calls is a text with its clauses as JSON.

    Raises:
        SqlError: A clause has another form than documented.
    """
    made: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        is_call = position + 1 < len(tokens) and tokens[position + 1].token_type == TokenType.L_PAREN
        name = token.text.lower()
        if not is_call or name not in (*_PATHS, *_CONSTRUCTORS):
            made.append(token)
            position += 1
            continue
        end = _closing(tokens, position + 1)
        inside = as_calls(tokens[position + 2 : end])
        arguments = _path_call(token, name, inside) if name in _PATHS else _constructor_call(token, name, inside)
        made += [token, tokens[position + 1], *arguments, *tokens[end : end + 1]]
        position = end + 1
    return made


def _closing(tokens: Sequence[Token], position: int) -> int:
    depth = 0
    for index in range(position, len(tokens)):
        depth += _DEPTH_CHANGES.get(tokens[index].token_type, 0)
        if depth == 0:
            return index
    raise error_at_token(tokens[position], "mismatched input '(': it is not closed")


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split tokens at commas outside of parentheses and brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += _DEPTH_CHANGES.get(token.token_type, 0)
        if token.token_type == TokenType.COMMA and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _top(tokens: Sequence[Token]) -> list[tuple[int, str]]:
    """Return the words outside of parentheses and brackets, with their positions."""
    depth, words = 0, []
    for place, token in enumerate(tokens):
        depth += _DEPTH_CHANGES.get(token.token_type, 0)
        if depth == 0 and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER):
            words.append((place, token.text.lower()))
    return words


class _Clauses:
    """Parses clauses word by word."""

    def __init__(self, call: Token, tokens: Sequence[Token]) -> None:
        self.call, self.tokens, self.at = call, list(tokens), 0

    def word(self, ahead: int = 0) -> str:
        place = self.at + ahead
        is_word = place < len(self.tokens) and self.tokens[place].token_type != TokenType.STRING
        return self.tokens[place].text.lower() if is_word else ""

    def takes(self, words: str) -> bool:
        parts = words.split()
        found = [self.word(ahead) for ahead in range(len(parts))] == parts
        self.at += len(parts) if found else 0
        return found

    def until(self, *stops: str) -> list[Token]:
        """Consume and return the tokens before one of some words."""
        words = dict(_top(self.tokens[self.at :]))
        end = next((place for place in sorted(words) if place and words[place] in stops), len(self.tokens) - self.at)
        taken = self.tokens[self.at : self.at + end]
        self.at += end
        return taken

    def refuse(self) -> Exception:
        token = self.tokens[self.at] if self.at < len(self.tokens) else self.call
        return error_at_token(token, f"mismatched input '{token.text}' in {self.call.text.lower()}")


def _path_call(call: Token, name: str, inside: list[Token]) -> list[Token]:
    parts = _split(inside)
    if len(parts) < 2 or not parts[0]:
        raise error_at_token(call, f"{name} takes a text and a path")
    options: dict[str, Any] = {}
    document = _without_format(parts[0])
    rest = _Clauses(call, [token for part in _joined(parts[1:]) for token in part])
    path = rest.until(*_ENDS)
    if len(_split(path)) > 1:
        raise error_at_token(_split(path)[1][0], f"mismatched input in {name}: it takes a text and a path")
    values = _read_clauses(rest, name, options)
    comma = with_text(call, TokenType.COMMA, ",")
    arguments = [_options(call, options), comma, *document, comma, *path]
    for value in values:
        arguments += [comma, *value]
    return arguments


def _joined(parts: Sequence[list[Token]]) -> list[list[Token]]:
    """Return arguments of PASSING with the commas between them."""
    return [
        part if not place else [with_text(part[0], TokenType.COMMA, ","), *part] for place, part in enumerate(parts)
    ]


def _without_format(tokens: list[Token]) -> list[Token]:
    """Remove FORMAT JSON, which is the default."""
    words = [token.text.lower() for token in tokens[-2:]]
    return tokens[:-2] if words == ["format", "json"] else tokens


def _read_clauses(rest: _Clauses, name: str, options: dict[str, Any]) -> list[list[Token]]:
    values: list[list[Token]] = []
    if rest.takes("passing"):
        options["passing"], options["formats"] = [], []
        while True:
            written = rest.until("as")
            values.append(_without_format(written))
            options["formats"].append(len(values[-1]) < len(written))
            if not rest.takes("as") or rest.at >= len(rest.tokens):
                raise rest.refuse()
            named = rest.tokens[rest.at]
            options["passing"].append(named.text if named.token_type == TokenType.IDENTIFIER else named.text.upper())
            rest.at += 1
            if not rest.takes(","):
                break
    if name != "json_exists" and rest.takes("returning"):
        written = rest.until(*_ENDS)
        options["returning"] = " ".join(token.text for token in _without_format(written))
    if name == "json_query":
        _read_wrapper(rest, options)
    while rest.at < len(rest.tokens):
        values += _read_behaviour(rest, name, options)
    return values


def _read_wrapper(rest: _Clauses, options: dict[str, Any]) -> None:
    if rest.takes("without array wrapper") or rest.takes("without wrapper"):
        pass
    elif rest.takes("with"):
        kind = "conditional" if rest.takes("conditional") else "array"
        rest.takes("unconditional")
        rest.takes("array")
        if not rest.takes("wrapper"):
            raise rest.refuse()
        options["wrapper"] = kind
    for words in ("keep", "omit"):
        if rest.takes(f"{words} quotes"):
            rest.takes("on scalar string")
            options["quotes"] = words


def _read_behaviour(rest: _Clauses, name: str, options: dict[str, Any]) -> list[list[Token]]:
    """Parse ``... ON EMPTY`` and ``... ON ERROR``."""
    kind = next((words for words in _BEHAVIOURS[name] if rest.takes(words)), None)
    if kind is None:
        raise rest.refuse()
    value = [rest.until("on")] if kind == "default" else []
    when = next((each for each in ("empty", "error") if rest.takes(f"on {each}")), None)
    if when is None or when in options or (when == "empty" and name == "json_exists"):
        raise rest.refuse()
    options[when] = "empty array" if kind == "empty" else kind
    return value


def _constructor_call(call: Token, name: str, inside: list[Token]) -> list[Token]:
    """Convert ``json_object('a' : 1)`` and ``json_array(1)``, which have members and a clause for NULL."""
    options: dict[str, Any] = {"nulls": "null" if name == "json_object" else "absent", "formats": []}
    *first, last = _split(inside)
    last = _constructor_clauses(call, name, last, options)
    comma, made = with_text(call, TokenType.COMMA, ","), []
    for part in [each for each in (*first, last) if each] if inside else []:
        for place, value in enumerate(_member(call, part) if name == "json_object" else [part]):
            plain = _without_format(value)
            if place or name == "json_array":
                options["formats"].append(len(plain) < len(value))
            made += [comma, *plain]
    return [_options(call, options), *made]


def _constructor_clauses(call: Token, name: str, last: list[Token], options: dict[str, Any]) -> list[Token]:
    """Remove and parse the clauses after the last member."""
    words = _top(last)
    start = next(
        (place for (place, one), (_, two) in pairwise(words)
         if (one in ("null", "absent") and two == "on") or (one in ("with", "without") and two == "unique")
         or (one == "returning")),
        len(last),
    )  # fmt: skip
    rest = _Clauses(call, last[start:])
    for kind in ("null", "absent"):
        if rest.takes(f"{kind} on null"):
            options["nulls"] = kind
    if name == "json_object" and (rest.takes("with unique") or rest.takes("without unique")):
        rest.takes("keys")  # no object is made with a key twice either way
    if rest.takes("returning"):
        options["returning"] = " ".join(token.text for token in _without_format(rest.until("\0")))
    if rest.at < len(rest.tokens):
        raise rest.refuse()
    return last[:start]


def _member(call: Token, part: list[Token]) -> list[list[Token]]:
    """Return the key and the value of a member of an object."""
    words = _top(part)
    begin = 1 if words and words[0] == (0, "key") and len(part) > 1 and part[1].text not in (":", ".") else 0
    split = next((place for place, word in words if place > begin and word in (":", "value")), None)
    if split is None or split + 1 >= len(part):
        raise error_at_token(part[0] if part else call, "json_object takes keys and values: 'key' : value")
    return [part[begin:split], part[split + 1 :]]


def _options(call: Token, options: dict[str, Any]) -> Token:
    return with_text(call, TokenType.STRING, json.dumps(options))
