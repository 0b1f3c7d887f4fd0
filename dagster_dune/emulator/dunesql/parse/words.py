"""Converts keywords of the tokenizer to names where they are names in Trino.

See https://trino.io/docs/current/language/reserved.html: other words are names without quotes too.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType

from dagster_dune._nesting import kind_at
from dagster_dune.emulator.dunesql.parse.lexemes import with_text

_NON_RESERVED = frozenset(
    {
        "any", "asc", "collate", "desc", "fetch", "glob", "grant", "if", "ilike", "interval", "isnull", "lateral",
        "limit", "list", "lock", "match_recognize", "notnull", "offset", "overlaps", "returning", "revoke", "rlike",
        "rollback", "some", "tablesample", "uncache", "window", "xor",
    }
)  # fmt: skip
_BEFORE_NAMES = frozenset(
    {
        TokenType.SELECT, TokenType.DISTINCT, TokenType.COMMA, TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.DOT,
        TokenType.ALIAS, TokenType.FROM, TokenType.JOIN, TokenType.WITH, TokenType.WHERE, TokenType.ON,
        TokenType.HAVING, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.PARTITION_BY, TokenType.AND, TokenType.OR,
        TokenType.NOT, TokenType.CASE, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.BETWEEN,
        TokenType.LIKE, TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE,
        TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.MOD, TokenType.DPIPE,
        TokenType.ARROW,
    }
)  # fmt: skip
_NO_NAME_BEFORE = frozenset({TokenType.L_PAREN, TokenType.STRING, TokenType.NUMBER})
_SIGNS = frozenset({TokenType.PLUS, TokenType.DASH})


def with_names(tokens: Sequence[Token]) -> list[Token]:
    """Convert words that are not reserved to names where a name is expected, as in ``SELECT t.limit FROM t``."""
    return [
        with_text(token, TokenType.IDENTIFIER, token.text) if _is_name(tokens, position) else token
        for position, token in enumerate(tokens)
    ]


def _is_name(tokens: Sequence[Token], position: int) -> bool:
    token = tokens[position]
    if token.token_type in (TokenType.IDENTIFIER, TokenType.STRING) or token.text.lower() not in _NON_RESERVED:
        return False
    after = kind_at(tokens, position + 1)
    if token.token_type == TokenType.INTERVAL and after in _SIGNS:
        after = kind_at(tokens, position + 2)
        return kind_at(tokens, position - 1) in _BEFORE_NAMES and after != TokenType.STRING
    return kind_at(tokens, position - 1) in _BEFORE_NAMES and after not in _NO_NAME_BEFORE
