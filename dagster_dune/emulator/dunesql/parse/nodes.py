"""Rejects syntax of nodes that Trino's grammar does not have: reserved words as names, and clauses of other databases.

See https://docs.dune.com/query-engine/reserved-keywords.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.functions import NAMES, function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at

RESERVED = frozenset(
    {
        "alter", "and", "as", "asof", "between", "by", "case", "cast", "constraint", "create", "cross", "cube",
        "current_catalog", "current_date", "current_path", "current_role", "current_schema", "current_time",
        "current_timestamp", "current_user", "deallocate", "delete", "describe", "distinct", "drop", "else", "end",
        "escape", "except", "execute", "exists", "extract", "false", "for", "from", "full", "group", "grouping",
        "having", "in", "inner", "insert", "intersect", "into", "is", "join", "json_array", "json_exists",
        "json_object", "json_query", "json_table", "json_value", "left", "like", "listagg", "localtime",
        "localtimestamp", "natural", "normalize", "not", "null", "on", "or", "order", "outer", "prepare", "recursive",
        "right", "rollup", "select", "skip", "table", "then", "trim", "true", "uescape", "union", "unnest", "using",
        "values", "when", "where", "with",
    }
)  # fmt: skip
"""Words that are names only in double quotes."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOREIGN_CLAUSES = (
    "sort", "distribute", "cluster", "connect", "pivots", "prewhere", "qualify", "locks", "settings", "format",
    "options",
)  # fmt: skip
_FOREIGN_ARGUMENTS: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Select: (*_FOREIGN_CLAUSES, "kind", "hint", "into", "laterals", "operation_modifiers"),
    exp.Subquery: _FOREIGN_CLAUSES,
    exp.Union: (*_FOREIGN_CLAUSES, "by_name", "on"),
    exp.Except: (*_FOREIGN_CLAUSES, "by_name", "on"),
    exp.Intersect: (*_FOREIGN_CLAUSES, "by_name", "on"),
    exp.CTE: ("scalar", "materialized", "key_expressions"),
    exp.Group: ("totals",),
    exp.Ordered: ("with_fill",),
    exp.Join: ("method", "global_", "hint", "match_condition"),
    exp.Table: ("hints", "pivots", "only", "partition", "changes", "indexed", "when", "system_time", "version"),
    exp.TableSample: ("seed", "rows", "size", "bucket_numerator", "bucket_field"),
    exp.LimitOptions: ("percent",),
    exp.Cast: ("format",),
    exp.TryCast: ("format",),
    exp.DataType: ("nullable",),
    exp.Values: ("where", "group", "having", "windows"),
}
"""Arguments of nodes that sqlglot parses and Trino's grammar does not have."""


def check_node(node: exp.Expr, sql: str) -> None:
    """Check that Trino's grammar has a node with these arguments.

    Args:
        node: A node of a query.
        sql: The text of the query.

    Raises:
        SqlError: It is a name that requires quotes, or has an argument that Trino's grammar does not have.
    """
    if isinstance(node, exp.Identifier):
        _check_name(node, sql)
        return
    for part in _FOREIGN_ARGUMENTS.get(type(node), ()):
        if node.args.get(part):
            raise error_at(
                node, f"mismatched input '{part.rstrip('_').replace('_', ' ').upper()}': this is not Trino's"
            )
    words = _CHECKS[type(node)](node) if type(node) in _CHECKS else ""
    if words:
        raise error_at(node, f"mismatched input: {words}")


def _check_name(node: exp.Identifier, sql: str) -> None:
    name = node.name
    if node.args.get("quoted"):
        if sql[node.meta.get("start", 0)] == "'":
            raise error_at(node, f"mismatched input '{name}': {_QUOTES}")
        return
    if name.lower() in RESERVED:
        raise error_at(node, f"mismatched input '{name}': it is a reserved word; a name stands in double quotes")
    if not _NAME.fullmatch(name):
        raise error_at(node, f"mismatched input '{name}': a name of other letters stands in double quotes")


_QUOTES = "a name stands in double quotes, and a text in single ones"


def _column(node: exp.Expr) -> str:
    return _QUOTES if isinstance(node.this, exp.Literal) else ""


def _join(node: exp.Expr) -> str:
    return _QUOTES if any(isinstance(column, exp.Literal) for column in node.args.get("using") or ()) else ""


def _limit(node: exp.Expr) -> str:
    options = node.args.get("limit_options")
    return "WITH TIES belongs to FETCH FIRST" if options is not None and not options.args.get("percent") else ""


def _nulls(node: exp.Expr) -> str:
    return "" if isinstance(node.parent, exp.Window) else "IGNORE NULLS and RESPECT NULLS stand before OVER"


def _within_group(node: exp.Expr) -> str:
    return "WITHIN GROUP belongs to listagg" if function_name(node.this) in NAMES else ""


def _window(node: exp.Expr) -> str:
    inner = node.this
    while isinstance(inner, exp.IgnoreNulls | exp.RespectNulls):
        inner = inner.this
    return "a function has one OVER" if isinstance(inner, exp.Window) else ""


def _window_spec(node: exp.Expr) -> str:
    return "" if node.args.get("start") else "a window frame has a beginning"


def _table_alias(node: exp.Expr) -> str:
    is_nameless = node.args.get("columns") and node.args.get("this") is None
    return "the columns of a relation are named after its own name" if is_nameless else ""


def _tuple(node: exp.Expr) -> str:
    is_set = isinstance(node.parent, exp.Group | exp.GroupingSets | exp.Rollup | exp.Cube)
    return "" if node.expressions or is_set else "something is missing in the parentheses"


def _distinct(node: exp.Expr) -> str:
    is_whole = isinstance(node.parent, exp.Query)
    values = node.expressions
    if is_whole or (values and not isinstance(values[0], exp.Star)):
        return ""
    return "DISTINCT takes an expression"


def _parameter(node: exp.Expr) -> str:
    return "" if isinstance(node.this, exp.Literal | exp.DataType) else "a number stands in the parentheses of a type"


_CHECKS: dict[type[exp.Expr], Callable[[exp.Expr], str]] = {
    exp.Window: _window,
    exp.WindowSpec: _window_spec,
    exp.TableAlias: _table_alias,
    exp.Tuple: _tuple,
    exp.Distinct: _distinct,
    exp.DataTypeParam: _parameter,
    exp.Column: _column,
    exp.IgnoreNulls: _nulls,
    exp.RespectNulls: _nulls,
    exp.Join: _join,
    exp.Limit: _limit,
    exp.WithinGroup: _within_group,
}
"""Checks that return what is wrong with a node, or an empty text."""
