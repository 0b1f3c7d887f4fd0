"""The text of a query, read as Trino reads it, with only what is on the lists.

sqlglot turns the functions it knows into nodes of its own, which its DuckDB writer then translates as it sees fit. Here
every function must mean what Trino documents, so the functions on our list are renamed before sqlglot reads them: it
leaves ``trino_date_diff(...)`` alone, and `lowering` says what becomes of it. Whatever other function remains
afterwards is not on the list, and is refused.
"""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from dagster_dune.emulator.dunesql.functions import FUNCTIONS, MARK
from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.errors import SqlError

_INCREMENTAL = re.compile(r"\btable\s*\(\s*previous\s*\.\s*query\s*\.\s*result\b", re.IGNORECASE)

_SYNTAX: tuple[type[exp.Expr], ...] = (
    exp.Select, exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Fetch,
    exp.LimitOptions, exp.Join, exp.With, exp.CTE, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.Values,
    exp.Tuple, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star, exp.Paren, exp.Literal,
    exp.Null, exp.Boolean, exp.HexString, exp.Interval, exp.Var, exp.DataType, exp.DataTypeParam, exp.Array,
    exp.Bracket, exp.Lambda, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Distinct, exp.Filter, exp.Window,
    exp.WindowSpec, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup, exp.Unnest, exp.Lateral, exp.Rollup, exp.Cube,
    exp.GroupingSets, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ,
    exp.NullSafeNEQ, exp.Is, exp.In, exp.Between, exp.Like, exp.Escape, exp.Exists, exp.Any, exp.All, exp.Add, exp.Sub,
    exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.AtTimeZone, exp.Extract, exp.Trim, exp.Substring,
    exp.StrPosition, exp.CurrentDate, exp.CurrentTimestamp, exp.Anonymous, exp.Placeholder,
)  # fmt: skip
"""The syntax that `lowering` knows, beside the functions."""


def parse(sql: str) -> exp.Query:
    """Read one query.

    Args:
        sql: DuneSQL without placeholders.

    Returns:
        The query, its functions marked.

    Raises:
        SqlError: It is no single SELECT, or it uses what is not supported.
    """
    if _INCREMENTAL.search(sql):
        raise SqlError("Incremental queries (TABLE(previous.query.result(...))) are not supported by this emulator")
    dialect = Trino()
    try:
        tokens = [_marked(token, following) for token, following in _pairs(dialect.tokenize(sql))]
        statements = [statement for statement in dialect.parser().parse(tokens, sql) if statement is not None]
    except ParseError as error:
        raise _syntax_error(error) from None
    except TokenError:
        raise SqlError("The text cannot be read as SQL: a quote or a comment is not closed") from None
    if len(statements) != 1 or isinstance(statements[0], exp.Semicolon):
        raise SqlError(f"A query must be one statement, not {len(statements)}")
    statement = statements[0]
    if isinstance(statement, exp.Values):
        statement = exp.select("*").from_(statement)
    if not isinstance(statement, exp.Query) or isinstance(statement, exp.Table):
        raise SqlError(f"Only SELECT is supported, not {statement.key.upper()}")
    _refuse_unlisted(statement)
    return statement


def _pairs(tokens: list[Token]) -> list[tuple[Token, Token | None]]:
    return list(zip(tokens, [*tokens[1:], None], strict=True))


def _marked(token: Token, following: Token | None) -> Token:
    if following is None or following.token_type != TokenType.L_PAREN or token.token_type == TokenType.IDENTIFIER:
        return token
    name = token.text.lower()
    if name in FUNCTIONS:
        return Token(TokenType.VAR, MARK + name, token.line, token.col, token.start, token.end, token.comments)
    if name.startswith(MARK):
        raise _unsupported(token.text, token.line, token.col - (token.end - token.start))
    return token


def _refuse_unlisted(statement: exp.Query) -> None:
    for node in statement.walk(bfs=False):
        if isinstance(node, exp.Anonymous):
            _check_call(node)
        elif not isinstance(node, _SYNTAX):
            if isinstance(node, exp.Func):
                raise error_at(node, f"Function '{node.sql_name().lower()}' is not supported by this emulator")
            raise error_at(node, f"{node.key.upper()} is not supported by this emulator")


def _check_call(call: exp.Anonymous) -> None:
    name = call.name.lower()
    if not name.startswith(MARK):
        raise error_at(call, f"Function '{name}' is not registered, or not supported by this emulator")
    function = FUNCTIONS[name[len(MARK) :]]
    count = len(call.expressions)
    if not function.least <= count <= function.most:
        raise error_at(call, f"Unexpected number of arguments ({count}) for function {name[len(MARK) :]}")


def _unsupported(name: str, line: int, column: int) -> SqlError:
    return SqlError(
        f"Function '{name.lower()}' is not registered, or not supported by this emulator", line=line, column=column
    )


def _syntax_error(error: ParseError) -> SqlError:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "").strip()
    message = f"mismatched input '{near}'" if near else "The text cannot be read as SQL"
    detail = str(first.get("description") or "").rstrip(".")
    return SqlError(f"{message}: {detail}" if detail else message, line=first.get("line"), column=first.get("col"))
