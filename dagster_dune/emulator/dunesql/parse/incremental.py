"""Incremental queries, which read their own previous result: ``TABLE(previous.query.result(DESCRIPTOR(n bigint)))``.

The call is parsed as a table whose name contains the columns. The translation replaces it by a subquery, which casts
the previous result to these columns, or has no rows the first time.
See https://docs.dune.com/query-engine/incremental-queries.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType, exp
from sqlglot.errors import ParseError, TokenError

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.sql_errors import SqlError

PREVIOUS = "temp.previous_result"
"""The name of the table with the previous result of a query, in which all values are texts."""

_START = ["TABLE", "(", "PREVIOUS", ".", "QUERY", ".", "RESULT", "("]
_SCHEMA = ["SCHEMA", "=>"]
_DESCRIPTOR = ["DESCRIPTOR", "("]
_NAME = "previous.query.result "


def previous_as_table(tokens: Sequence[Token], sql: str) -> list[Token]:
    """Replace each ``TABLE(previous.query.result(...))`` by a table name.

    Args:
        tokens: The tokens of a query.
        sql: The text of the query.

    Returns:
        The tokens, with one name in place of the call.

    Raises:
        SqlError: The call has another form than documented.
    """
    done: list[Token] = []
    position = 0
    while position < len(tokens):
        if _texts(tokens, position, len(_START)) != _START:
            done.append(tokens[position])
            position += 1
            continue
        first = position
        position += len(_START)
        if _texts(tokens, position, len(_SCHEMA)) == _SCHEMA:
            position += len(_SCHEMA)
        if _texts(tokens, position, len(_DESCRIPTOR)) != _DESCRIPTOR:
            raise _unreadable(tokens[first])
        position += len(_DESCRIPTOR)
        begin, depth = position, 1
        while depth and position < len(tokens):
            depth += {"(": 1, ")": -1}.get(tokens[position].text, 0)
            position += 1
        if depth or position - 1 == begin or _texts(tokens, position, 2) != [")", ")"]:
            raise _unreadable(tokens[first])
        columns = sql[tokens[begin].start : tokens[position - 2].end + 1]
        position += 2
        done.append(_named(tokens[first], _NAME + columns))
    return done


def is_previous(table: exp.Table) -> bool:
    """Return whether a table is the previous result."""
    return not table.db and table.name.startswith(_NAME)


def is_incremental(statement: exp.Query) -> bool:
    """Return whether a query reads its previous result."""
    return any(map(is_previous, statement.find_all(exp.Table)))


def definitions(table: exp.Table) -> list[tuple[str, exp.DataType]]:
    """Return the columns of a descriptor, which has the syntax of the fields of a ROW.

    Raises:
        SqlError: They cannot be parsed.
    """
    try:
        row = exp.DataType.build(f"ROW({table.name.removeprefix(_NAME)})", dialect="trino")
    except (ParseError, TokenError):
        row = exp.DataType(expressions=[])
    fields = [field for field in row.expressions if isinstance(field, exp.ColumnDef) and field.args.get("kind")]
    if not fields or len(fields) != len(row.expressions):
        raise error_at(table, "The DESCRIPTOR of previous.query.result must list names with types")
    return [(field.name, field.args["kind"]) for field in fields]


def _texts(tokens: Sequence[Token], position: int, count: int) -> list[str]:
    return [token.text.upper() for token in tokens[position : position + count]]


def _named(token: Token, name: str) -> Token:
    return Token(TokenType.IDENTIFIER, name, token.line, token.col, token.start, token.end, token.comments)


def _unreadable(token: Token) -> SqlError:
    message = "Write TABLE(previous.query.result(schema => DESCRIPTOR(name type, ...)))"
    return SqlError(message, line=token.line, column=token.col - (token.end - token.start))
