"""Functions that take a JSON path.

DuckDB reads a path otherwise than Trino where it is more than keys and positions, so it may be no more than these.
"""

from __future__ import annotations

import re

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, call, cast_to, literal_text, text

_STEP = re.compile(
    r"""\.(?P<key>[A-Za-z0-9_-]+)|\[(?P<position>[0-9]+)\]|\[(?P<quote>["'])(?P<quoted>[^"']+)(?P=quote)\]"""
)


def json_extract(operation: Operation) -> exp.Expr:
    """Take a part out of a JSON text."""
    return call("trino_json_extract", operation.operands[0], text(_path(operation)))


def json_extract_scalar(operation: Operation) -> exp.Expr:
    """Take a scalar out of a JSON text, as text."""
    return call("trino_json_extract_scalar", operation.operands[0], text(_path(operation)))


def json_exists(operation: Operation) -> exp.Expr:
    """Ask whether a path leads anywhere."""
    value, path = operation.operands
    found = exp.Not(this=exp.Is(this=_lax(operation.node, value, path), expression=exp.null()))
    return exp.Case(ifs=[exp.If(this=exp.Not(this=exp.Is(this=value.copy(), expression=exp.null())), true=found)])


def json_query(node: exp.Expr) -> exp.Expr:
    """Take a part out of a JSON text, as JSON text; text alone without its quotes if OMIT QUOTES says so."""
    if not node.args.get("json_query"):
        raise error_at(node, "The operator -> is not supported; write json_extract")
    if node.args.get("option") or node.args.get("on_condition"):
        raise error_at(node, "json_query is supported with OMIT QUOTES alone")
    part = _lax(node, node.this, node.expression)
    is_bare = node.args.get("quote") is not None and node.args["quote"].text("option").upper() == "OMIT"
    return call("trino_json_unquoted", part) if is_bare else cast_to(part, "VARCHAR")


def json_value(node: exp.Expr) -> exp.Expr:
    """Take a scalar out of a JSON text, as text."""
    returning = node.args.get("returning")
    if node.args.get("on_condition") or (returning and returning.this != exp.DType.VARCHAR):
        raise error_at(node, "json_value is supported with RETURNING varchar alone; cast what it gives")
    return call("trino_json_scalar", _lax(node, node.this, node.args["path"]))


def _lax(node: exp.Expr, value: exp.Expr, path: exp.Expr) -> exp.Expr:
    """Follow a path in lax mode, a step a call, so that each can refuse what lax would unwrap."""
    written = (literal_text(path) or "").strip()
    steps = re.sub(r"^lax\s+", "", written)
    position, found = 1, call("trino_json_or_null", value)
    while steps.startswith("$") and (step := _STEP.match(steps, position)):
        if step["position"]:
            found = call("trino_lax_position", found, text(f"$[{step['position']}]"))
        else:
            found = call("trino_lax_key", found, text(f'$."{step["key"] or step["quoted"]}"'))
        position = step.end()
    if not steps.startswith("$") or position < len(steps):
        raise error_at(node, f"The JSON path '{written}' is not supported: write keys and positions, lax $.a.b[0]")
    return found


def _path(operation: Operation) -> str:
    path = literal_text(operation.operands[1]) or ""
    position, steps = 1, ["$"]
    while path.startswith("$") and (step := _STEP.match(path, position)):
        steps.append(f"[{step['position']}]" if step["position"] else f'."{step["key"] or step["quoted"]}"')
        position = step.end()
    if not path.startswith("$") or position < len(path):
        raise error_at(operation.node, f"The JSON path '{path}' is not supported: write keys and positions, $.a.b[0]")
    return "".join(steps)
