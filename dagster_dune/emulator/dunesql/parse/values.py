"""Converts VALUES with ORDER BY, LIMIT or UNION, and TABLE with a name, to SELECT, for what sqlglot cannot parse."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType

from dagster_dune.emulator.dunesql.parse.lexemes import with_text
from dagster_dune.emulator.dunesql.parse.token_rules import is_table_query

_ENDINGS = frozenset(
    {TokenType.ORDER_BY, TokenType.OFFSET, TokenType.LIMIT, TokenType.FETCH, TokenType.UNION, TokenType.EXCEPT,
     TokenType.INTERSECT}
)  # fmt: skip
_SELECT_ALL = ((TokenType.SELECT, "SELECT"), (TokenType.STAR, "*"), (TokenType.FROM, "FROM"))


def as_selects(tokens: Sequence[Token]) -> list[Token]:
    """Convert ``VALUES 1, 2 ORDER BY 1`` to ``SELECT * FROM (VALUES 1, 2) ORDER BY 1``, and ``TABLE a`` similarly."""
    ends = _endings(tokens)
    closed_before = set(ends.values())
    made: list[Token] = []
    for position, token in enumerate(tokens):
        if position in closed_before:
            made.append(with_text(token, TokenType.R_PAREN, ")"))
        is_table = is_table_query(tokens, position)
        if is_table or position in ends:
            made += [with_text(token, kind, text) for kind, text in _SELECT_ALL]
        if position in ends:
            made.append(with_text(token, TokenType.L_PAREN, "("))
        if not is_table:
            made.append(token)
    return made


def _endings(tokens: Sequence[Token]) -> dict[int, int]:
    """Return the position of the clause after each VALUES that has one, in one pass."""
    ends: dict[int, int] = {}
    values: list[int | None] = [None]
    for place, token in enumerate(tokens):
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            values.append(None)
        elif kind == TokenType.R_PAREN:
            values.pop()
            values = values or [None]
        elif kind == TokenType.VALUES:
            values[-1] = place
        elif kind == TokenType.SEMICOLON:
            values[-1] = None
        elif kind in _ENDINGS and (begun := values[-1]) is not None:
            ends[begun] = place
            values[-1] = None
    return ends
