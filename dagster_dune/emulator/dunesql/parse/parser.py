"""Parses the text of a query with Trino's syntax, and rejects unsupported syntax and functions.

sqlglot converts functions that it knows to nodes, which its DuckDB generator would translate in its own way. Here all
functions have the semantics of Trino's documentation. So supported functions get a prefix before sqlglot parses them:
it does not know ``trino_date_diff(...)``, which `rewrite` translates. Other functions are rejected.
"""

from __future__ import annotations

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError

from dagster_dune._nesting import is_too_deep
from dagster_dune.emulator.dunesql.parse.functions import ARRAY_CALL, FOREIGN, NAMES, PREFIX
from dagster_dune.emulator.dunesql.parse.grammar import check_tokens
from dagster_dune.emulator.dunesql.parse.incremental import previous_as_table
from dagster_dune.emulator.dunesql.parse.json_calls import as_calls
from dagster_dune.emulator.dunesql.parse.lexemes import as_trino, error_at_token, with_joined_bytes, with_text
from dagster_dune.emulator.dunesql.parse.nodes import check_node
from dagster_dune.emulator.dunesql.parse.positions import error_at, placed
from dagster_dune.emulator.dunesql.parse.values import as_selects
from dagster_dune.emulator.dunesql.parse.words import with_names
from dagster_dune.emulator.sql_errors import SqlError

_SYNTAX: tuple[type[exp.Expr], ...] = (
    exp.Select, exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Fetch,
    exp.LimitOptions, exp.Join, exp.With, exp.CTE, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.Values,
    exp.Tuple, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star, exp.Paren, exp.Literal,
    exp.Null, exp.Boolean, exp.HexString, exp.Interval, exp.Var, exp.DataType, exp.DataTypeParam,
    exp.Bracket, exp.Lambda, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Distinct, exp.Filter, exp.Window,
    exp.WindowSpec, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup, exp.Unnest, exp.Lateral, exp.Rollup, exp.Cube,
    exp.GroupingSets, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ,
    exp.NullSafeNEQ, exp.Is, exp.In, exp.Between, exp.Like, exp.Escape, exp.Exists, exp.Any, exp.All, exp.Add, exp.Sub,
    exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.AtTimeZone, exp.Extract, exp.Trim, exp.Substring,
    exp.StrPosition, exp.CurrentDate, exp.CurrentTimestamp, exp.Anonymous, exp.Dot, exp.ColumnDef,
    exp.JSONTable, exp.JSONSchema, exp.JSONColumnDef, exp.UnicodeString, exp.TableSample, exp.Normalize, exp.Struct,
    exp.GroupConcat, exp.IntervalSpan, exp.Aliases, exp.Localtimestamp, exp.Localtime, exp.Slice,
    exp.OverflowTruncateBehavior,
)  # fmt: skip
"""The nodes that `rewrite` supports, besides functions."""


_MESSAGES: dict[type[exp.Expr], str] = {
    exp.CurrentTime: "current_time is a time with time zone, a type that this emulator does not have: write localtime",
}
"""The messages for unsupported syntax, if not only with its name."""
MAX_CHARACTERS = 500_000
"""The maximum length of a query, which limits the time of parsing, since that is linear in the length."""
_UNKNOWN = "Function '{}' is not registered, or not supported by this emulator"
_FIRST = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.L_PAREN, TokenType.TABLE})
_BEFORE_NAMES = frozenset({TokenType.R_PAREN, TokenType.ALIAS})
"""Tokens after which a name with parentheses is no call, but FILTER (...), or an alias with columns."""
_QUOTABLE = frozenset({"left", "right", "initcap"})
"""Functions that are quoted in Dune's manual."""
_QUANTIFIERS = frozenset({"all", "any", "some"})
_LITERALS = frozenset({"date", "time", "timestamp", "decimal", "json", "char"})
"""Types of literals such as ``DATE '...'``."""
_TYPES = frozenset({"array", "map", "row"})
"""Types with parentheses after AS."""


def parse(sql: str) -> exp.Query:
    """Parse one query.

    Args:
        sql: The text without placeholders.

    Returns:
        The query, in which functions have the prefix.

    Raises:
        SqlError: It is no single SELECT, or has unsupported syntax or functions.
    """
    if len(sql) > MAX_CHARACTERS:
        raise SqlError(f"The text of a query has {MAX_CHARACTERS:,} characters at the most here, not {len(sql):,}")
    sql = with_joined_bytes(sql)
    dialect = Trino()
    dialect.INDEX_OFFSET = 0  # do not change the 1 in a[1]
    try:
        tokens = as_trino(with_names(previous_as_table(placed(dialect.tokenize(sql), sql), sql)), sql)
        check_tokens(tokens)
        tokens = _with_prefixes(as_calls(as_selects(tokens)))
        if tokens and tokens[0].token_type not in _FIRST:
            raise error_at_token(tokens[0], f"Only SELECT is supported, not {tokens[0].text.upper()}")
        if is_too_deep(tokens):
            raise _too_deep()
        parsed = dialect.parser().parse(tokens, sql)
    except ParseError as error:
        raise _syntax_error(error) from None
    except RecursionError:
        raise _too_deep() from None
    except TokenError:
        raise SqlError(
            "The text cannot be read as SQL: a quote or a comment is not closed", type="FAILED_TYPE_SYNTAX"
        ) from None
    statements = [
        statement for statement in parsed if statement is not None and not isinstance(statement, exp.Semicolon)
    ]
    if len(statements) != 1:
        raise SqlError(f"A query must be one statement, not {len(statements)}")
    statement = statements[0]
    if isinstance(statement, exp.Values):
        statement = exp.select("*").from_(statement)
    if not isinstance(statement, exp.Query) or isinstance(statement, exp.Table):
        raise SqlError("Only SELECT is supported")
    _refuse_unlisted(statement, sql)
    return statement


