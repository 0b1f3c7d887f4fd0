"""A hash of SQL that stays the same while only its comments, its layout or the case of unquoted words change."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType

from dagster_dune.catalog.hashing import hashed
from dagster_dune.catalog.sql.tokens import PARAMETER, tokenized

QUOTES = {
    TokenType.STRING: "'",
    TokenType.NATIONAL_STRING: "'",
    TokenType.UNICODE_STRING: "'",
    TokenType.RAW_STRING: "'",
    TokenType.IDENTIFIER: '"',
}


def fingerprint(sql: str) -> str:
    r"""Hash a query's text.

    Args:
        sql: DuneSQL; any text will do.

    Returns:
        16 hexadecimal digits.

    Examples:
        >>> fingerprint("SELECT a FROM dex.trades;") == fingerprint("select a -- all\n  from dex.trades")
        True
        >>> fingerprint("SELECT 'a'") == fingerprint("SELECT 'A'")
        False
    """
    return fingerprint_of(tokenized(sql), sql)


def fingerprint_of(tokens: Sequence[Token], sql: str) -> str:
    """Hash a query's text, as `fingerprint` does, by the tokens that `tokenized` made of it."""
    end = len(tokens)
    while end and tokens[end - 1].token_type is TokenType.SEMICOLON:
        end -= 1
    words = [_word(token) for token in tokens[:end]]
    # In the tokens all parameters look the same.
    return hashed([*words, *(key.strip() for key in PARAMETER.findall(sql))] if words else sql.split())


def _word(token: Token) -> str:
    """A token as it counts. The names of token types do not: they are sqlglot's, and change with it."""
    quote = QUOTES.get(token.token_type)
    return f"{quote}{token.text}{quote}" if quote else token.text.lower()
