"""Substitutes parameters, ``{{name}}`` in the text of a query, before it is parsed.

See https://docs.dune.com/web-app/query-editor/parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dagster_dune.emulator.sql_errors import SqlError

_PLACEHOLDER = re.compile(r"\{\{(?P<name>[^{}]*)\}\}")


def substitute(sql: str, values: Mapping[str, str]) -> str:
    """Substitute the values of parameters.

    Args:
        sql: The text with placeholders.
        values: The values of parameters. A key is compared exactly first, then case-insensitively, since a query view
            passes keys in lower case.

    Returns:
        The text without placeholders.

    Raises:
        SqlError: A placeholder has no value.

    Examples:
        >>> substitute("SELECT '{{Chain}}', {{ n }}", {"chain": "base", "n": "7"})
        "SELECT 'base', 7"
    """
    folded = {key.lower(): value for key, value in values.items()}

    def value(match: re.Match[str]) -> str:
        name = match["name"].strip()
        if name in values:
            return values[name]
        if name.lower() in folded:
            return folded[name.lower()]
        line = sql.count("\n", 0, match.start()) + 1
        column = match.start() - sql.rfind("\n", 0, match.start())
        raise SqlError(f"The parameter '{name}' has no value", line=line, column=column)

    return _PLACEHOLDER.sub(value, sql)
