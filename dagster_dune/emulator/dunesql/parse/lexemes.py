"""Adapts tokens to Trino's lexical rules: numbers, and keywords and operators that Trino does not have.

See https://trino.io/docs/current/language/reserved.html and
https://trino.io/docs/current/language/types.html (underscores, ``0b`` and ``0o``); ``0x`` is Dune's for bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import Token, TokenType

from dagster_dune._nesting import kind_at
from dagster_dune.emulator.sql_errors import SqlError

_NUMBER = re.compile(
    r"(?P<binary>0[bB](?:_?[01])+)|(?P<octal>0[oO](?:_?[0-7])+)"
    r"|(?:\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d+)?"
)
_WORD = re.compile(r"\w")
_UNITS = frozenset({"year", "month", "day", "hour", "minute", "second"})
_SIGNS = frozenset({TokenType.DASH, TokenType.PLUS})
_CASTS = ("cast", "try_cast")
_FOREIGN_TYPES = frozenset(
    {
        "text", "string", "float", "float4", "float8", "float64", "int2", "int4", "int8", "int16", "int32", "int64",
        "bit", "bytes", "bytea", "blob", "clob", "datetime", "number", "nvarchar", "nchar", "varchar2", "money",
        "serial", "bool", "long", "short", "byte", "binary", "timestamptz", "timestamp_ntz", "timestamp_ltz",
    }
)  # fmt: skip
"""Names of types in other databases, which sqlglot would convert to Trino's."""
PLAIN_TYPES = frozenset(
    {
        "boolean", "tinyint", "smallint", "integer", "int", "bigint", "real", "double", "date", "json", "uuid",
        "varbinary", "uint256", "int256",
    }
)  # fmt: skip
"""Types without a precision."""


_PIECE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?P<bytes>\b[xX]'[^']*')""", re.DOTALL)


def with_joined_bytes(sql: str) -> str:
    """Move the spaces in ``X'AB CD'`` behind the literal, since they have no meaning and the tokenizer rejects them."""

    def joined(match: re.Match[str]) -> str:
        if not match["bytes"]:
            return match[0]
        kept = re.sub(r"\s", "", match[0])
        return kept + "".join(letter for letter in match[0] if letter.isspace())

    return _PIECE.sub(joined, sql)


def as_trino(tokens: Sequence[Token], sql: str) -> list[Token]:
    """Join the tokens of numbers as Trino does, and reject tokens that Trino does not have.

    Args:
        tokens: The tokens of a query.
        sql: The text of the query.

    Returns:
        The tokens, with one for each number.

    Raises:
        SqlError: The syntax is not Trino's.
    """
    made: list[Token] = []
    end = -1
    callers: list[str] = []
    for position, token in enumerate(tokens):
        if token.start <= end:
            continue
        if token.token_type == TokenType.L_PAREN:
            callers.append(tokens[position - 1].text.lower() if position else "")
        elif token.token_type == TokenType.R_PAREN and callers:
            callers.pop()
        if token.token_type == TokenType.NUMBER or _is_point_number(token, sql):
            number = _number(token, sql)
            end = number.end
            made.append(number)
        elif token.token_type == TokenType.IDENTIFIER and sql[token.start : token.end + 1].lower() == "0x":
            made.append(with_text(token, TokenType.HEX_STRING, ""))
        else:
            _refuse(tokens, position)
            if kind_at(tokens, position + 1) == TokenType.STRING and token.text.lower() in _FOREIGN_TYPES:
                raise error_at_token(token, f"Unknown type: {token.text.lower()}")
            if callers and callers[-1] in _CASTS:
                _refuse_foreign_type(tokens, position)
            if token.token_type == TokenType.JOIN and not (position and _is_join_word(tokens[position - 1])):
                made.append(with_text(token, TokenType.INNER, "INNER"))
            made.append(token)
    return made


def with_text(token: Token, kind: TokenType, text: str) -> Token:
    """Return another token at the same position."""
    return Token(kind, text, token.line, token.col, token.start, token.end, token.comments)


def error_at_token(token: Token, message: str) -> SqlError:
    """Return an error at the position of a token."""
    return SqlError(message, line=token.line, column=token.col - (token.end - token.start))


