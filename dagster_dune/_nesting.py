"""How deep SQL is nested, before sqlglot parses it: some texts would take it for ever, or end the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import Token, TokenType

CLOSED_BY = {
    TokenType.L_PAREN: TokenType.R_PAREN,
    TokenType.L_BRACKET: TokenType.R_BRACKET,
    TokenType.L_BRACE: TokenType.R_BRACE,
    TokenType.CASE: TokenType.END,
}
CLOSING = frozenset(CLOSED_BY.values())
QUERY = frozenset({TokenType.FROM, TokenType.SELECT, TokenType.WITH, TokenType.VALUES})
TWICE_PARSED = frozenset({TokenType.ARRAY, TokenType.MAP, TokenType.ROW, TokenType.STRUCT})
WITHOUT_ON = frozenset({TokenType.CROSS, TokenType.NATURAL})
MAX_TWICE_PARSED = 12
MAX_DEPTH = 400


def is_too_deep(tokens: Sequence[Token], most: int = MAX_DEPTH) -> bool:
    """Whether the parser would take for ever, or call itself too often, for what is nested in a text.

    It tries what follows ARRAY, MAP and ROW as a type and then as a value, and what follows a JOIN without ON as joined
    to that and then not, so each level doubles its work. Compiled, it calls itself without Python's limit, until the
    stack of its thread ends, and the process with it.
    """
    levels = [_Level(None)]
    for position, token in enumerate(tokens):
        kind = token.token_type
        if _opens(tokens, position):
            is_twice = kind_at(tokens, position - 1) in TWICE_PARSED
            levels.append(_Level(CLOSED_BY.get(kind, TokenType.END), is_twice))
            if len(levels) > most or sum(level.is_twice for level in levels) > MAX_TWICE_PARSED:
                return True
        elif kind in CLOSING and any(level.closing is kind for level in levels):
            while levels.pop().closing is not kind:
                pass
        elif kind is TokenType.JOIN and kind_at(tokens, position - 1) not in WITHOUT_ON:
            levels[-1].joins += 1
            if sum(level.joins for level in levels) > MAX_TWICE_PARSED:
                return True
        elif kind in (TokenType.ON, TokenType.USING):
            levels[-1].joins = max(0, levels[-1].joins - 1)
    return False


@dataclass
class _Level:
    """What is open at a place of a text: what would close it, whether it is parsed twice, and joins without ON yet."""

    closing: TokenType | None
    is_twice: bool = False
    joins: int = 0


def _opens(tokens: Sequence[Token], position: int) -> bool:
    """Whether a level begins: a bracket, a CASE, an IF without brackets, or a query that is read without brackets."""
    token, following = tokens[position], kind_at(tokens, position + 1)
    if token.token_type in CLOSED_BY:
        return True
    if token.token_type in (TokenType.FROM, TokenType.JOIN):
        return following in QUERY
    return token.text.upper() == "IF" and following is not TokenType.L_PAREN


def kind_at(tokens: Sequence[Token], position: int) -> TokenType | None:
    """The type of a token; None where there is none."""
    return tokens[position].token_type if 0 <= position < len(tokens) else None
