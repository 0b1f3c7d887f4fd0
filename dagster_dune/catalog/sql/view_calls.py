r"""Finds the values that SQL passes to parameters of query views, as in ``"query_123(chain='base', day='{{day}}')"``.

In DuneSQL such a call is one quoted name, so the SQL parser does not parse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from sqlglot import Token, TokenType

from dagster_dune.catalog.names import QUERY_NAME
from dagster_dune.catalog.sql.tokens import MARKER, PARAMETER, tokenized

QUERY_VIEW = re.compile(r"\s*(query_[1-9][0-9]{0,17})\s*\((.*)\)\s*", re.DOTALL | re.IGNORECASE)

ViewParameters = Mapping[str, tuple[Mapping[str, str], ...]]


class Name(NamedTuple):
    """A name in SQL.

    Attributes:
        parts: Its parts, which dots separate, without quotes.
        start: The position of the first part in the text in which markers replace the parameters.
    """

    parts: Sequence[str]
    start: int


def view_parameters(names: Iterable[Name], sql: str) -> dict[str, tuple[dict[str, str], ...]]:
    """Find the values that a query passes to the views that it reads.

    Args:
        names: The names that the query reads.
        sql: The text of the query.

    Returns:
        By the SQL name of each view, the values of each distinct call; empty for a call without values. Views that get
        no values in any call are left out. Parameters in values are written as in the text: ``{{day}}``.
    """
    calls: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for name in names:
        if len(name.parts) > 1:
            continue
        if view := QUERY_VIEW.fullmatch(name.parts[0]):
            arguments = _with_parameters(view[2], name.start, sql)
            calls.setdefault(view[1].lower(), set()).add(tuple(sorted(passed_values(arguments).items())))
        elif QUERY_NAME.fullmatch(name.parts[0].lower()):
            calls.setdefault(name.parts[0].lower(), set()).add(())
    return {view: tuple(dict(call) for call in sorted(found)) for view, found in sorted(calls.items()) if any(found)}


def passed_values(arguments: str) -> dict[str, str]:
    """Parse the arguments of a call.

    Args:
        arguments: The text between the parentheses.

    Returns:
        The values by key, both without the quotes around them.

    Examples:
        >>> passed_values("chain='base', day='{{day}}', name='O''Brien', n=5")
        {'chain': 'base', 'day': '{{day}}', 'name': "O'Brien", 'n': '5'}
    """
    # Each parameter becomes one token, a numbered marker: its key may contain quotes and commas.
    numbers = count()
    text = PARAMETER.sub(lambda _: f"{MARKER}{next(numbers):06d}", arguments)
    keys = {f"{MARKER}{number:06d}": key for number, key in enumerate(PARAMETER.findall(arguments))}
    values = {}
    for argument in _arguments(tokenized(text)):
        equals = next((at for at, token in enumerate(argument) if token.token_type is TokenType.EQ), 0)
        if equals:
            value = _restored(_text(text, argument[equals + 1 :]), keys)
            values[_restored(_text(text, argument[:equals]), keys)] = value
    return values


def _with_parameters(arguments: str, start: int, sql: str) -> str:
    """Replace the markers in the arguments of a call with the reader's parameters. `start` is the `Name.start`."""
    first, *others = arguments.split(MARKER)
    if not others:
        return arguments
    before = PARAMETER.sub(MARKER, sql).count(MARKER, 0, start)
    keys = PARAMETER.findall(sql)[before:]
    return first + "".join(f"{{{{{key}}}}}{text}" for key, text in zip(keys, others, strict=False))


def _arguments(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Split tokens at the commas that are outside of parentheses."""
    depth = start = 0
    for position, token in enumerate(tokens):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if token.token_type is TokenType.COMMA and depth == 0:
            yield tokens[start:position]
            start = position + 1
    yield tokens[start:]


def _text(text: str, tokens: Sequence[Token]) -> str:
    if len(tokens) == 1 and tokens[0].token_type in (TokenType.STRING, TokenType.IDENTIFIER):
        return tokens[0].text
    return text[tokens[0].start : tokens[-1].end + 1] if tokens else ""


def _restored(text: str, keys: Mapping[str, str]) -> str:
    if MARKER in text:
        for marker, key in keys.items():
            text = text.replace(marker, f"{{{{{key.strip()}}}}}")
    return text