def _is_point_number(token: Token, sql: str) -> bool:
    return token.token_type == TokenType.DOT and sql[token.end + 1 : token.end + 2].isdigit() and (
        token.start == 0 or not (_WORD.match(sql[token.start - 1]) or sql[token.start - 1] in ')]"')
    )  # fmt: skip


def _number(token: Token, sql: str) -> Token:
    match = _NUMBER.match(sql, token.start)
    if match is None or _WORD.match(sql[match.end() : match.end() + 1]):
        found = re.compile(r"[\w.]+").match(sql, token.start)
        words = found[0] if found else token.text
        raise error_at_token(token, f"mismatched input '{words}': names must not begin with a digit; put it in quotes")
    text = match[0].replace("_", "")
    if match["binary"] or match["octal"]:
        text = str(int(text, 0))
    moved = token.col + match.end() - 1 - token.end
    return Token(TokenType.NUMBER, text, token.line, moved, token.start, match.end() - 1, token.comments)


def _is_join_word(token: Token) -> bool:
    """Return whether a word is the kind of a JOIN. A plain JOIN is INNER, which sqlglot would parse as a comma."""
    return token.token_type in _JOIN_WORDS


_JOIN_WORDS = frozenset(
    {
        TokenType.INNER, TokenType.LEFT, TokenType.RIGHT, TokenType.FULL, TokenType.OUTER, TokenType.CROSS,
        TokenType.NATURAL, TokenType.SEMI, TokenType.ANTI, TokenType.ASOF, TokenType.STRAIGHT_JOIN,
    }
)  # fmt: skip
_NO_ITEM_BEFORE = frozenset(
    {TokenType.SELECT, TokenType.DISTINCT, TokenType.COMMA, TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.ORDER_BY,
     TokenType.GROUP_BY, TokenType.PARTITION_BY, TokenType.WITH, TokenType.VALUES, TokenType.FROM}
)  # fmt: skip
_NO_ITEM_AFTER = frozenset(
    {TokenType.FROM, TokenType.COMMA, TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.WHERE, TokenType.GROUP_BY,
     TokenType.ORDER_BY, TokenType.HAVING, TokenType.LIMIT, TokenType.UNION, TokenType.SEMICOLON}
)  # fmt: skip
_LOOKED_AT = 1000
_CLOCK_WORDS = frozenset(
    {TokenType.CURRENT_TIMESTAMP, TokenType.CURRENT_TIME, TokenType.LOCALTIMESTAMP, TokenType.LOCALTIME}
)

_JUDGED = frozenset({TokenType.COMMA, TokenType.STRING, TokenType.CURRENT_DATE, TokenType.WITH, *_CLOCK_WORDS})


def _refuse_foreign_syntax(tokens: Sequence[Token], position: int) -> None:
    """Reject syntax that sqlglot accepts and Trino does not: see https://trino.io/docs/current/sql/select.html."""
    token, kind = tokens[position], tokens[position].token_type
    before = tokens[position - 1].token_type if position else None
    after, second = (
        tokens[place].token_type if place < len(tokens) else None for place in (position + 1, position + 2)
    )
    words = ""
    if kind == TokenType.COMMA and (before in _NO_ITEM_BEFORE | {None} or after in _NO_ITEM_AFTER | {None}):
        words = "something is missing beside the comma"
    elif kind == TokenType.COMMA and position > 1 and tokens[position - 2].token_type == TokenType.LIMIT:
        words = "write OFFSET 1 LIMIT 2"
    elif kind == TokenType.STRING and before == TokenType.ALIAS:
        words = "a name stands in double quotes"
    elif kind == TokenType.CURRENT_DATE and after == TokenType.L_PAREN:
        words = "write CURRENT_DATE without parentheses"
    elif kind in _CLOCK_WORDS and (after, second) == (TokenType.L_PAREN, TokenType.R_PAREN):
        words = "write it without parentheses, or with a number of digits in them"
    elif kind == TokenType.WITH and after in (TokenType.ROLLUP, TokenType.CUBE):
        words = "write GROUP BY ROLLUP (...) or CUBE (...)"
    elif kind == TokenType.STRING and before == TokenType.L_PAREN and text_at(tokens, position - 2) == "extract":
        words = "the field of EXTRACT stands without quotes"
    if words:
        raise error_at_token(token, f"mismatched input '{token.text}': {words}")
    if text_at(tokens, position) == "position" and after == TokenType.L_PAREN and _has_comma(tokens, position + 1):
        raise error_at_token(token, "Function 'position' is not registered: write POSITION(text IN other)")