def _too_deep() -> SqlError:
    return SqlError("The query is nested too deep for this emulator", type="FAILED_TYPE_SYNTAX")


def _with_prefixes(tokens: list[Token]) -> list[Token]:
    """Add the prefix to functions, and convert ``DECIMAL '1.5'`` and ``ARRAY[1, 2]`` to calls.

    sqlglot parses ARRAY[ as a type first, which would double the time for each level of nesting.
    """
    converted: list[Token] = []
    type_end = 0
    arrays: list[bool] = []
    closings = _closings(tokens)
    for position, token in enumerate(tokens):
        if token.token_type == TokenType.L_BRACKET:
            arrays.append(position > 0 and tokens[position - 1].token_type == TokenType.ARRAY)
            converted.append(with_text(token, TokenType.L_PAREN, "(") if arrays[-1] else token)
            continue
        if token.token_type == TokenType.R_BRACKET:
            is_array = bool(arrays) and arrays.pop()
            converted.append(with_text(token, TokenType.R_PAREN, ")") if is_array else token)
            continue
        if _begins_type(tokens, position):
            type_end = closings.get(position + 1, len(tokens))
        if position < type_end:
            converted.append(token)
            continue
        previous = tokens[position - 1].token_type if position else None
        following = tokens[position + 1].token_type if position + 1 < len(tokens) else None
        if following == TokenType.L_BRACKET and token.token_type == TokenType.ARRAY:
            converted.append(with_text(token, TokenType.VAR, f"{PREFIX}{ARRAY_CALL}"))
        elif following == TokenType.L_PAREN and previous not in _BEFORE_NAMES:
            is_cte = _is_cte(tokens, position, closings.get(position + 1, len(tokens)))
            converted.append(token if is_cte else _with_prefix(token))
        elif following == TokenType.STRING and token.text.lower() in _LITERALS and previous != TokenType.DOT:
            converted += _typed_literal(token)
        elif token.token_type == TokenType.STRING and position and tokens[position - 1].text.lower() in _LITERALS:
            converted += [token, with_text(token, TokenType.R_PAREN, ")")]
        else:
            converted.append(token)
    return converted


def _begins_type(tokens: list[Token], position: int) -> bool:
    """Return whether a type is at a position: ``row(a bigint)`` is a type after AS, and a call elsewhere."""
    if position == 0 or position + 1 >= len(tokens) or tokens[position - 1].token_type != TokenType.ALIAS:
        return False
    return tokens[position].text.lower() in _TYPES and tokens[position + 1].token_type == TokenType.L_PAREN


def _closings(tokens: list[Token]) -> dict[int, int]:
    """Return the position of the closing parenthesis for each opening one."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for position, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            opened.append(position)
        elif token.token_type == TokenType.R_PAREN and opened:
            found[opened.pop()] = position
    return found


def _is_cte(tokens: list[Token], position: int, end: int) -> bool:
    """Return whether ``name (columns) AS (`` is at a position, which is no call."""
    follows = [token.token_type for token in tokens[end + 1 : end + 3]]
    return follows == [TokenType.ALIAS, TokenType.L_PAREN] and position > 0 and (
        tokens[position - 1].text.lower() in ("with", "recursive", ",")
    )  # fmt: skip


def _with_prefix(token: Token) -> Token:
    name = token.text.lower()
    is_quoted = token.token_type == TokenType.IDENTIFIER and name not in _QUOTABLE
    if (is_quoted or name not in NAMES) and name not in FOREIGN:
        if name.startswith(PREFIX):
            raise error_at_token(token, _UNKNOWN.format(name))
        return token
    return with_text(token, TokenType.VAR, PREFIX + name)


def _typed_literal(token: Token) -> list[Token]:
    """Convert ``TIMESTAMP '...'`` to a call, since a cast of the text could have another type."""
    return [
        with_text(token, TokenType.VAR, f"{PREFIX}literal"),
        with_text(token, TokenType.L_PAREN, "("),
        with_text(token, TokenType.STRING, token.text.lower()),
        with_text(token, TokenType.COMMA, ","),
    ]


def _refuse_unlisted(statement: exp.Query, sql: str) -> None:
    for node in statement.walk(bfs=False):
        if isinstance(node, exp.Anonymous):
            _check_call(node)
        elif not isinstance(node, _SYNTAX):
            if isinstance(node, exp.Func) and "start" in node.meta:
                raise _unknown(node, sql[node.meta["start"] : node.meta["end"] + 1])
            words = _MESSAGES.get(type(node)) or f"{node.key.upper()} is not supported by this emulator"
            raise error_at(node, words)
        else:
            check_node(node, sql)


def _check_call(call: exp.Anonymous) -> None:
    name = call.name.lower()
    has_prefix = name.startswith(PREFIX)
    name = name.removeprefix(PREFIX)
    if name in FOREIGN if has_prefix else name not in _QUANTIFIERS:
        raise _unknown(call, name)


def _unknown(node: exp.Expr, name: str) -> SqlError:
    return error_at(node, _UNKNOWN.format(name.lower()))


def _syntax_error(error: ParseError) -> SqlError:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "").strip()
    message = f"mismatched input '{near}'" if near else "The text cannot be read as SQL"
    detail = str(first.get("description") or "").partition(" but got")[0].rstrip(".")
    detail = "something is missing before it" if detail.startswith("Required keyword") else detail
    message = f"{message}: {detail}" if detail else message
    column = first.get("col")
    begin = column and column - len(str(first.get("highlight") or " ")) + 1
    return SqlError(message, type="FAILED_TYPE_SYNTAX", line=first.get("line"), column=begin)
