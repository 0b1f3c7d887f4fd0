"""What DuckDB says when a statement fails, in Trino's words."""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.types import trino_type
from dagster_dune.emulator.errors import SqlError, SqlErrorType

_RAISED = re.compile(r"Could not convert string 'trino: (?P<message>.*)' to INT64", re.DOTALL)
_COLUMN = re.compile(r'Referenced (?:column|table) "(?P<name>[^"]*)" not found', re.IGNORECASE)
_MISSING_IN_TABLE = re.compile(r'Table "(?P<table>[^"]*)" does not have a column named "(?P<name>[^"]*)"')
_AMBIGUOUS = re.compile(r'Ambiguous reference to column name "(?P<name>[^"]*)"')
_GROUP = re.compile(r'column "?(?P<name>[^"]*)"? must appear in the GROUP BY clause')
_CONVERSION = re.compile(r"Could not convert (?:string )?'(?P<value>.*)' to (?P<type>[A-Z0-9]+)")
_NO_FUNCTION = re.compile(
    r"""(?:argument types '|best candidate function for the function call ")(?P<name>[^(]*)\((?P<types>[^'"]*)\)['"]"""
)
_INTEGER_NAMES = {"INT8": "tinyint", "INT16": "smallint", "INT32": "integer", "INT64": "bigint"}
_LITERALS = {"INTEGER_LITERAL": "INTEGER", "STRING_LITERAL": "VARCHAR"}
_PATH = re.compile(r"(?<![\w'])/[\w./-]+")
_UNRESOLVED = re.compile(r"Column '(?P<name>[^']*)' (?:cannot be resolved|is ambiguous)")
_KIND = re.compile(r"^(?:INTERNAL|[A-Z][\w ]*) Error: ")
_HINT = re.compile(r"\s*(?:Use TRY\(|You might need|Candidate |Did you mean|LINE \d).*", re.DOTALL)

_BINDING = ("Binder Error", "Catalog Error", "Parser Error", "Not implemented Error")


def sql_error(message: str) -> SqlError:
    """Turn DuckDB's message into an error of Dune's.

    Args:
        message: As DuckDB writes it, perhaps with a path of this machine in it.

    Returns:
        The error, in Trino's words where there are such, without any path.
    """
    if message.startswith(("INTERRUPT", "Interrupted")):
        return SqlError("The query was cancelled", type="FAILED_TYPE_CANCELLED")
    kind: SqlErrorType = "FAILED_TYPE_SYNTAX" if message.startswith(_BINDING) else "FAILED_TYPE_EXECUTION_FAILED"
    return SqlError(_words(message), type=kind)


def located(error: SqlError, statement: exp.Query) -> SqlError:
    """Say where a column stands that cannot be resolved.

    Args:
        error: What the binder said.
        statement: The query as it was written.

    Returns:
        The same error with line and column, if it is about a column that the query names.
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


def _words(message: str) -> str:
    if match := _RAISED.search(message):
        return match["message"]
    if "Division by zero" in message:
        return "Division by zero"
    if match := _MISSING_IN_TABLE.search(message):
        return f"Column '{match['table']}.{match['name']}' cannot be resolved"
    if match := _COLUMN.search(message):
        return f"Column '{match['name']}' cannot be resolved"
    if match := _AMBIGUOUS.search(message):
        return f"Column '{match['name']}' is ambiguous"
    if match := _GROUP.search(message):
        return f"'{match['name']}' must be an aggregate expression or appear in GROUP BY clause"
    if match := _CONVERSION.search(message):
        return f"Cannot cast '{match['value']}' to {_INTEGER_NAMES.get(match['type'], trino_type(match['type']))}"
    if match := _NO_FUNCTION.search(message):
        types = [trino_type(_LITERALS.get(name, name)) for name in match["types"].split(", ")]
        if not match["name"].isidentifier():
            operator = f" {match['name']} "
            return f"Cannot apply operator: {operator.join(types)}"
        return f"Unexpected parameters ({', '.join(types)}) for function {match['name'].removeprefix('trino_')}"
    if "not allowed inside the TRY" in message:
        return "try() around an aggregate is not supported by this emulator; compute the aggregate in a subquery"
    return _PATH.sub("<file>", _KIND.sub("", _HINT.sub("", message))).strip()
