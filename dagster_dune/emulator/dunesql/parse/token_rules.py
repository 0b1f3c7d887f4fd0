"""Rules for single tokens in Trino's grammar, which depend on the tokens before and after them.

See https://trino.io/docs/current/sql/select.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import Token, TokenType

from dagster_dune._nesting import kind_at
from dagster_dune.emulator.dunesql.parse.lexemes import PLAIN_TYPES, text_at


def is_fetch(tokens: Sequence[Token], position: int) -> bool:
    """Return whether the word FETCH at a position begins a clause, and is no name."""
    return text_at(tokens, position + 1) in ("first", "next") or kind_at(tokens, position + 1) == TokenType.NUMBER


def _fetch(tokens: Sequence[Token], position: int) -> str:
    if not is_fetch(tokens, position):
        return ""
    place = position + 1 + (text_at(tokens, position + 1) in ("first", "next"))
    place += kind_at(tokens, place) == TokenType.NUMBER
    last = text_at(tokens, place + 1)
    is_whole = text_at(tokens, position + 1) in ("first", "next") and text_at(tokens, place) in ("row", "rows")
    is_whole = is_whole and (last == "only" or (last, text_at(tokens, place + 2)) == ("with", "ties"))
    return "" if is_whole else "write FETCH FIRST 1 ROWS ONLY, or WITH TIES"


_QUERIES = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.VALUES})
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})
_BEFORE_QUERIES = frozenset(
    {"any", "all", "some", "lateral", "table", "in", "exists", "materialized", "both", "leading", "trailing"}
)
_NOTHING_BEFORE = frozenset({TokenType.SELECT, TokenType.DISTINCT, TokenType.COMMA, TokenType.L_PAREN, None})
_ENDS = frozenset(
    {TokenType.R_PAREN, TokenType.SEMICOLON, TokenType.HAVING, TokenType.WINDOW, TokenType.ORDER_BY, TokenType.LIMIT,
     TokenType.OFFSET, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, None}
)  # fmt: skip
_OPEN = TokenType.L_PAREN
_BEFORE_TABLES = frozenset(
    {TokenType.ALL, TokenType.DISTINCT, TokenType.L_PAREN, TokenType.R_PAREN, TokenType.SEMICOLON, TokenType.UNION,
     TokenType.EXCEPT, TokenType.INTERSECT, None}
)  # fmt: skip
_SIDES = frozenset({TokenType.LEFT, TokenType.RIGHT, TokenType.FULL})


def is_table_query(tokens: Sequence[Token], position: int) -> bool:
    """Return whether TABLE and a name, which are a query, are at a position."""
    is_first = kind_at(tokens, position) == TokenType.TABLE and kind_at(tokens, position - 1) in _BEFORE_TABLES
    return is_first and kind_at(tokens, position + 1) not in (_OPEN, *_ENDS)


def _table(tokens: Sequence[Token], position: int) -> str:
    end = position + 2
    while kind_at(tokens, end) == TokenType.DOT:
        end += 2
    is_whole = kind_at(tokens, end) in (*_ENDS, TokenType.FETCH) or not is_table_query(tokens, position)
    return "" if is_whole else "write TABLE name alone, or SELECT * FROM name"


def _parenthesis(tokens: Sequence[Token], position: int) -> str:
    if kind_at(tokens, position + 1) not in _QUERIES or kind_at(tokens, position - 1) not in _NAMES:
        return ""
    if text_at(tokens, position - 1) in _BEFORE_QUERIES:
        return ""
    return f"a query beside the name {tokens[position - 1].text} needs AS, or parentheses of its own"


def _alias(tokens: Sequence[Token], position: int) -> str:
    if kind_at(tokens, position - 1) in _NOTHING_BEFORE:
        return "something is missing before it"
    name, sign = text_at(tokens, position + 1), kind_at(tokens, position + 2)
    inner = kind_at(tokens, position + 3)  # a name there is that of a column, as in UNNEST(x) AS date(day)
    if sign == TokenType.L_PAREN and (inner == TokenType.R_PAREN or (name in PLAIN_TYPES and inner in _SIZES)):
        return (
            f"{name.upper()} takes nothing in parentheses" if name in PLAIN_TYPES else "a number of digits is missing"
        )
    return "write row(name type)" if name == "row" and sign == TokenType.LT else ""


_SIZES = frozenset({TokenType.NUMBER, TokenType.DASH, TokenType.PLUS})


def _using(tokens: Sequence[Token], position: int) -> str:
    is_qualified = kind_at(tokens, position + 3) == TokenType.DOT
    return "write USING (column)" if is_qualified or kind_at(tokens, position + 1) != TokenType.L_PAREN else ""


def _inner(tokens: Sequence[Token], position: int) -> str:
    return "a JOIN has one kind" if kind_at(tokens, position - 1) in (*_SIDES, TokenType.CROSS) else ""


def _outer(tokens: Sequence[Token], position: int) -> str:
    is_plain = kind_at(tokens, position + 1) == TokenType.JOIN and kind_at(tokens, position - 1) not in _SIDES
    return "write LEFT, RIGHT or FULL OUTER JOIN" if is_plain else ""


def _requires_by(words: str) -> Callable[[Sequence[Token], int], str]:
    return lambda tokens, position: words if kind_at(tokens, position + 1) in _ENDS else ""


def _side(tokens: Sequence[Token], position: int) -> str:
    word = tokens[position].text
    is_call = kind_at(tokens, position + 1) == TokenType.L_PAREN
    return f'the function stands in double quotes, "{word.lower()}"(text, count)' if is_call else ""


def _from(tokens: Sequence[Token], position: int) -> str:
    is_bare = kind_at(tokens, position + 1) in (TokenType.SELECT, TokenType.VALUES)
    return "a query in FROM stands in parentheses" if is_bare else ""


def _lateral(tokens: Sequence[Token], position: int) -> str:
    return "write LATERAL (query)" if kind_at(tokens, position + 1) == TokenType.SELECT else ""


def _is(tokens: Sequence[Token], position: int) -> str:
    place = position + 1 + (kind_at(tokens, position + 1) == TokenType.NOT)
    return "write IS NULL" if text_at(tokens, place) == "unknown" else ""


def _direction(tokens: Sequence[Token], position: int) -> str:
    is_twice = kind_at(tokens, position + 1) in (TokenType.ASC, TokenType.DESC)
    return "write ASC or DESC" if is_twice else ""


def _word(tokens: Sequence[Token], position: int) -> str:
    """Check words that are no keywords of the tokenizer."""
    text, before = tokens[position].text.lower(), text_at(tokens, position - 1)
    if text == "nulls" and before in ("first", "last"):
        return "write NULLS FIRST or NULLS LAST"
    if text == "by" and text_at(tokens, position - 2) == "limit":
        return "write LIMIT and a number"
    if text == "filter" and before == ")" and kind_at(tokens, position + 1) == TokenType.L_PAREN:
        return "" if kind_at(tokens, position + 2) == TokenType.WHERE else "write FILTER (WHERE condition)"
    return ""


def _sample(tokens: Sequence[Token], position: int) -> str:
    is_whole = text_at(tokens, position + 1) in ("bernoulli", "system") and kind_at(tokens, position + 2) == _OPEN
    is_percent = "percent" in (text_at(tokens, position + 4), text_at(tokens, position + 5))
    return (
        "" if is_whole and not is_percent else "TABLESAMPLE takes BERNOULLI or SYSTEM, and a percentage in parentheses"
    )


def _over(tokens: Sequence[Token], position: int) -> str:
    after = kind_at(tokens, position + 1)
    is_clause = kind_at(tokens, position - 1) == TokenType.R_PAREN
    return "write OVER (...) or the name of a WINDOW" if is_clause and after in (TokenType.FROM, *_ENDS) else ""


def _bracket(tokens: Sequence[Token], position: int) -> str:
    is_empty = kind_at(tokens, position + 1) == TokenType.R_BRACKET
    return "write array(type)" if is_empty and kind_at(tokens, position - 1) != TokenType.ARRAY else ""


def _struct(tokens: Sequence[Token], position: int) -> str:
    is_type = kind_at(tokens, position - 1) == TokenType.ALIAS and text_at(tokens, position) == "struct"
    return "write row(name type)" if is_type and kind_at(tokens, position + 1) in (_OPEN, TokenType.LT) else ""


def _plus(tokens: Sequence[Token], position: int) -> str:
    is_sign = kind_at(tokens, position - 1) in _NOTHING_BEFORE
    return "a sign stands before a number" if is_sign and kind_at(tokens, position + 1) == TokenType.STRING else ""


def _with(tokens: Sequence[Token], position: int) -> str:
    is_behind = kind_at(tokens, position - 1) not in (None, _OPEN)
    return "write WITH ORDINALITY" if is_behind and text_at(tokens, position + 1) == "offset" else ""


def _comma(tokens: Sequence[Token], position: int) -> str:
    is_extract = kind_at(tokens, position - 2) == TokenType.L_PAREN and text_at(tokens, position - 3) == "extract"
    if kind_at(tokens, position + 1) == TokenType.VALUES:
        return "VALUES stands in parentheses here"
    return "write EXTRACT(field FROM time)" if is_extract else ""


def _like(tokens: Sequence[Token], position: int) -> str:
    return "" if tokens[position].text.isalpha() else "write LIKE"


def _always(words: str) -> Callable[[Sequence[Token], int], str]:
    return lambda *_: words


RULES: dict[TokenType, Callable[[Sequence[Token], int], str]] = {
    TokenType.L_PAREN: _parenthesis,
    TokenType.TABLE: _table,
    TokenType.ALIAS: _alias,
    TokenType.USING: _using,
    TokenType.OUTER: _outer,
    TokenType.INNER: _inner,
    TokenType.FROM: _from,
    TokenType.JOIN: _from,
    TokenType.LATERAL: _lateral,
    TokenType.IS: _is,
    TokenType.ASC: _direction,
    TokenType.DESC: _direction,
    TokenType.VAR: _word,
    TokenType.FILTER: _word,
    TokenType.TABLE_SAMPLE: _sample,
    TokenType.OVER: _over,
    TokenType.L_BRACKET: _bracket,
    TokenType.STRUCT: _struct,
    TokenType.PLUS: _plus,
    TokenType.WITH: _with,
    TokenType.GROUP_BY: _requires_by("write what is grouped by"),
    TokenType.PARTITION_BY: _requires_by("write what is partitioned by"),
    TokenType.FETCH: _fetch,
    TokenType.LEFT: _side,
    TokenType.RIGHT: _side,
    TokenType.COMMA: _comma,
    TokenType.LIKE: _like,
    TokenType.NULLSAFE_EQ: _always("write IS NOT DISTINCT FROM"),
}
"""Checks of tokens by their kinds, which return what to write instead, or an empty text."""
