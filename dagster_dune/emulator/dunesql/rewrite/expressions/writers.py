"""The function that translates each kind of node of an expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.catalog import AGGREGATES, FUNCTIONS, WINDOWS
from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.functions import ARRAY_CALL, function_name
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.expressions import (
    aggregation,
    comparisons,
    conditions,
    documents,
    literals,
    operators,
)
from dagster_dune.emulator.dunesql.rewrite.expressions.casting import write_cast, write_date
from dagster_dune.emulator.dunesql.rewrite.expressions.clocks import (
    at_time_zone,
    current_timestamp,
    extract_field,
    local_time,
    local_timestamp,
)
from dagster_dune.emulator.dunesql.rewrite.observation import derived, observe_elements
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator, resolve
from dagster_dune.emulator.dunesql.types.trino import BOOLEAN, DATE, array, row


def _column(translator: Translator, node: exp.Column, scope: Scope) -> Operand:
    del translator
    return resolve(node, scope)


def _identifier(translator: Translator, node: exp.Identifier, scope: Scope) -> Operand:
    """Translate a parameter of a lambda, which sqlglot parses as identifier instead of column."""
    column = exp.column(node.copy())
    column.meta.update(node.meta)
    return _column(translator, column, scope)


def _binary(translator: Translator, node: exp.Binary, scope: Scope) -> Operand:
    """Translate a chain of operators from the left, without recursion."""
    chain: list[exp.Expr] = [node]
    while scope.grouping is None and type(chain[-1].this) in _CHAINED:
        chain.append(chain[-1].this)
    value = translator.expression(chain[-1].this, scope)
    for each in reversed(chain):
        right = translator.expression(each.expression, scope)
        if isinstance(each, exp.DPipe):
            value = operators.joined(each, value, right)
            continue
        try:
            value = operators.arithmetic(each, operators.SIGNS[type(each)], value, right)
        except ValueError as error:
            raise error_at(each, str(error)) from None
    return value


def inner_predicate(node: exp.Expr) -> exp.Expr | None:
    """Return a predicate inside another without parentheses, if there is one: Trino rejects ``a = b IN (1)``."""
    sides = (node.this, node.args.get("expression"))
    return next((each for each in sides if isinstance(each, _PREDICATES)), None)


def _comparison(translator: Translator, node: exp.Binary, scope: Scope) -> Operand:
    sign = comparisons.SIGNS[type(node)]
    left = translator.expression(node.this, scope)
    other = node.expression
    is_all = isinstance(other, exp.All) or _quantifier(other) == "all"
    if is_all or isinstance(other, exp.Any) or _quantifier(other):
        query = other.this if isinstance(other, exp.Any | exp.All) else other.expressions[0]
        return comparisons.quantified(node, sign, left, query, is_all=is_all, translator=translator, scope=scope)
    return comparisons.compared(node, sign, left, translator.expression(other, scope))


def _quantifier(node: exp.Expr) -> str:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
    is_query = bool(name) and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Query | exp.Values)
    return name if name in ("all", "any", "some") and is_query else ""


def _negation(translator: Translator, node: exp.Neg, scope: Scope) -> Operand:
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return literals.number(f"-{inner.name.replace('_', '')}")
    return operators.negated(node, translator.expression(inner, scope))


def _anonymous(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    name = function_name(node)
    if name in _SPECIAL:
        conditions.check_count(node, name)
        return _SPECIAL[name](translator, node, scope)
    if name in AGGREGATES or name in WINDOWS:
        return aggregation.aggregate(translator, node, scope)
    if name not in FUNCTIONS:
        raise error_at(
            node, f"Function '{name or node.name.lower()}' is not registered, or not supported by this emulator"
        )
    return translator.function(node, name, node.expressions, scope)


def _all(translator: Translator, nodes: Sequence[exp.Expr], scope: Scope) -> list[Operand]:
    return [translator.expression(node, scope) for node in nodes]


def _try(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    value = translator.expression(node.expressions[0], scope)
    return derived(Operand(f"TRY({value.sql})", value.type), [value])


def _row(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    values = _all(translator, node.expressions, scope)
    fields = ", ".join(f"f{place} := {value.typed}" for place, value in enumerate(values))
    return Operand(f"struct_pack({fields})", row(tuple(value.type for value in values)))


def _array(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    values, common = conditions.one_type(node, _all(translator, node.expressions, scope), "All ARRAY elements")
    made = Operand(f"CAST([{', '.join(value.sql for value in values)}] AS {common.duckdb}[])", array(common))
    return observe_elements(made, [value for value in values if not value.is_constant])


def _literal_call(translator: Translator, node: exp.Anonymous, scope: Scope) -> Operand:
    del translator, scope
    kind, written = (part.name for part in node.expressions)
    made = literals.typed_literal(node, kind, written)
    assert made is not None  # noqa: S101 - the parser marks those that there are
    return made


def _trim(translator: Translator, node: exp.Trim, scope: Scope) -> Operand:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.text("position").upper(), "trim")
    arguments = [node.this, *([node.expression] if node.args.get("expression") else [])]
    return translator.function(node, name, arguments, scope)


def _substring(translator: Translator, node: exp.Substring, scope: Scope) -> Operand:
    if node.args.get("start") is None:
        raise error_at(node, "Unexpected number of arguments (1) for function substring")
    arguments = [node.this, node.args["start"], *([node.args["length"]] if node.args.get("length") else [])]
    return translator.function(node, "substr", arguments, scope)


def _position(translator: Translator, node: exp.StrPosition, scope: Scope) -> Operand:
    return translator.function(node, "strpos", [node.this, node.args["substr"]], scope)


def _normalize(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    form = (node.args.get("form") or exp.Var(this="NFC")).name.upper()
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise error_at(node, f"'{form}' is no normal form: write NFC, NFD, NFKC or NFKD")
    return translator.function(node, "normalize", [node.this, exp.Literal.string(form)], scope)


def _subscript(translator: Translator, node: exp.Bracket, scope: Scope) -> Operand:
    keys = node.expressions
    if len(keys) != 1 or isinstance(keys[0], exp.Slice):
        raise error_at(node, "A subscript must be one position or one key")
    position = int(keys[0].name) if isinstance(keys[0], exp.Literal) and keys[0].is_int else None
    container = translator.expression(node.this, scope)
    return operators.subscript(node, container, translator.expression(keys[0], scope), position)


def _in(translator: Translator, node: exp.In, scope: Scope) -> Operand:
    value = translator.expression(node.this, scope)
    if node.args.get("query") is not None:
        return comparisons.in_query(node, value, translator, node.args["query"], scope)
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values):
        return comparisons.in_query(node, value, translator, node.expressions[0], scope)
    if node.args.get("unnest") is not None or not node.expressions:
        raise error_at(node, "IN takes a list or a subquery")
    return comparisons.in_list(node, value, _all(translator, node.expressions, scope))


def _between(translator: Translator, node: exp.Between, scope: Scope) -> Operand:
    if node.args.get("symmetric"):
        raise error_at(node, "BETWEEN SYMMETRIC is not Trino's")
    return comparisons.between(node, *_all(translator, [node.this, node.args["low"], node.args["high"]], scope))


def _like(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    escape = translator.expression(node.expression, scope) if isinstance(node, exp.Escape) else None
    inner = node.this if isinstance(node, exp.Escape) else node
    if not isinstance(inner, exp.Like):
        raise error_at(node, f"{inner.key.upper()} is not Trino's")
    made = comparisons.like(
        node, translator.expression(inner.this, scope), translator.expression(inner.expression, scope), escape
    )
    return Operand(f"(NOT {made.sql})", BOOLEAN) if inner.args.get("negate") else made


def _subquery(translator: Translator, node: exp.Expr, scope: Scope) -> Operand:
    relation = translator.query(node, scope)
    if len(relation.fields) != 1:
        types = row(tuple(each.type for each in relation.fields), tuple(each.name for each in relation.fields))
        alias = translator.fresh("q")
        made = ", ".join(f"f{place} := {alias}.{each.sql}" for place, each in enumerate(relation.fields))
        none = ", ".join(f"f{place} := CAST(NULL AS {type_.duckdb})" for place, type_ in enumerate(types.of))
        found = f"(SELECT struct_pack({made}) FROM ({relation.sql}) AS {alias})"
        return Operand(f"coalesce({found}, struct_pack({none}))", types)
    only = relation.fields[0]
    return derived(Operand(f"({relation.sql})", only.type), [Operand(only.origin, only.type)] if only.origin else [])


def _exists(translator: Translator, node: exp.Exists, scope: Scope) -> Operand:
    return Operand(f"EXISTS ({translator.query(node.this, scope).sql})", BOOLEAN)


def _dot(translator: Translator, node: exp.Dot, scope: Scope) -> Operand:
    return operators.dereference(node, translator.expression(node.this, scope))


def _paren(translator: Translator, node: exp.Paren, scope: Scope) -> Operand:
    return translator.expression(node.this, scope)


_PREDICATES: tuple[type[exp.Expr], ...] = (*comparisons.SIGNS, exp.In, exp.Between, exp.Like, exp.Is)
_CHAINED = (*operators.SIGNS, exp.DPipe)
Writer = Callable[..., Operand]
"""A function of the translator, a node of one kind, and the scope."""
_SPECIAL: dict[str, Writer] = {
    "coalesce": lambda t, n, s: conditions.coalesce(n, _all(t, n.expressions, s)),
    "nullif": lambda t, n, s: conditions.nullif(n, *_all(t, n.expressions, s)),
    "try": _try,
    "row": _row,
    ARRAY_CALL: _array,
    "date": write_date,
    "literal": _literal_call,
    "grouping": aggregation.grouping,
    "json_exists": documents.exists,
    "json_query": documents.query,
    "json_value": documents.value,
    "json_object": documents.made_object,
    "json_array": documents.made_array,
}
WRITERS: dict[type[exp.Expr], Writer] = {
    exp.Literal: lambda _, node, __: literals.literal(node),
    exp.Null: lambda _, __, ___: literals.null(),
    exp.Boolean: lambda _, n, __: literals.boolean(n),
    exp.HexString: lambda _, n, __: literals.hexadecimal(n),
    exp.UnicodeString: lambda _, n, __: literals.unicode_text(n),
    exp.Interval: lambda _, n, __: literals.interval(n),
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Paren: _paren,
    **dict.fromkeys(operators.SIGNS, _binary),
    **dict.fromkeys(comparisons.SIGNS, _comparison),
    exp.Neg: _negation,
    exp.DPipe: _binary,
    exp.And: conditions.connected,
    exp.Or: conditions.connected,
    exp.Not: conditions.negation,
    exp.Is: conditions.is_test,
    exp.Case: conditions.case,
    exp.If: conditions.conditional,
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like,
    exp.Escape: _like,
    exp.Exists: _exists,
    exp.Cast: write_cast,
    exp.TryCast: write_cast,
    exp.AtTimeZone: at_time_zone,
    exp.Extract: extract_field,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Normalize: _normalize,
    exp.Bracket: _subscript,
    exp.Tuple: _row,
    exp.Struct: _row,
    exp.Dot: _dot,
    exp.CurrentDate: lambda _, __, ___: Operand("trino_today()", DATE),
    exp.CurrentTimestamp: current_timestamp,
    exp.Localtimestamp: local_timestamp,
    exp.Localtime: local_time,
    exp.Anonymous: _anonymous,
    exp.Window: aggregation.aggregate,
    exp.Filter: aggregation.aggregate,
    exp.WithinGroup: aggregation.aggregate,
    exp.GroupConcat: aggregation.aggregate,
    exp.Subquery: _subquery,
    exp.Select: _subquery,
    exp.Union: _subquery,
    exp.Values: _subquery,
}
