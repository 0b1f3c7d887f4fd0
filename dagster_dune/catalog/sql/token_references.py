"""Finds the names that SQL reads in its tokens, for SQL that cannot be parsed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import Token, TokenType

from dagster_dune._nesting import kind_at
from dagster_dune.catalog.sql.view_calls import Name

ENDS_FROM_CLAUSE = frozenset(
    {
        TokenType.WHERE,
        TokenType.GROUP_BY,
        TokenType.HAVING,
        TokenType.ORDER_BY,
        TokenType.LIMIT,
        TokenType.OFFSET,
        TokenType.FETCH,
        TokenType.WINDOW,
        TokenType.UNION,
        TokenType.EXCEPT,
        TokenType.INTERSECT,
    }
)
BEFORE_QUERY = frozenset(
    {
        None,
        TokenType.L_PAREN,
        TokenType.UNION,
        TokenType.EXCEPT,
        TokenType.INTERSECT,
        TokenType.ALL,
        TokenType.DISTINCT,
    }
)
"""What stands before a query; None is the start of a statement."""


class _Level:
    """The state of the search inside of one pair of parentheses.

    Attributes:
        has_select: Whether there was a SELECT. Only then a FROM starts a clause, unlike in ``extract(year FROM day)``.
        in_table_list: Whether a comma is followed by another table.
        expects_table: Whether the next token is the name of a table.
    """

    def __init__(self, *, expects_table: bool = False) -> None:
        self.has_select = False
        self.in_table_list = expects_table
        self.expects_table = expects_table

    def handle_keyword(self, kind: TokenType, before: TokenType | None, after: TokenType | None) -> bool:
        """Update the state if a token is a keyword or comma that matters to it; return whether it is."""
        if kind is TokenType.SELECT:
            self.has_select, self.in_table_list, self.expects_table = True, False, False
        elif kind is TokenType.FROM:
            is_clause = self.has_select and before is not TokenType.DISTINCT  # IS DISTINCT FROM
            self.in_table_list = self.expects_table = is_clause
        elif kind is TokenType.COMMA:
            self.expects_table = self.in_table_list
        elif kind is TokenType.JOIN or (kind is TokenType.TABLE and after is TokenType.L_PAREN):
            self.expects_table = True
        elif kind is TokenType.TABLE and before in BEFORE_QUERY:  # TABLE a.b, which is SELECT * FROM a.b
            self.in_table_list, self.expects_table = False, True
        elif kind in ENDS_FROM_CLAUSE:
            self.in_table_list = self.expects_table = False
        else:
            return False
        return True


def names_in_tokens(tokens: Sequence[Token]) -> Iterator[Name]:
    """Find the names that SQL reads, without parsing it.

    Args:
        tokens: The tokens that `dagster_dune.catalog.sql.tokens.tokenized` returned for the SQL.

    Yields:
        The names after FROM and JOIN, except those of CTEs.
    """
    start = 0
    for end in [at for at, token in enumerate(tokens) if token.token_type is TokenType.SEMICOLON] + [len(tokens)]:
        yield from _names_in_statement(tokens[start:end])
        start = end + 1


def _names_in_statement(tokens: Sequence[Token]) -> Iterator[Name]:
    ctes = set(_cte_names(tokens))
    levels = [_Level()]
    position = 0
    while position < len(tokens):
        kind = tokens[position].token_type
        level = levels[-1]
        if kind is TokenType.L_PAREN:
            levels.append(_Level(expects_table=level.expects_table))
            level.expects_table = False
        elif kind is TokenType.R_PAREN:
            levels = levels[:-1] or [_Level()]
        elif (
            not level.handle_keyword(kind, kind_at(tokens, position - 1), kind_at(tokens, position + 1))
            and level.expects_table
        ):
            level.expects_table = False
            start = tokens[position].start
            name, position = _dotted_name(tokens, position)
            is_function = kind_at(tokens, position) is TokenType.L_PAREN
            is_cte = len(name) == 1 and name[0].lower() in ctes
            if not is_function and not is_cte:
                yield Name(name, start)
            continue
        position += 1


def _dotted_name(tokens: Sequence[Token], position: int) -> tuple[list[str], int]:
    """Read a name such as ``a.b.c``; return its parts and the position after it."""
    parts = [tokens[position].text]
    position += 1
    while kind_at(tokens, position) is TokenType.DOT and position + 1 < len(tokens):
        parts.append(tokens[position + 1].text)
        position += 2
    return parts, position


def _cte_names(tokens: Sequence[Token]) -> Iterator[str]:
    for position, token in enumerate(tokens):
        if kind_at(tokens, position + 1) is TokenType.ALIAS and kind_at(tokens, position + 2) is TokenType.L_PAREN:
            yield token.text.lower()
