"""DuneSQL as tokens.

Two things in it are Dune's own and no SQL: ``{{parameters}}``, in whose place stands a marker, and the table function
by which an incremental query reads its previous result.
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

# It stands for a parameter, which may be part of a name, a string, a number or a hexadecimal literal: these letters
# are valid in each of them.
MARKER = "fadedfacadedeadbeefdecade"

INCREMENTAL_FUNCTION = ["table", "(", "previous", ".", "query", ".", "result", "("]

TRINO = Dialect.get_or_raise("trino")


class _SparkQuotes(Trino.Tokenizer):
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"', "`"]


def tokenized(sql: str, *, spark_quotes: bool = False) -> list[Token]:
    """Split a text into tokens, with `MARKER` in the place of each parameter.

    What follows a quote or a comment that is never closed is text in it.

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
    """Whether the tokens are all that `tokenized` has of a text, and no quote of it runs to its end.

    Examples:
        >>> [is_closed(tokenized(sql), sql) for sql in ("SELECT 'a'", "SELECT 'a", "")]
        [True, False, False]
    """
    return bool(tokens) and tokens[-1].end < len(PARAMETER.sub(MARKER, sql))


def without_incremental_function(tokens: list[Token]) -> list[Token]:
    """Put a name in the place of each ``TABLE(previous.query.result(...))``, which is the query's own past."""
    kept: list[Token] = []
    position = 0
    while position < len(tokens):
        if _is_incremental_function(tokens, position):
            kept.append(Token(TokenType.VAR, MARKER))
            position = _after_parenthesis(tokens, position + 1)
        else:
            kept.append(tokens[position])
            position += 1
    return kept


def _is_incremental_function(tokens: list[Token], position: int) -> bool:
    if tokens[position].token_type is not TokenType.TABLE:
        return False
    words = [token.text.lower() for token in tokens[position : position + len(INCREMENTAL_FUNCTION)]]
    return words == INCREMENTAL_FUNCTION


def _after_parenthesis(tokens: list[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[position].token_type, 0)
        if depth == 0:
            return position + 1
    return len(tokens)
