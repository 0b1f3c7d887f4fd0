"""Where in a query something stands."""

from __future__ import annotations

from sqlglot import exp

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
