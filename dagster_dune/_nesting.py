"""Limits the nesting of SQL before sqlglot parses it, which might otherwise take forever or crash the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import Token, TokenType

CLOSING_OF = {
    TokenType.L_PAREN: TokenType.R_PAREN,
    TokenType.L_BRACKET: TokenType.R_BRACKET,
    TokenType.L_BRACE: TokenType.R_BRACE,
    TokenType.CASE: TokenType.END,
}
CLOSING = frozenset(CLOSING_OF.values())
QUERY_START = frozenset({TokenType.FROM, TokenType.SELECT, TokenType.WITH, TokenType.VALUES})
PARSED_TWICE = frozenset({TokenType.ARRAY, TokenType.MAP, TokenType.ROW, TokenType.STRUCT})
WITHOUT_ON = frozenset({TokenType.CROSS, TokenType.NATURAL})
MAX_PARSED_TWICE = 12
MAX_DEPTH = 400


def is_too_deep(tokens: Sequence[Token], most: int = MAX_DEPTH) -> bool:
    """Return whether the nesting would take the parser too long, or overflow its stack.

    The parser reads the operands of ARRAY, MAP and ROW as a type and then as a value, and a JOIN without ON as nested
    and then as not nested, so each level doubles its work. The compiled parser recurses without Python's limit, and a
    stack overflow ends the process.
    """
    levels = [_Level(None)]
    for position, token in enumerate(tokens):
        kind = token.token_type
        if _opens(tokens, position):
            is_parsed_twice = kind_at(tokens, position - 1) in PARSED_TWICE
            levels.append(_Level(CLOSING_OF.get(kind, TokenType.END), is_parsed_twice))
            if len(levels) > most or sum(level.is_parsed_twice for level in levels) > MAX_PARSED_TWICE:
                return True
        elif kind in CLOSING and any(level.closing is kind for level in levels):
            while levels.pop().closing is not kind:
                pass
        elif kind is TokenType.JOIN and kind_at(tokens, position - 1) not in WITHOUT_ON:
            levels[-1].joins += 1
            if sum(level.joins for level in levels) > MAX_PARSED_TWICE:
                return True
        elif kind in (TokenType.ON, TokenType.USING):
            levels[-1].joins = max(0, levels[-1].joins - 1)
    return False


@dataclass
class _Level:
    """An open level of nesting: its closing token, whether it is parsed twice, and its joins without ON so far."""

    closing: TokenType | None
    is_parsed_twice: bool = False
    joins: int = 0


def _opens(tokens: Sequence[Token], position: int) -> bool:
    """Return whether a token opens a level: a bracket, a CASE, an IF without brackets, or a query without brackets."""
    token, following = tokens[position], kind_at(tokens, position + 1)
    if token.token_type in CLOSING_OF:
        return True
    if token.token_type in (TokenType.FROM, TokenType.JOIN):
        return following in QUERY_START
    return token.text.upper() == "IF" and following is not TokenType.L_PAREN


def kind_at(tokens: Sequence[Token], position: int) -> TokenType | None:
    """Return the type of a token; None if the position is out of range."""
    return tokens[position].token_type if 0 <= position < len(tokens) else None
