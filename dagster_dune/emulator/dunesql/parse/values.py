"""VALUES with an ORDER BY or a LIMIT behind it, which the parser does not read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType

from dagster_dune.emulator.dunesql.parse.lexemes import with_text

_ENDINGS = frozenset({TokenType.ORDER_BY, TokenType.OFFSET, TokenType.LIMIT, TokenType.FETCH})
_OTHER_ENDS = frozenset({TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.SEMICOLON})


def as_selects(tokens: Sequence[Token]) -> list[Token]:
    """Write ``VALUES 1, 2 ORDER BY 1`` as ``SELECT * FROM (VALUES 1, 2) ORDER BY 1``."""
    if not any(token.token_type == TokenType.VALUES for token in tokens):
        return list(tokens)
    made: list[Token] = []
    closed_before: set[int] = set()
    for position, token in enumerate(tokens):
        if position in closed_before:
            made.append(with_text(token, TokenType.R_PAREN, ")"))
        if token.token_type == TokenType.VALUES and (end := _ending(tokens, position)):
            closed_before.add(end)
            words = (
                (TokenType.SELECT, "SELECT"),
                (TokenType.STAR, "*"),
                (TokenType.FROM, "FROM"),
                (TokenType.L_PAREN, "("),
            )
            made += [with_text(token, kind, text) for kind, text in words]
        made.append(token)
    return made


def _ending(tokens: Sequence[Token], position: int) -> int:
    """Where the ORDER BY or LIMIT of a VALUES stands, 0 where it has none."""
    depth = 0
    for place in range(position + 1, len(tokens)):
        kind = tokens[place].token_type
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(kind, 0)
        if depth < 0 or (depth == 0 and kind in _OTHER_ENDS):
            return 0
        if depth == 0 and kind in _ENDINGS:
            return place
    return 0