def text_at(tokens: Sequence[Token], position: int) -> str:
    """Return the text of a token in lower case; empty if the position is out of range."""
    return tokens[position].text.lower() if 0 <= position < len(tokens) else ""


def _has_comma(tokens: Sequence[Token], position: int) -> bool:
    """Return whether the parentheses that open at a position contain a comma before an IN."""
    depth = 0
    for token in tokens[position : position + _LOOKED_AT]:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth == 0 or (depth == 1 and token.token_type in (TokenType.IN, TokenType.COMMA)):
            return token.token_type == TokenType.COMMA
    return False


def _refuse(tokens: Sequence[Token], position: int) -> None:
    token, kind, text = tokens[position], tokens[position].token_type, tokens[position].text
    before = tokens[position - 1] if position else None
    if kind in _JUDGED or (len(text) == len("position") and text.lower() == "position"):
        _refuse_foreign_syntax(tokens, position)
    if kind == TokenType.DCOLON:
        raise error_at_token(token, "mismatched input '::': write CAST(value AS type)")
    if kind == TokenType.OFFSET and position > 1 and tokens[position - 2].token_type == TokenType.LIMIT:
        raise error_at_token(token, "mismatched input 'OFFSET': write OFFSET before LIMIT")
    if (kind, text) in ((TokenType.EQ, "=="), (TokenType.NOT, "!")):
        raise error_at_token(token, f"mismatched input '{text}': write {'=' if text == '==' else 'NOT'}")
    if (
        kind in (TokenType.ISNULL, TokenType.NOTNULL)
        and before is not None
        and (before.token_type == TokenType.NUMBER or _ends_value(before))
    ):
        raise error_at_token(token, f"mismatched input '{text}': write IS NULL or IS NOT NULL")
    if kind == TokenType.L_BRACKET and (before is None or not _ends_value(before)):
        raise error_at_token(token, "mismatched input '[': write ARRAY[...]")
    if kind == TokenType.INTERVAL:
        _refuse_interval(tokens, position)


def _refuse_foreign_type(tokens: Sequence[Token], position: int) -> None:
    """Reject types of other databases, as in ``CAST(x AS text)``."""
    if tokens[position].token_type == TokenType.ALIAS and position + 1 < len(tokens):
        name = tokens[position + 1]
        if name.text.lower() in _FOREIGN_TYPES and name.token_type != TokenType.IDENTIFIER:
            raise error_at_token(name, f"Unknown type: {name.text.lower()}")


def _ends_value(token: Token) -> bool:
    """Return whether a value may end with a token, so that a bracket after it is a subscript, or belongs to ARRAY."""
    if token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.IDENTIFIER, TokenType.STRING):
        return True
    return bool(re.fullmatch(r"\w+", token.text)) and token.token_type not in _NO_VALUES


_NO_VALUES = frozenset(
    {
        TokenType.SELECT, TokenType.DISTINCT, TokenType.WHERE, TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.IN,
        TokenType.ON, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.BETWEEN, TokenType.HAVING,
        TokenType.VALUES, TokenType.ALIAS, TokenType.FROM, TokenType.LIKE, TokenType.CASE, TokenType.NUMBER,
    }
)  # fmt: skip
"""Tokens after which a value begins."""


def _refuse_interval(tokens: Sequence[Token], position: int) -> None:
    """Reject intervals of another form than ``INTERVAL '1' DAY``."""
    place = position + 1
    if place < len(tokens) and tokens[place].token_type in _SIGNS:
        place += 1
    if place >= len(tokens) or tokens[place].token_type not in (TokenType.STRING, TokenType.NUMBER):
        return
    unit = tokens[place + 1].text.lower() if place + 1 < len(tokens) else ""
    if tokens[place].token_type == TokenType.NUMBER or unit not in _UNITS:
        written = tokens[place].text.split(maxsplit=1)
        amount = written[0] if written else "1"
        raise error_at_token(
            tokens[place],
            f"mismatched input '{tokens[place].text}': write INTERVAL '{amount}' DAY, with a unit of "
            "YEAR, MONTH, DAY, HOUR, MINUTE or SECOND",
        )
