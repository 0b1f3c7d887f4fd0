"""The names of supported functions, and the prefix that keeps sqlglot from interpreting them."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.trino import Trino

from dagster_dune.emulator.dunesql.functions.catalog import FUNCTIONS

PREFIX = "trino_"
"""The prefix of names of functions, with which sqlglot does not know them."""

_BY_SYNTAX = frozenset({"substring", "trim", "position", "normalize", "listagg"})
"""Functions with special syntax that sqlglot parses."""
JSON_CALLS = ("json_exists", "json_value", "json_query", "json_object", "json_array")
"""Functions with clauses, which `parse.json_calls` converts to plain calls."""
ARRAY_CALL = "array"
"""The name of the call that ``ARRAY[1, 2]`` is converted to."""
_SPECIAL = frozenset({"coalesce", "nullif", "try", "row", "date", "grouping", *JSON_CALLS})
"""Names of `functions.catalog.SPECIAL` that are called with plain syntax."""

NAMES = (frozenset(FUNCTIONS) - _BY_SYNTAX) | _SPECIAL
"""The functions that get the prefix."""

_PARSED_BY_SQLGLOT = frozenset(
    {
        "and", "any", "array", "case", "cast", "char", "columns", "current_date", "current_time", "current_timestamp",
        "exists", "extract", "first", "if", "json_table", "last", "like", "localtime", "localtimestamp", "mod", "or",
        "time", "timestamp", "try_cast", "unnest",
    }
)  # fmt: skip
"""Words before a parenthesis that sqlglot parses itself."""
FOREIGN = frozenset(name.lower() for name in (*Trino.parser_class.FUNCTIONS, *Trino.parser_class.FUNCTION_PARSERS)) - (
    NAMES | _BY_SYNTAX | _PARSED_BY_SQLGLOT
)
"""Functions of other databases that sqlglot knows. They get the prefix too, and are then rejected as unknown."""


def function_name(node: exp.Expr) -> str:
    """Return the name of the supported function that a node calls; empty if it calls none."""
    if isinstance(node, exp.GroupConcat):
        return "listagg"
    if isinstance(node, exp.Anonymous) and node.name.lower().startswith(PREFIX):
        return node.name.lower().removeprefix(PREFIX)
    return ""
