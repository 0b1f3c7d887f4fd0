"""Filters, sorts and samples the rows of a result.

``filters`` and ``sort_by`` are SQL expressions over the columns of a stored result, which has JSON values. Numbers are
compared exactly; times as times, in UTC if they have no zone; other values as texts.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from dagster_dune._nesting import is_too_deep
from dagster_dune.emulator.engine.results import Column, ResultSet
from dagster_dune.emulator.requests import RequestError

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]

TRINO = Dialect.get_or_raise("trino")
MAX_DEPTH = 100
"""The maximum nesting of conditions, which are evaluated recursively within the limits of all Python versions."""
_NUMBERS = re.compile(r"tinyint|smallint|integer|bigint|real|double|decimal.*|uint256|int256")
_TIMES = re.compile(r"date|timestamp.*")
_NESTED = re.compile(r"(array|map|row)\(.*")
_COMPARISONS: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: eq, exp.NEQ: ne, exp.LT: lt, exp.LTE: le, exp.GT: gt, exp.GTE: ge,
}  # fmt: skip


# Assumptions: local-filters, local-sample-count.
def filtered(result: ResultSet, filters: str) -> ResultSet:
    """Return the rows that match a condition, such as ``amount >= 1 AND (chain = 'base' OR chain IN ('bnb'))``.

    Args:
        result: All rows.
        filters: Comparisons of a column with a text or a number, ``IN`` and ``LIKE``, with ``AND``, ``OR`` and
            parentheses between them. As on Dune, there is no ``NOT``.

    Raises:
        RequestError: 400, if the condition is of another form.

    Examples:
        >>> two = ResultSet((Column("n", "bigint"),), [{"n": 9}, {"n": 10}])
        >>> filtered(two, "n > 9.5").rows
        [{'n': 10}]
    """
    clause = _parsed(f"SELECT 1 WHERE {filters}", "filters").args.get("where")
    if clause is None:
        raise RequestError(400, "filters is empty")
    matches = _predicate(clause.this, result.by_name(str.lower))
    return ResultSet(result.columns, [row for row in result.rows if matches(row)])


def sorted_rows(result: ResultSet, sort_by: str) -> ResultSet:
    """Return the rows sorted by columns, such as ``amount desc, chain``. NULL comes last, as in Trino.

    Raises:
        RequestError: 400, if it is no list of columns.

    Examples:
        >>> two = ResultSet((Column("n", "uint256"),), [{"n": "9"}, {"n": None}, {"n": "10"}])
        >>> [row["n"] for row in sorted_rows(two, "n desc").rows]
        ['10', '9', None]
    """
    clause = _parsed(f"SELECT 1 ORDER BY {sort_by}", "sort_by").args.get("order")
    columns = result.by_name(str.lower)
    rows = list(result.rows)
    for ordered in reversed(clause.expressions if clause else []):
        column = _column(ordered.this, columns, "sort_by")
        value = _converter(column)
        present = [row for row in rows if row[column.key] is not None]
        missing = [row for row in rows if row[column.key] is None]
        present.sort(key=lambda row: value(row[column.key]), reverse=bool(ordered.args.get("desc")))
        rows = missing + present if ordered.args.get("nulls_first") else present + missing
    return ResultSet(result.columns, rows)


def sampled(result: ResultSet, count: int) -> ResultSet:
    """Return randomly chosen rows in their order, different ones each time; all if there are not more."""
    if count >= len(result.rows):
        return result
    chosen = sorted(random.sample(range(len(result.rows)), count))
    return ResultSet(result.columns, [result.rows[position] for position in chosen])


def _parsed(sql: str, option: str) -> exp.Select:
    try:
        tokens = TRINO.tokenize(sql)
        if is_too_deep(tokens, MAX_DEPTH):
            raise RequestError(400, f"{option} cannot be read: it is nested too deep")
        statement, *others = TRINO.parser().parse(tokens, sql)
    except (SqlglotError, RecursionError) as error:
        raise RequestError(400, f"{option} cannot be read: {str(error).splitlines()[0]}") from error
    allowed = {"filters": {"kind", "expressions", "where"}, "sort_by": {"kind", "expressions", "order"}}[option]
    if others or not isinstance(statement, exp.Select) or _clauses(statement) - allowed:
        raise RequestError(400, f"{option} holds more than one clause")
    return statement


def _clauses(statement: exp.Select) -> set[str]:
    return {name for name, value in statement.args.items() if value}


def _predicate(node: exp.Expr, columns: Mapping[str, Column]) -> Predicate:
    if isinstance(node, exp.Paren):
        return _predicate(node.this, columns)
    if isinstance(node, exp.And | exp.Or):
        parts_match = [_predicate(part, columns) for part in node.flatten(unnest=False)]
        decide = all if isinstance(node, exp.And) else any
        return lambda row: decide(matches(row) for matches in parts_match)
    parts = {name for name, value in node.args.items() if value}  # sqlglot marks NOT LIKE and IN (SELECT ...) here
    if isinstance(node, exp.In) and parts == {"this", "expressions"}:
        column = _column(node.this, columns, "filters")
        value, literals = _converter(column), {_literal(item, column) for item in node.expressions}
        return _on(column, lambda cell: value(cell) in literals)
    if isinstance(node, exp.Like) and parts == {"this", "expression"}:
        column = _column(node.this, columns, "filters")
        pattern = _like(str(_text(node.expression)))
        return _on(column, lambda cell: pattern.fullmatch(str(cell)) is not None)
    if compare := _COMPARISONS.get(type(node)):
        column = _column(node.this, columns, "filters")
        value, literal = _converter(column), _literal(node.expression, column)
        return _on(column, lambda cell: compare(value(cell), literal))
    raise RequestError(
        400,
        "filters takes <column> <operator> <value>, IN and LIKE, with AND and OR between them, "
        f"not {node.sql('trino')}",
    )


def _on(column: Column, matches: Callable[[Any], bool]) -> Predicate:
    """Return a predicate on the value of a column. NULL matches nothing, as in SQL."""
    return lambda row: row[column.key] is not None and matches(row[column.key])


def _column(node: exp.Expr, columns: Mapping[str, Column], option: str) -> Column:
    if not isinstance(node, exp.Column) or node.table:
        raise RequestError(400, f"{option}: {node.sql('trino')} is no column")
    column = columns.get(node.name.lower())
    if column is None:
        known = ", ".join(known.name for known in columns.values())
        raise RequestError(400, f"{option}: the result has no column {node.name!r}, but {known}")
    if _NESTED.fullmatch(column.type):
        raise RequestError(400, f"{option}: column {column.name!r} is of type {column.type}, which has no order")
    return column


def _literal(node: exp.Expr, column: Column) -> Any:
    text = _text(node)
    try:
        return _converter(column)(text)
    except (ArithmeticError, ValueError) as error:
        raise RequestError(400, f"filters: {text!r} is no value of column {column.name!r} ({column.type})") from error


def _text(node: exp.Expr) -> str:
    if isinstance(node, exp.Literal):
        return str(node.this)
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return f"-{node.this.this}"
    if isinstance(node, exp.HexString):
        return f"0x{str(node.this).lower()}"
    raise RequestError(400, f"filters: {node.sql('trino')} is no text and no number")


def _converter(column: Column) -> Callable[[Any], Any]:
    """Return a function that converts values of a column, and literals, to values that compare as its type does."""
    if _NUMBERS.fullmatch(column.type):
        return _number
    if _TIMES.fullmatch(column.type):
        return _time
    if column.type == "boolean":
        return lambda value: str(value).lower()
    return str


def _number(value: Any) -> Decimal:
    number = Decimal(str(value))
    # Trino orders NaN above every number; a Decimal that is NaN cannot be compared.
    return Decimal(math.inf) if number.is_nan() else number


def _time(value: str) -> datetime:
    text = value.strip().removesuffix(" UTC")
    if re.search(r" [A-Z]\w*/", text):
        raise RequestError(400, f"filters and sort_by take no times in zones, such as {text}; write AT TIME ZONE 'UTC'")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?", text):
        raise ValueError(text)
    fraction = re.search(r"\.(\d+)", text)
    if fraction:  # a datetime has microseconds
        text = text.replace(fraction[0], f".{fraction[1][:6].ljust(6, '0')}")
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in pattern), re.DOTALL)
