"""A hash of SQL that ignores comments, layout and the case of unquoted words."""

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
    """Return the `fingerprint` of a query's text, given the tokens that `tokenized` returned for it."""
    end = len(tokens)
    while end and tokens[end - 1].token_type is TokenType.SEMICOLON:
        end -= 1
    texts = [_normalized(token) for token in tokens[:end]]
    # The tokens have the same marker for all parameters, so the keys are hashed separately.
    return hashed([*texts, *(key.strip() for key in PARAMETER.findall(sql))] if texts else sql.split())


def _normalized(token: Token) -> str:
    """Return the text of a token for the hash. It does not contain sqlglot's token type, which may change its name."""
    quote = QUOTES.get(token.token_type)
    return f"{quote}{token.text}{quote}" if quote else token.text.lower()
