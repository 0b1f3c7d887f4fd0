"""Splits DuneSQL into tokens.

DuneSQL extends Trino's SQL with ``{{parameters}}``, which are replaced with a marker, and with the table function by
which an incremental query reads its previous result.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from sqlglot import Token, TokenType
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.trino import Trino
from sqlglot.errors import TokenError

PARAMETER = re.compile(r"\{\{([^{}\r\n]+)\}\}")

# Replaces a parameter, which may be part of a name, a string, a number or a hexadecimal literal: these letters are
# valid in each of them.
MARKER = "fadedfacadedeadbeefdecade"

INCREMENTAL_FUNCTION = ["table", "(", "previous", ".", "query", ".", "result", "("]

TRINO = Dialect.get_or_raise("trino")


class _SparkQuotes(Trino.Tokenizer):
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"', "`"]


def tokenized(sql: str, *, spark_quotes: bool = False) -> list[Token]:
    """Split a text into tokens, with `MARKER` in place of each parameter.

    A quote or a comment that is not closed extends to the end of the text.

    Args:
        sql: The text.
        spark_quotes: Whether backquotes quote names, as in Spark's SQL.
    """
    tokenize = _SparkQuotes(dialect=TRINO).tokenize if spark_quotes else TRINO.tokenize
    sql = PARAMETER.sub(MARKER, sql)
    for closing in ("", "'", '"', "*/", "`" if spark_quotes else ""):
        try:
            return list(tokenize(sql + closing))
        except TokenError:
            continue
    return []


def is_closed(tokens: Sequence[Token], sql: str) -> bool:
    """Whether a text has tokens and all of its quotes are closed, given the tokens that `tokenized` returned for it.

    Examples:
        >>> [is_closed(tokenized(sql), sql) for sql in ("SELECT 'a'", "SELECT 'a", "")]
        [True, False, False]
    """
    return bool(tokens) and tokens[-1].end < len(PARAMETER.sub(MARKER, sql))


def without_incremental_function(tokens: list[Token]) -> list[Token]:
    """Replace each ``TABLE(previous.query.result(...))``, which reads the query's own previous result, with a name."""
    result: list[Token] = []
    position = 0
    while position < len(tokens):
        if _is_incremental_function(tokens, position):
            result.append(Token(TokenType.VAR, MARKER))
            position = _after_parenthesis(tokens, position + 1)
        else:
            result.append(tokens[position])
            position += 1
    return result


def _is_incremental_function(tokens: list[Token], position: int) -> bool:
    if tokens[position].token_type is not TokenType.TABLE:
        return False
    texts = [token.text.lower() for token in tokens[position : position + len(INCREMENTAL_FUNCTION)]]
    return texts == INCREMENTAL_FUNCTION


def _after_parenthesis(tokens: list[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[position].token_type, 0)
        if depth == 0:
            return position + 1
    return len(tokens)
