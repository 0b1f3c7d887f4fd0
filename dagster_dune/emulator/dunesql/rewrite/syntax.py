"""Rewrites of syntax that need no types: one small function each, applied to every node from the leaves up."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.resolve.names import cte_names, quoted, table_name
from dagster_dune.emulator.dunesql.rewrite.expressions import call, text
from dagster_dune.emulator.dunesql.rewrite.functions.json_paths import json_query, json_value

_MAX_BIGINT = 2**63 - 1


def rename_tables(statement: exp.Query, exists: Callable[[str], bool]) -> None:
    """Write each table as DuckDB keeps it.

    Args:
        statement: A query, changed in place.
        exists: Whether there is a table of a full name.

    Raises:
        SqlError: A table does not exist.
    """
    for table in list(statement.find_all(exp.Table)):
        name = table_name(table)
        if not table.db and name in cte_names(table):
            continue
        if not table.db or not exists(name):
            raise error_at(table, f"Table '{name}' does not exist")
        alias = table.alias or table.name
        replacement = exp.maybe_parse(quoted(name), into=exp.Table, dialect="duckdb")
        replacement.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        replacement.set("joins", table.args.get("joins"))
        table.replace(replacement)


def name_columns(statement: exp.Query) -> None:
    """Name the columns that have no name: ``_col0``, ``_col1``, by their place in the SELECT."""
    for select in statement.find_all(exp.Select):
        for position, column in enumerate(select.expressions):
            if not isinstance(column, exp.Alias | exp.Star) and not _is_column(column):
                name = column.expression.name if isinstance(column, exp.Dot) else f"_col{position}"
                column.replace(exp.alias_(column.copy(), name, quoted=True))
    for values in statement.find_all(exp.Values):
        _name_values(values)


def _is_column(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) or (isinstance(node, exp.Dot) and isinstance(node.expression, exp.Star))


def _name_values(values: exp.Values) -> None:
    alias = values.args.get("alias")
    if (alias and alias.columns) or not values.expressions:
        return
    columns = [
        exp.to_identifier(f"_col{position}", quoted=True)
        for position in range(len(values.expressions[0].expressions) or 1)
    ]
    values.set("alias", exp.TableAlias(this=alias.this if alias else exp.to_identifier("_values"), columns=columns))


def drop_limit_all(statement: exp.Query) -> None:
    """``LIMIT ALL`` is no limit."""
    for limit in list(statement.find_all(exp.Limit)):
        if limit.expression.name.upper() == "ALL":
            limit.pop()


def rewrite_syntax(node: exp.Expr) -> exp.Expr:
    """Rewrite one node, whose children are done."""
    for kind, rewrite in _REWRITES.items():
        if isinstance(node, kind):
            return rewrite(node)
    return node


def _hex_literal(node: exp.Expr) -> exp.Expr:
    """``0xAB`` is a varbinary."""
    digits = node.name
    if len(digits) % 2 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise error_at(node, f"Binary literal '0x{digits}' must hold an even number of hexadecimal digits")
    return call("unhex", text(digits))


def _integer_literal(node: exp.Expr) -> exp.Expr:
    if not node.args["is_string"] and node.name.isdigit() and int(node.name) > _MAX_BIGINT:
        raise error_at(node, f"Invalid numeric literal: {node.name}; write CAST('{node.name}' AS uint256)")
    return node


def _now(node: exp.Expr) -> exp.Expr:
    del node
    return call("trino_now")


def _today(node: exp.Expr) -> exp.Expr:
    del node
    return call("trino_today")


_IGNORING_NULLS: dict[str, type[exp.Func]] = {
    "first_value": exp.FirstValue,
    "last_value": exp.LastValue,
    "nth_value": exp.NthValue,
    "lag": exp.Lag,
    "lead": exp.Lead,
}


def _ignore_nulls(node: exp.Expr) -> exp.Expr:
    """DuckDB wants IGNORE NULLS between the parentheses, where sqlglot puts it for functions that it knows."""
    function = node.this
    if not isinstance(function, exp.Anonymous) or function.name not in _IGNORING_NULLS:
        raise error_at(node, "IGNORE NULLS is supported for first_value, last_value, nth_value, lag and lead only")
    return exp.IgnoreNulls(this=_IGNORING_NULLS[function.name].from_arg_list(function.expressions))


def _respect_nulls(node: exp.Expr) -> exp.Expr:
    function: exp.Expr = node.this
    return function


def _trim(node: exp.Expr) -> exp.Expr:
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.text("position").upper(), "trim")
    return call(function, node.this, node.args.get("expression") or call("trino_blanks"))


def _position(node: exp.Expr) -> exp.Expr:
    return call("strpos", node.this, node.args["substr"])


def _within_group(node: exp.Expr) -> exp.Expr:
    """``listagg(x, ',') WITHIN GROUP (ORDER BY y)`` is ``listagg(x, ',' ORDER BY y)``."""
    if not isinstance(node.this, exp.Anonymous) or node.this.name != "listagg":
        raise error_at(node, "WITHIN GROUP is supported for listagg only")
    value, *given = node.this.expressions
    separator = given[0] if given else text("")
    return call("listagg", value, exp.Order(this=separator, expressions=node.expression.expressions))


def _field(node: exp.Expr) -> exp.Expr:
    """``(r).a`` is a field of a row; ``t.*`` stays as it is."""
    if isinstance(node.expression, exp.Star):
        return node
    return call("struct_extract", node.this, text(node.expression.name))


_REWRITES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.HexString: _hex_literal,
    exp.Literal: _integer_literal,
    exp.CurrentTimestamp: _now,
    exp.CurrentDate: _today,
    exp.StrPosition: _position,
    exp.Trim: _trim,
    exp.IgnoreNulls: _ignore_nulls,
    exp.RespectNulls: _respect_nulls,
    exp.Dot: _field,
    exp.JSONExtract: json_query,
    exp.JSONValue: json_value,
    exp.WithinGroup: _within_group,
}
