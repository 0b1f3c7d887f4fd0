"""What is guessed until DuckDB's binder has told the types.

A query must bind before its types can be read, and how ``x[1]`` or ``UNNEST(x) AS t(a, b)`` is written depends on the
type of ``x``. So it is written for an array and a map first and, if that does not bind, for rows.
"""

from __future__ import annotations

from sqlglot import exp

_ROWS = "dune_rows"


def guess_rows(statement: exp.Query) -> bool:
    """Write for rows from now on, if that changes anything.

    Args:
        statement: The prepared query, which is marked.

    Returns:
        Whether another attempt can differ.
    """
    can_differ = _ROWS not in statement.meta and statement.find(exp.Bracket, exp.Unnest) is not None
    statement.meta[_ROWS] = True
    return can_differ


def expects_rows(node: exp.Expr) -> bool:
    """Whether what is not known yet is taken for rows."""
    return bool(node.root().meta.get(_ROWS))
