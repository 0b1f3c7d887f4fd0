"""Positions of nodes and tokens in the text of a query."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, exp

from dagster_dune.emulator.sql_errors import SqlError

VIEW = "dune_view"
"""The key in the metadata of nodes for the name of the query view that they come from."""


def error_at(node: exp.Expr, message: str) -> SqlError:
    """Return an error at the position of a node in the text of the query.

    A position in the text of a query view would be misleading, so an error of one has the name of the view instead.

    Args:
        node: The node.
        message: The message.

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
    """Set the positions of tokens with several lines to their beginnings, since the tokenizer sets their ends.

    Args:
        tokens: The tokens of a query.
        sql: The text of the query.

    Returns:
        The tokens; each begins at its column minus its width.
    """
    return [_placed(token, sql) if "\n" in token.text else token for token in tokens]


def _placed(token: Token, sql: str) -> Token:
    lines = sql.count("\n", token.start, token.end + 1)
    column = token.start - sql.rfind("\n", 0, token.start) + token.end - token.start
    return Token(token.token_type, token.text, token.line - lines, column, token.start, token.end, token.comments)
