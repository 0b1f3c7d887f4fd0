"""Rejects tokens that sqlglot accepts in places where Trino's grammar does not, and clauses in another order.

See https://trino.io/docs/current/sql/select.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import Token, TokenType

from dagster_dune._nesting import kind_at
from dagster_dune.emulator.dunesql.parse.lexemes import error_at_token, text_at
from dagster_dune.emulator.dunesql.parse.token_rules import RULES, is_fetch


@dataclass
class _Level:
    """A level of parentheses: the rank of its last clause, and a window frame that has no end yet."""

    rank: int = 0
    frame: Token | None = None


def check_tokens(tokens: Sequence[Token]) -> None:
    """Check that all tokens are where Trino's grammar allows them.

    Raises:
        SqlError: One is not.
    """
    _check_cases(tokens)
    levels = [_Level()]
    for position, token in enumerate(tokens):
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            levels.append(_Level())
        elif kind == TokenType.R_PAREN:
            _check_frame(levels.pop())
            levels = levels or [_Level()]
        else:
            _update_level(levels[-1], tokens, position)
        rule = RULES.get(kind)
        if rule is not None and (words := rule(tokens, position)):
            raise error_at_token(token, f"mismatched input '{token.text}': {words}")


def _check_cases(tokens: Sequence[Token]) -> None:
    opened = 0
    for token in tokens:
        opened += {TokenType.CASE: 1, TokenType.END: -1}.get(token.token_type, 0)
        if opened < 0:
            raise error_at_token(token, "mismatched input 'END': no CASE stands before it")


def _update_level(level: _Level, tokens: Sequence[Token], position: int) -> None:
    kind = tokens[position].token_type
    if kind == TokenType.BETWEEN and text_at(tokens, position - 1) in _FRAMES:
        level.frame = tokens[position]
    elif kind == TokenType.AND:
        level.frame = None
    elif kind in _BEGINNINGS:
        level.rank = 0
    elif kind in _RANKS:
        level.rank = _next_rank(tokens, position, level.rank)


def _check_frame(level: _Level) -> None:
    if level.frame is not None:
        raise error_at_token(level.frame, "mismatched input 'BETWEEN': write BETWEEN a beginning AND an end")


_FRAMES = frozenset({"rows", "range", "groups"})
_BEGINNINGS = frozenset({TokenType.SELECT, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT})
_ORDER = (
    (TokenType.WHERE,), (TokenType.GROUP_BY,), (TokenType.HAVING,), (TokenType.WINDOW,), (TokenType.ORDER_BY,),
    (TokenType.OFFSET,), (TokenType.LIMIT, TokenType.FETCH),
)  # fmt: skip
_RANKS = {kind: rank for rank, kinds in enumerate(_ORDER, start=1) for kind in kinds}
_COUNTED = frozenset({TokenType.OFFSET, TokenType.LIMIT})


def _next_rank(tokens: Sequence[Token], position: int, last: int) -> int:
    token = tokens[position]
    if (
        (token.token_type in _COUNTED and kind_at(tokens, position + 1) not in (TokenType.NUMBER, TokenType.ALL))
        or (token.token_type == TokenType.WINDOW and kind_at(tokens, position + 2) != TokenType.ALIAS)
        or (token.token_type == TokenType.FETCH and not is_fetch(tokens, position))
    ):
        return last  # these words can be names
    rank = _RANKS[token.token_type]
    if rank <= last:
        raise error_at_token(
            token,
            f"mismatched input '{token.text}': clauses come once each, in the order WHERE, GROUP BY, HAVING, WINDOW, "
            "ORDER BY, OFFSET, LIMIT or FETCH",
        )
    return rank
