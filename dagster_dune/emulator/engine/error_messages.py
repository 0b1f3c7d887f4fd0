"""Converts error messages of DuckDB to those of Trino."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter

from sqlglot import exp

from dagster_dune._splitting import split_at_commas
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.types.storage import trino_type
from dagster_dune.emulator.sql_errors import SqlError, SqlErrorType

_INTEGER_NAMES = {"INT8": "tinyint", "INT16": "smallint", "INT32": "integer", "INT64": "bigint"}
_LITERALS = {"INTEGER_LITERAL": "INTEGER", "STRING_LITERAL": "VARCHAR"}
_PATH = re.compile(r"(?<![\w'])/[\w./-]+")
_UNRESOLVED = re.compile(r"Column '(?P<name>[^']*)' (?:cannot be resolved|is ambiguous)")
_KIND = re.compile(r"^(?:INTERNAL|[A-Z][\w ]*) Error: ")
_HINT = re.compile(r"\s*(?:Use TRY\(|You might need|Candidate |Did you mean|LINE \d).*", re.DOTALL)


def sql_error(message: str) -> SqlError:
    """Return the error for a message of DuckDB.

    Args:
        message: The message of DuckDB, which may contain a path of this machine.

    Returns:
        The error with Trino's message if there is one, and without paths.
    """
    if message.startswith(("INTERRUPT", "Interrupted")):
        return SqlError("The query was cancelled", type="FAILED_TYPE_CANCELLED")
    kind: SqlErrorType = "FAILED_TYPE_SYNTAX" if message.startswith("Parser Error") else "FAILED_TYPE_EXECUTION_FAILED"
    return SqlError(_trino_message(message), type=kind)


def with_position(error: SqlError, statement: exp.Query) -> SqlError:
    """Add the position of a column that cannot be resolved.

    Args:
        error: The error of the binder.
        statement: The query as written by the user.

    Returns:
        The error, with line and column if it is about a column in the query.
    """
    match = _UNRESOLVED.fullmatch(error.message)
    if error.line is not None or match is None:
        return error
    table, _, name = match["name"].rpartition(".")
    for column in statement.find_all(exp.Column):
        parts = (column.table.lower(), column.name.lower())
        if parts == (table.lower(), name.lower()) or (not table and name.lower() in parts):
            return error_at(column, error.message)
    return error


def _trino_message(message: str) -> str:
    for pattern, words in _TRINO_MESSAGES:
        if match := pattern.search(message):
            return words(match)
    return _PATH.sub("<file>", _KIND.sub("", _HINT.sub("", message))).strip()


def _conversion(match: re.Match[str]) -> str:
    return f"Cannot cast '{match['value']}' to {_type_name(match['type'])}"


def _type_name(name: str) -> str:
    return _INTEGER_NAMES.get(name) or trino_type(_LITERALS.get(name, name))


def _no_function(match: re.Match[str]) -> str:
    types = [_type_name(name) for name in split_at_commas(match["types"])]
    name = match["name"].removeprefix("trino_")
    if name.isidentifier():
        return f"Unexpected parameters ({', '.join(types)}) for function {name}"
    return "Cannot apply operator: " + f" {name} ".join(types)


_TRINO_MESSAGES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Could not convert string 'trino: (?P<message>.*)' to INT64", re.DOTALL), itemgetter("message")),
    (re.compile(r"executing the UDF: \w*FunctionError: (?P<message>.*)", re.DOTALL), itemgetter("message")),
    (re.compile(r"Division by zero"), itemgetter(0)),
    (re.compile(r"Map keys must be unique"), lambda _: "Duplicate map keys are not allowed"),
    (re.compile(r"list dimensions must be equal"), lambda _: "The arguments must have the same length"),
    (
        re.compile(r'argument in function "quantile\w*" must be a constant expression'),
        lambda _: "A percentage that is no constant is not supported by this emulator",
    ),
    (
        re.compile(r"More than one row returned by a subquery used as an expression"),
        lambda _: "Scalar sub-query has returned multiple rows",
    ),
    (
        re.compile(r"Max expression depth limit|[Ss]tack (?:overflow|depth)|[Mm]emory exhausted at or near"),
        lambda _: "The query is nested too deep for this emulator",
    ),
    (re.compile(r"(?:Overflow|Out of Range) in \w+ of DECIMAL"), lambda _: "Decimal overflow"),
    (
        re.compile(r"BIGNUM value (?P<value>\S+) is out of range for type (?P<type>\w+)"),
        lambda match: f"{match['value']} is out of range for {_type_name(match['type'])}",
    ),
    (
        re.compile(r"struct_extract with an integer key|for struct_extract out of range"),
        lambda _: "A field of a row is a position from 1 to the number of its fields, written out",
    ),
    (re.compile(r"Unknown TimeZone '(?P<name>[^']*)'"), lambda match: f"'{match['name']}' is not a valid time zone"),
    (
        re.compile(r"Overflow in (?P<what>\w+) of (?P<type>INT\d+) \((?P<values>.*)\)"),
        lambda match: f"{_INTEGER_NAMES[match['type']]} {match['what']} overflow: {match['values']}",
    ),
    (
        re.compile(r"with value (?P<value>\S+) can't be cast because .* destination type (?P<type>\w+)"),
        lambda match: f"{match['value']} is out of range for {_type_name(match['type'])}",
    ),
    (
        re.compile(r"Table with name (?P<name>\S+) does not exist"),
        lambda match: f"Table '{match['name']}' does not exist any more",
    ),
    (
        re.compile(r'Table "(?P<table>[^"]*)" does not have a column named "(?P<name>[^"]*)"'),
        lambda match: f"Column '{match['table']}.{match['name']}' cannot be resolved",
    ),
    (
        re.compile(r'Referenced (?:column|table) "(?P<name>[^"]*)" not found', re.IGNORECASE),
        lambda match: f"Column '{match['name']}' cannot be resolved",
    ),
    (
        re.compile(r'Column "(?P<name>[^"]*)" referenced that exists in the SELECT clause'),
        lambda match: f"Column '{match['name']}' cannot be resolved",
    ),
    (
        re.compile(r'Ambiguous reference to column name "(?P<name>[^"]*)"'),
        lambda match: f"Column '{match['name']}' is ambiguous",
    ),
    (
        re.compile(r'column "?(?P<name>[^"]*)"? must appear in the GROUP BY clause'),
        lambda match: f"'{match['name']}' must be an aggregate expression or appear in GROUP BY clause",
    ),
    (re.compile(r"Could not convert (?:string )?'(?P<value>.*)' to (?P<type>[A-Z0-9]+)", re.DOTALL), _conversion),
    (
        re.compile(
            r"""(?:argument types '|best candidate function for the function call ")"""
            r"""(?P<name>[^(]*)\((?P<types>.*?)\)['"](?!\s*[,)\]])"""
        ),
        _no_function,
    ),
)
"""Patterns of messages of DuckDB, and the messages of Trino."""
