"""Functions that take a JSON path.

DuckDB reads a path otherwise than Trino where it is more than keys and positions, so it may be no more than these.
"""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.positions import error_at
from dagster_dune.emulator.dunesql.sql import Types, call, literal_text, text

_STEP = re.compile(
    r"""\.(?P<key>[A-Za-z0-9_-]+)|\[(?P<position>[0-9]+)\]|\[(?P<quote>["'])(?P<quoted>[^"']+)(?P=quote)\]"""
)


def json_extract(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Take a part out of a JSON text."""
    del types
    return call("trino_json_extract", operands[0], text(_path(node, operands[1])))


def json_extract_scalar(node: exp.Expr, operands: list[exp.Expr], types: Types) -> exp.Expr:
    """Take a scalar out of a JSON text, as text."""
    del types
    return call("trino_json_extract_scalar", operands[0], text(_path(node, operands[1])))


def _path(node: exp.Expr, operand: exp.Expr) -> str:
    path = literal_text(operand) or ""
    position, steps = 1, ["$"]
    while path.startswith("$") and position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            break
        steps.append(f"[{step['position']}]" if step["position"] else f'."{step["key"] or step["quoted"]}"')
        position = step.end()
    if not path.startswith("$") or position < len(path):
        raise error_at(node, f"The JSON path '{path}' is not supported: write keys and positions, like $.a.b[0]")
    return "".join(steps)
