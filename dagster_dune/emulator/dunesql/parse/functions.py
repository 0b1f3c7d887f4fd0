"""The names of the functions that queries may call, and the mark that keeps sqlglot from reading them itself."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.functions.catalog import FUNCTIONS

MARK = "trino_"
"""Put before the names of functions, so that sqlglot leaves them alone."""

_BY_SYNTAX = frozenset({"substring", "trim", "position", "normalize", "listagg"})
"""Functions with syntax of their own, which sqlglot reads."""
_SPECIAL = frozenset({"coalesce", "nullif", "try", "row", "date", "grouping", "json_exists"})
"""Those of `functions.catalog.SPECIAL` that are written like any other."""

NAMES = (frozenset(FUNCTIONS) - _BY_SYNTAX) | _SPECIAL
"""The functions that get the mark."""
