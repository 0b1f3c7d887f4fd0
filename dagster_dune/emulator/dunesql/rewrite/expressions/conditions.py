"""Translates CASE, IF, coalesce, nullif, AND, OR, NOT and IS: branches have one type, conditions are boolean."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced
from dagster_dune.emulator.dunesql.rewrite.expressions.comparisons import compared
from dagster_dune.emulator.dunesql.rewrite.expressions.operators import mismatch
from dagster_dune.emulator.dunesql.rewrite.observation import derived, link
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator
from dagster_dune.emulator.dunesql.types.coercion import can_coerce, common_of
from dagster_dune.emulator.dunesql.types.trino import BOOLEAN, Type

_ARGUMENT_COUNTS: dict[str, tuple[int, int | None]] = {
    "nullif": (2, 2), "try": (1, 1), "date": (1, 1), "row": (1, None), "grouping": (1, None),
}  # fmt: skip
"""The minimum and maximum numbers of arguments of functions without signatures."""


def check_count(node: exp.Anonymous, name: str) -> None:
    """Check the number of arguments of a call."""
    least, most = _ARGUMENT_COUNTS.get(name, (0, None))
    count = len(node.expressions)
    if count < least or (most is not None and count > most):
        raise error_at(node, f"Unexpected number of arguments ({count}) for function {name}")


def condition(translator: Translator, node: exp.Expr, scope: Scope, what: str) -> Operand:
    """Translate a condition, which must be boolean."""
    value = translator.expression(node, scope)
    if not can_coerce(value.type, BOOLEAN):
        raise error_at(node, f"{what} must evaluate to a boolean: actual type {value.type}")
    return coerced(value, BOOLEAN)


def connected(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    """Translate ``a AND b AND c``, or OR, without recursion."""
    kind, sign = type(node), "AND" if isinstance(node, exp.And) else "OR"
    parts: list[exp.Expr] = []
    left: exp.Expr = node
    while isinstance(left, kind):
        parts.append(left.expression)
        left = left.this
    sides = [condition(translator, part, scope, f"A side of {sign}").sql for part in (left, *reversed(parts))]
    return Operand(f"({f' {sign} '.join(sides)})", BOOLEAN)


def one_type(node: exp.Expr, values: Sequence[Operand], what: str) -> tuple[list[Operand], Type]:
    """Coerce values to their common supertype."""
    link(values)
    common = common_of(value.type for value in values)
    if common is None:
        written = ", ".join(dict.fromkeys(str(value.type) for value in values))
        raise error_at(node, f"{what} must be the same type or coercible to a common type: {written}")
    return [coerced(value, common) for value in values], common


def case(translator: Translator, node: exp.Case, scope: Scope) -> Operand:
    """Translate CASE, with a value to compare or with conditions."""
    default = node.args.get("default")
    results = [translator.expression(branch.args["true"], scope) for branch in node.args["ifs"]]
    if default is not None:
        results.append(translator.expression(default, scope))
    results, common = one_type(node, results, "All CASE results")
    if node.this is not None:
        subject = translator.expression(node.this, scope)
        tests = [
            compared(branch, "=", subject, translator.expression(branch.this, scope)).sql for branch in node.args["ifs"]
        ]
    else:
        tests = [condition(translator, branch.this, scope, "CASE WHEN clause").sql for branch in node.args["ifs"]]
    branches = " ".join(f"WHEN {test} THEN {result.sql}" for test, result in zip(tests, results, strict=False))
    last = f" ELSE {results[-1].sql}" if default is not None else ""
    return derived(Operand(f"CASE {branches}{last} END", common), results)


def conditional(translator: Translator, node: exp.If, scope: Scope) -> Operand:
    """Translate ``if(condition, a, b)``."""
    test = condition(translator, node.this, scope, "IF condition")
    values = [translator.expression(node.args["true"], scope)]
    if node.args.get("false") is not None:
        values.append(translator.expression(node.args["false"], scope))
    values, common = one_type(node, values, "Result types for IF")
    last = f" ELSE {values[1].sql}" if len(values) > 1 else ""
    return derived(Operand(f"CASE WHEN {test.sql} THEN {values[0].sql}{last} END", common), values)


def coalesce(node: exp.Expr, values: Sequence[Operand]) -> Operand:
    """Translate ``coalesce(...)``."""
    if len(values) < 2:
        raise error_at(node, "The 'coalesce' function must have at least two arguments")
    values, common = one_type(node, values, "All COALESCE operands")
    return derived(Operand(f"coalesce({', '.join(value.sql for value in values)})", common), values)


def nullif(node: exp.Expr, first: Operand, second: Operand) -> Operand:
    """Translate ``nullif(a, b)``, which has the type of a."""
    try:
        same = compared(node, "=", first, second)
    except Exception:
        raise mismatch(node, "NULLIF", first.type, second.type) from None
    return derived(Operand(f"CASE WHEN {same.sql} THEN NULL ELSE {first.sql} END", first.type), [first])


def negation(translator: Translator, node: exp.Not, scope: Scope) -> Operand:
    """Translate NOT."""
    return Operand(f"(NOT {condition(translator, node.this, scope, 'Value of logical NOT expression').sql})", BOOLEAN)


def is_test(translator: Translator, node: exp.Is, scope: Scope) -> Operand:
    """Translate ``IS NULL``; Trino has no IS TRUE."""
    if not isinstance(node.expression, exp.Null):
        raise error_at(node, f"mismatched input 'IS {node.expression.sql('trino')}': write IS NULL")
    return Operand(f"({translator.expression(node.this, scope).sql} IS NULL)", BOOLEAN)
