"""Translates comparisons: operands get one type, NaN equals nothing, and NULL in arrays and rows is unknown."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand, bound, text
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced
from dagster_dune.emulator.dunesql.rewrite.expressions.operators import mismatch
from dagster_dune.emulator.dunesql.rewrite.observation import link, observe_comparison
from dagster_dune.emulator.dunesql.rewrite.scopes import Scope, Translator
from dagster_dune.emulator.dunesql.types.coercion import can_coerce, common_of, common_type
from dagster_dune.emulator.dunesql.types.trino import BOOLEAN, MOMENT, SKETCHES, VARCHAR, Type, row

SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip


def compared(node: exp.Expr, sign: str, left: Operand, right: Operand) -> Operand:
    """Translate ``left sign right``."""
    link([left, right])
    if sign == "=":
        observe_comparison(left, [right])
        observe_comparison(right, [left])
    common = common_type(left.type, right.type)
    if common is None:
        raise mismatch(node, sign, left.type, right.type)
    left, right = coerced(left, common), coerced(right, common)
    return Operand(comparison(node, sign, left, right, common), BOOLEAN)


def comparison(node: exp.Expr, sign: str, left: Operand, right: Operand, type_: Type) -> str:
    """Translate a comparison of two values of one type."""
    if type_.find(*SKETCHES):
        raise mismatch(node, sign, type_, type_)
    if sign.startswith("IS "):
        return f"({key_sql(left.sql, type_)} {sign} {key_sql(right.sql, type_)})"
    if type_.name in ("array", "row", "map"):
        return _nested(node, sign, left, right, type_)
    if type_.name == "json" and sign not in ("=", "<>"):
        raise mismatch(node, sign, type_, type_)
    if type_.name == "json":
        return f"(py_json_canonical({left.sql}) {sign} py_json_canonical({right.sql}))"
    left_sql, right_sql = (
        f"struct_extract({side.sql}, '{MOMENT}')" if type_.zoned else side.sql for side in (left, right)
    )
    if type_.name == "char":
        left_sql, right_sql = f"rtrim({left_sql}, ' ')", f"rtrim({right_sql}, ' ')"
    plain = f"({left_sql} {sign} {right_sql})"
    return _of_doubles(sign, left, right, plain) if type_.is_float else plain


def _of_doubles(sign: str, left: Operand, right: Operand, plain: str) -> str:
    """Translate a comparison of doubles, since NaN is the greatest number and equal to itself in DuckDB."""
    may_be_nan = [side for side in (left, right) if not side.is_constant]
    if sign in (">", ">="):
        suspects = [(left, right)] if left in may_be_nan else []
    elif sign in ("<", "<="):
        suspects = [(right, left)] if right in may_be_nan else []
    else:
        suspects = [(left, right)] if len(may_be_nan) == 2 else []
    for suspect, other in suspects:
        known = "" if other.is_constant else f"{other.sql} IS NULL OR "
        condition = f"({known}NOT isnan({suspect.sql}))"
        if sign == "<>":
            return f"({plain} OR ({other.sql} IS NOT NULL AND isnan({suspect.sql})))"
        return f"({plain} AND {condition})"
    return plain


def key_sql(sql: str, type_: Type) -> str:
    """Return SQL of the value that distinguishes values: for times with zones the instant."""
    if type_.name == "json":
        return f"py_json_canonical({sql})"
    return f"struct_extract({sql}, '{MOMENT}')" if type_.zoned else sql


def _nested(node: exp.Expr, sign: str, left: Operand, right: Operand, type_: Type) -> str:
    if sign in ("=", "<>"):
        whole = equal(node, left.sql, right.sql, type_)
        return whole if sign == "=" else f"(NOT {whole})"
    if type_.name == "map" or type_.find("map", "json") or type_.has_zones:
        raise mismatch(node, sign, type_, type_)
    refused = f"{type_.name.upper()} comparison not supported for values with NULL inside"

    def checked(v: str) -> str:
        unknown = f"{_has_null(f'{v}.a', type_)} OR {_has_null(f'{v}.b', type_)}"
        return f"CASE WHEN {unknown} THEN CAST(trino_fail('{refused}') AS BOOLEAN) ELSE {v}.a {sign} {v}.b END"

    inside = bound(f"struct_pack(a := {left.sql}, b := {right.sql})", checked)
    return f"({inside})"


def _has_null(sql: str, type_: Type) -> str:
    if type_.name == "array":
        return f"coalesce(len(list_filter({sql}, lambda dune_x: dune_x IS NULL)) > 0, false)"
    parts = " OR ".join(f"struct_extract_at({sql}, {place + 1}) IS NULL" for place in range(len(type_.of)))
    return f"({sql} IS NOT NULL AND ({parts}))"


def equal(node: exp.Expr, left: str, right: str, type_: Type) -> str:
    """Return SQL of the equality of two values of one type, by their elements."""
    if type_.name == "array":
        return bound(f"struct_pack(a := {left}, b := {right})", lambda v: _equal_arrays(node, v, type_.of[0]))
    if type_.name == "row":
        return bound(f"struct_pack(a := {left}, b := {right})", lambda v: _equal_rows(node, v, type_))
    if type_.name == "map":
        return bound(f"struct_pack(a := {left}, b := {right})", lambda v: _equal_maps(node, v, type_))
    return comparison(node, "=", Operand(left, type_), Operand(right, type_), type_)


def _equal_arrays(node: exp.Expr, pair: str, element: Type) -> str:
    each = f"dune_pair_{pair}"
    inside = equal(node, f"{each}.a", f"{each}.b", element)
    both = f"struct_pack(a := list_extract({pair}.a, dune_i), b := list_extract({pair}.b, dune_i))"
    zipped = f"list_transform(range(1, len({pair}.a) + 1), lambda dune_i: {both})"
    return (
        f"CASE WHEN len({pair}.a) <> len({pair}.b) THEN false WHEN len({pair}.a) = len({pair}.b) "
        f"THEN trino_all(list_transform({zipped}, lambda {each}: {inside})) END"
    )


def _equal_rows(node: exp.Expr, pair: str, type_: Type) -> str:
    parts = " AND ".join(
        equal(node, f"struct_extract_at({pair}.a, {place + 1})", f"struct_extract_at({pair}.b, {place + 1})", part)
        for place, part in enumerate(type_.of)
    )
    return f"CASE WHEN {pair}.a IS NOT NULL AND {pair}.b IS NOT NULL THEN ({parts}) END"


def _equal_maps(node: exp.Expr, pair: str, type_: Type) -> str:
    each = f"dune_key_{pair}"
    inside = equal(node, f"map_extract_value({pair}.a, {each})", f"map_extract_value({pair}.b, {each})", type_.of[1])
    same = f"cardinality({pair}.a) = cardinality({pair}.b) AND list_has_all(map_keys({pair}.a), map_keys({pair}.b))"
    return (
        f"CASE WHEN NOT ({same}) THEN false WHEN {same} "
        f"THEN trino_all(list_transform(map_keys({pair}.a), lambda {each}: {inside})) END"
    )


def between(node: exp.Between, value: Operand, low: Operand, high: Operand) -> Operand:
    """Translate ``value BETWEEN low AND high``."""
    common = common_of((value.type, low.type, high.type))
    if common is None:
        raise error_at(node, f"Cannot check if {value.type} is BETWEEN {low.type} and {high.type}")
    value, low, high = (coerced(each, common) for each in (value, low, high))
    if common.of or common.zoned or (common.is_float and not (low.is_constant and high.is_constant)):
        above = comparison(node, ">=", value, low, common)
        return Operand(f"({above} AND {comparison(node, '<=', value, high, common)})", BOOLEAN)
    return Operand(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)


def in_list(node: exp.In, value: Operand, items: Sequence[Operand]) -> Operand:
    """Translate ``value IN (...)``."""
    observe_comparison(value, items)
    common = common_of((value.type, *(item.type for item in items)))
    if common is None:
        other = next(item.type for item in items if common_type(value.type, item.type) is None or True)
        raise error_at(node, f"IN value and list items must be the same type: {value.type} and {other}")
    value = coerced(value, common)
    items = [coerced(item, common) for item in items]
    is_plain = not common.of and not common.zoned and common.name not in ("char", "json")
    if is_plain and not (common.is_float and not all(item.is_constant for item in items)):
        return Operand(f"({value.sql} IN ({', '.join(item.sql for item in items)}))", BOOLEAN)
    parts = [comparison(node, "=", value, item, common) for item in items]
    return Operand(f"({' OR '.join(parts)})", BOOLEAN)


def in_query(node: exp.Expr, value: Operand, translator: Translator, query: exp.Expr, scope: Scope) -> Operand:
    """Translate ``value IN (SELECT ...)``, where value may be a row."""
    relation = translator.query(query, scope)
    found = relation.fields
    given = row(tuple(field.type for field in found)) if len(found) > 1 else found[0].type
    if len(found) == 1:
        link([value, Operand(found[0].origin or found[0].sql, found[0].type)])
    common = common_type(value.type, given)
    if common is None or (len(found) > 1 and value.type.name != "row"):
        raise error_at(
            node, f"value and result of subquery must be of the same type for IN expression: {value.type} vs {given}"
        )
    if common.has_zones or (common.name != "row" and common.of):
        raise error_at(node, f"IN with a subquery of {common} is not supported by this emulator; use EXISTS or a join")
    alias = translator.fresh("q")
    if len(found) > 1:
        parts = [
            coerced(Operand(f"{alias}.{each.sql}", each.type), type_).sql
            for each, type_ in zip(found, common.of, strict=True)
        ]
        sides = [f"struct_extract_at({value.sql}, {place + 1})" for place in range(len(found))]
        sides = [
            coerced(Operand(side, one), other).sql
            for side, one, other in zip(sides, value.type.of, common.of, strict=True)
        ]
        return Operand(
            f"(({', '.join(sides)}) IN (SELECT {', '.join(parts)} FROM ({relation.sql}) AS {alias}))", BOOLEAN
        )
    item = coerced(Operand(f"{alias}.{found[0].sql}", found[0].type), common).sql
    left = coerced(value, common).sql
    made = f"({left} IN (SELECT {item} FROM ({relation.sql}) AS {alias}))"
    return Operand(f"({made} AND NOT coalesce(isnan({left}), false))" if common.is_float else made, BOOLEAN)


def quantified(
    node: exp.Expr, sign: str, left: Operand, query: exp.Expr, *, is_all: bool, translator: Translator, scope: Scope
) -> Operand:
    """Translate ``left sign ANY (SELECT ...)`` or ALL."""
    relation = translator.query(query, scope)
    if len(relation.fields) != 1:
        raise error_at(node, "A subquery that is compared must have one column")
    other = relation.fields[0].type
    common = common_type(left.type, other)
    if common is None or common.of or common.has_zones:
        raise mismatch(node, sign, left.type, other)
    alias = translator.fresh("q")
    item = coerced(Operand(f"{alias}.{relation.fields[0].sql}", other), common)
    whole = comparison(node, sign, coerced(left, common), item, common)
    name = "bool_and" if is_all else "bool_or"
    first, last = ("FALSE", "TRUE") if is_all else ("TRUE", "FALSE")
    counts = (
        f"CASE WHEN count(*) = 0 THEN {last} WHEN {name}({whole}) IS {first} THEN {first} "
        f"WHEN count({whole}) < count(*) THEN NULL ELSE {last} END"
    )
    return Operand(f"(SELECT {counts} FROM ({relation.sql}) AS {alias})", BOOLEAN)


def like(node: exp.Expr, value: Operand, pattern: Operand, escape: Operand | None) -> Operand:
    """Translate ``value LIKE pattern ESCAPE '$'``."""
    for side in (value, pattern, *((escape,) if escape else ())):
        if not can_coerce(side.type, VARCHAR):
            raise error_at(node, f"Left side of LIKE expression must evaluate to a varchar (actual: {side.type})")
    value, pattern = coerced(value, VARCHAR), coerced(pattern, VARCHAR)
    if escape is not None:
        return Operand(f"py_like({value.sql}, {pattern.sql}, {coerced(escape, VARCHAR).sql})", BOOLEAN)
    if pattern.literal is not None and "\\" not in pattern.literal:
        return Operand(f"({value.sql} LIKE {text(pattern.literal)})", BOOLEAN)
    return Operand(f"py_like({value.sql}, {pattern.sql}, chr(0))", BOOLEAN)
