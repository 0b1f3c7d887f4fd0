"""Where in a query something stands."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, exp

from dagster_dune.emulator.sql_errors import SqlError

VIEW = "dune_view"
"""The mark on nodes that came from a query view: its name, for messages."""


def error_at(node: exp.Expr, message: str) -> SqlError:
    """Make an error that says where a node stands in the text the user wrote.

    Places in the text of a query view would mislead, so such an error names the view.

    Args:
        node: The node to blame.
        message: What is wrong with it.

    Returns:
        The error.
    """
    if view := node.meta.get(VIEW):
        return SqlError(f"{view}: {message}")
    for child in node.parts if isinstance(node, exp.Table) else node.walk(bfs=False):
        if "line" in child.meta:
            width = child.meta["end"] - child.meta["start"]
            return SqlError(message, line=child.meta["line"], column=max(1, child.meta["col"] - width))
    return SqlError(message)


def placed(tokens: Sequence[Token], sql: str) -> list[Token]:
    """Give tokens of several lines the place where they begin; the tokenizer says where they end.

    Args:
        tokens: Those of a query.
        sql: Its text.

    Returns:
        The tokens; each begins at its column less its width.
    """
    return [_placed(token, sql) if "\n" in token.text else token for token in tokens]


def _placed(token: Token, sql: str) -> Token:
    lines = sql.count("\n", token.start, token.end + 1)
    column = token.start - sql.rfind("\n", 0, token.start) + token.end - token.start
    return Token(token.token_type, token.text, token.line - lines, column, token.start, token.end, token.comments)
