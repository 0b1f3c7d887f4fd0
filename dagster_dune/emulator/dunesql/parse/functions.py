"""The names of the functions that queries may call, and the mark that keeps sqlglot from reading them itself."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.trino import Trino

from dagster_dune.emulator.dunesql.functions.catalog import FUNCTIONS

MARK = "trino_"
"""Put before the names of functions, so that sqlglot leaves them alone."""

_BY_SYNTAX = frozenset({"substring", "trim", "position", "normalize", "listagg"})
"""Functions with syntax of their own, which sqlglot reads."""
JSON_CALLS = ("json_exists", "json_value", "json_query", "json_object", "json_array")
"""Functions with clauses of their own, which `parse.json_calls` makes plain calls."""
ARRAY_CALL = "array"
"""The call that ``ARRAY[1, 2]`` becomes."""
_SPECIAL = frozenset({"coalesce", "nullif", "try", "row", "date", "grouping", *JSON_CALLS})
"""Those of `functions.catalog.SPECIAL` that are written like any other."""

NAMES = (frozenset(FUNCTIONS) - _BY_SYNTAX) | _SPECIAL
"""The functions that get the mark."""

_KEPT = frozenset(
    {
        "and", "any", "array", "case", "cast", "char", "columns", "current_date", "current_time", "current_timestamp",
        "exists", "extract", "first", "if", "json_table", "last", "like", "localtime", "localtimestamp", "mod", "or",
        "time", "timestamp", "try_cast", "unnest",
    }
)  # fmt: skip
"""Words before a parenthesis that the parser is to read itself."""
FOREIGN = frozenset(name.lower() for name in (*Trino.parser_class.FUNCTIONS, *Trino.parser_class.FUNCTION_PARSERS)) - (
    NAMES | _BY_SYNTAX | _KEPT
)
"""Functions of other databases that the parser knows; they get the mark too, and so mean nothing."""


def function_name(node: exp.Expr) -> str:
    """The name of the function that a node calls, empty where it calls none of the list."""
    if isinstance(node, exp.GroupConcat):
        return "listagg"
    if isinstance(node, exp.Anonymous) and node.name.lower().startswith(MARK):
        return node.name.lower().removeprefix(MARK)
    return ""
