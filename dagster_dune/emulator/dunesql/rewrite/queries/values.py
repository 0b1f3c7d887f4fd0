"""Translates VALUES."""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced
from dagster_dune.emulator.dunesql.rewrite.queries.correlation import check_values
from dagster_dune.emulator.dunesql.rewrite.scopes import Field, Relation, Scope, Translator
from dagster_dune.emulator.dunesql.types.coercion import common_of


def values(translator: Translator, node: exp.Values, scope: Scope) -> Relation:
    """Translate VALUES, whose columns are coerced to common supertypes."""
    check_values(node)
    cells = [_cells(translator, each, scope) for each in node.expressions]
    if len({len(each) for each in cells}) != 1:
        raise error_at(node, "Values rows have mismatched sizes")
    types = []
    for place in range(len(cells[0])):
        common = common_of(each[place].type for each in cells)
        if common is None:
            written = ", ".join(dict.fromkeys(str(each[place].type) for each in cells))
            raise error_at(node, f"Values rows have mismatched types: {written}")
        types.append(common)
    written_rows = ", ".join(
        f"({', '.join(coerced(cell, type_).typed for cell, type_ in zip(each, types, strict=True))})" for each in cells
    )
    names = [f"c{place}" for place in range(len(types))]
    alias = translator.fresh("t")
    sql = f"SELECT {', '.join(names)} FROM (VALUES {written_rows}) AS {alias}({', '.join(names)})"
    return Relation(sql, tuple(Field(None, name, type_) for name, type_ in zip(names, types, strict=True)))


def _cells(translator: Translator, node: exp.Expr, scope: Scope) -> list[Operand]:
    """Return the values of a row; an expression of a row type is replaced by its fields."""
    written = node.expressions[0] if isinstance(node, exp.Tuple) and len(node.expressions) == 1 else node
    values = [translator.expression(cell, scope) for cell in _row_of(node)]
    if len(values) > 1 or values[0].type.name != "row" or _is_row(written):
        return values
    value = values[0]
    return [Operand(f"struct_extract_at({value.sql}, {place + 1})", type_) for place, type_ in enumerate(value.type.of)]


def _row_of(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Tuple):
        if len(node.expressions) == 1 and _is_row(node.expressions[0]):
            return list(node.expressions[0].expressions)
        return list(node.expressions)
    if isinstance(node, exp.Paren):
        return [node.this]
    return list(node.expressions) if _is_row(node) else [node]


def _is_row(node: exp.Expr) -> bool:
    if isinstance(node, exp.Tuple):
        return True
    return isinstance(node, exp.Anonymous) and node.name.lower() == "trino_row"
