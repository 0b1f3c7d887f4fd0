"""Functions that take a JSON path.

DuckDB reads a path otherwise than Trino where it is more than keys and positions, so it may be no more than these.
"""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Operation, call, literal_text, text

_STEP = re.compile(
    r"""\.(?P<key>[A-Za-z0-9_-]+)|\[(?P<position>[0-9]+)\]|\[(?P<quote>["'])(?P<quoted>[^"']+)(?P=quote)\]"""
)


def json_extract(operation: Operation) -> exp.Expr:
    """Take a part out of a JSON text."""
    return call("trino_json_extract", operation.operands[0], text(_path(operation)))


def json_extract_scalar(operation: Operation) -> exp.Expr:
    """Take a scalar out of a JSON text, as text."""
    return call("trino_json_extract_scalar", operation.operands[0], text(_path(operation)))


def _path(operation: Operation) -> str:
    path = literal_text(operation.operands[1]) or ""
    position, steps = 1, ["$"]
    while path.startswith("$") and (step := _STEP.match(path, position)):
        steps.append(f"[{step['position']}]" if step["position"] else f'."{step["key"] or step["quoted"]}"')
        position = step.end()
    if not path.startswith("$") or position < len(path):
        raise error_at(operation.node, f"The JSON path '{path}' is not supported: write keys and positions, $.a.b[0]")
    return "".join(steps)
