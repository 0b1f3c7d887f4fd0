"""The names that a text reads, found token by token: for what cannot be parsed."""

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


class _Level:
    """Where a reader of tokens is, inside one pair of parentheses.

    Attributes:
        selects: There was a SELECT, so that a FROM starts a clause (``extract(year FROM day)`` has one that does not).
        lists: A comma is followed by one more table.
        expects: The next word is a table.
    """

    def __init__(self, *, expects: bool = False) -> None:
        self.selects = False
        self.lists = expects
        self.expects = expects

    def pass_keyword(self, kind: TokenType, before: TokenType | None, after: TokenType | None) -> bool:
        """Take note of a token, if it is one of those that tell where tables are named."""
        if kind is TokenType.SELECT:
            self.selects, self.lists, self.expects = True, False, False
        elif kind is TokenType.FROM:
            self.lists = self.expects = self.selects and before is not TokenType.DISTINCT  # IS DISTINCT FROM
        elif kind is TokenType.COMMA:
            self.expects = self.lists
        elif kind is TokenType.JOIN or (kind is TokenType.TABLE and after is TokenType.L_PAREN):
            self.expects = True
        elif kind in ENDS_FROM_CLAUSE:
            self.lists = self.expects = False
        else:
            return False
        return True


def names_in_tokens(tokens: Sequence[Token]) -> Iterator[Name]:
    """Find the names of what a text reads, where no parser can read it.

    Args:
        tokens: What `dagster_dune.catalog.sql.tokens.tokenized` made of the text.

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
            levels.append(_Level(expects=level.expects))
            level.expects = False
        elif kind is TokenType.R_PAREN:
            levels = levels[:-1] or [_Level()]
        elif (
            not level.pass_keyword(kind, kind_at(tokens, position - 1), kind_at(tokens, position + 1)) and level.expects
        ):
            level.expects = False
            start = tokens[position].start
            name, position = _dotted_name(tokens, position)
            is_function = kind_at(tokens, position) is TokenType.L_PAREN
            is_cte = len(name) == 1 and name[0].lower() in ctes
            if not is_function and not is_cte:
                yield Name(name, start)
            continue
        position += 1


def _dotted_name(tokens: Sequence[Token], position: int) -> tuple[list[str], int]:
    """Read ``a.b.c``; return its parts and where it ends."""
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
